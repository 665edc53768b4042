"""Where a lesson can be played with: pages of the lab, set as the lesson sets them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

Preset: TypeAlias = tuple[str, Mapping[str, str]]
"""A page and the settings of its address."""

_PATHS = {"optimizers": "sgd,momentum,adam"}

_THREE = {"v": "1", "o": "sgd,momentum,adam", "w": "32", "n": "500"}

PRESETS: Mapping[str, tuple[Preset, ...]] = MappingProxyType(
    {
        "same-rate-three-fates": (
            ("race", {**_THREE, "t": "curve:sine", "r": "0.01"}),
            ("race", {**_THREE, "t": "curve:sawtooth", "r": "0.01"}),
        ),
        "tuned-rates": (
            ("race", {**_THREE, "t": "curve:sine", "r": "tuned"}),
            ("race", {**_THREE, "t": "curve:sawtooth", "r": "tuned"}),
        ),
        "one-line-change": (
            ("race", {"v": "1", "t": "digits", "o": "sgd,adam,adamw", "r": "sgd:0.01,adam:0.001,adamw:0.001", "b": "64", "n": "1000"}),
        ),
        "line-fit": (("race", {"v": "1", "t": "curve:noisy-line", "o": "sgd,momentum,rmsprop,adam", "r": "0.1", "n": "500"}),),
        "batch-sizes": (
            ("race", {"v": "1", "t": "digits", "o": "sgd,adam", "r": "sgd:0.1,adam:0.003", "b": "16", "n": "800"}),
            ("race", {"v": "1", "t": "digits", "o": "sgd,adam", "r": "sgd:0.1,adam:0.003", "b": "128", "n": "100"}),
        ),
        "spectral-bias": (("race", {**_THREE, "t": "curve:sawtooth", "r": "tuned", "n": "2000"}),),
        "ravine-race": (("surface", {**_PATHS, "name": "ravine:condition=50", "steps": "300"}),),
        "best-rate-quadratic": (
            ("surface", {**_PATHS, "name": "0.5*(20*x**2 + y**2)", "steps": "300", "start": "1.5,1.5", "domain": "-2,2,-2,2"}),
        ),
        "elongated-bowl": (
            ("surface", {"optimizers": "sgd", "name": "x**2 + 4*y**2", "lr": "0.15", "steps": "30", "start": "3,2", "domain": "-4,4,-3,3"}),
        ),
        "momentum-valley": (
            ("surface", {"optimizers": "sgd,momentum", "name": "ravine:condition=100"}),
            ("surface", {"optimizers": "sgd,momentum", "name": "bowl"}),
        ),
        "saddle": (("surface", {**_PATHS, "name": "saddle", "lr": "0.05", "steps": "800", "start": "-1.5,0.00001"}),),
        "loss-shapes": (("loss-shapes", {"losses": "cross_entropy,squared,absolute"}),),
        "warmup-cosine": (("schedules", {"schedules": "cosine", "horizon": "1000", "warmup": "50"}),),
        "restarts": (("schedules", {"schedules": "cosine;cosine_restarts:cycles=3,t_mult=2", "horizon": "3000"}),),
        "one-cycle": (("schedules", {"schedules": "one_cycle;constant;cyclical;cosine", "horizon": "200"}),),
        "vanishing": (("depth", {}),),
        "loss-scaling": (("precision", {}),),
        "bytes-per-parameter": (("memory", {"optimizers": "sgd,momentum,lion,adam"}), ("memory", {"optimizers": "adamw", "bits": "8"})),
        "ln-k": (("doctor", {"task": "digits"}),),
        "overfit-one-batch": (("doctor", {"task": "digits"}),),
    }
)
"""Every lesson that another page can be set to; the others have their own figure alone."""
