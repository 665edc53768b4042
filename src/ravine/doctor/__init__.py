"""Why a run is not learning: signals read from it."""

from ravine.doctor.signals import GradientNoise, gradient_noise

__all__ = ["GradientNoise", "gradient_noise"]
