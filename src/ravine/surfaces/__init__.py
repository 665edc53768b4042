"""Optimisers watched on functions of two numbers, and slices of a model's own loss."""

from ravine.surfaces.formula import Formula
from ravine.surfaces.functions import REGISTRY, Surface, create, names
from ravine.surfaces.racing import race
from ravine.surfaces.slices import slice_around, slice_between, slice_trajectory
from ravine.surfaces.tuning import GRID

__all__ = ["GRID", "REGISTRY", "Formula", "Surface", "create", "names", "race", "slice_around", "slice_between", "slice_trajectory"]
