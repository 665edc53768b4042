"""Optimisers as pure functions, one file per paper family, and the registry of their names."""

from ravine.rules._rule import Citation, Flag, Hyper, Rule, Slot
from ravine.rules._wrappers import WRAPPERS
from ravine.rules.registry import REGISTRY, Entry, get, names, resolve

__all__ = ["REGISTRY", "WRAPPERS", "Citation", "Entry", "Flag", "Hyper", "Rule", "Slot", "get", "names", "resolve"]
