"""Why a run is not learning: a ladder of checks, each with what was measured, what was allowed and what to do."""

from ravine.doctor.ladder import examine
from ravine.doctor.range_test import range_test
from ravine.doctor.signals import GradientNoise, gradient_noise
from ravine.doctor.subject import Settings

__all__ = ["GradientNoise", "Settings", "examine", "gradient_noise", "range_test"]
