"""The trainer: one loop that carries a recipe from its first step to its last, and survives what happens on the way."""

from ravine.trainer.augmentation import Crop, CutMix, Flip, MaskTokens, Mixup, Smooth, Transform
from ravine.trainer.checkpoint import Checkpoints, load_weights
from ravine.trainer.ensemble import Ensemble, Ensembled
from ravine.trainer.events import Began, Ended, Evaluated, Event, Noted, Observer, Saved, Skipped, Stepped
from ravine.trainer.generating import Writer
from ravine.trainer.history import History
from ravine.trainer.loop import Trained, train
from ravine.trainer.options import Options
from ravine.trainer.resolving import resolve
from ravine.trainer.sampling import Choice
from ravine.trainer.settings import Settings

__all__ = [
    "Began",
    "Checkpoints",
    "Choice",
    "Crop",
    "CutMix",
    "Ended",
    "Ensemble",
    "Ensembled",
    "Evaluated",
    "Event",
    "Flip",
    "History",
    "MaskTokens",
    "Mixup",
    "Noted",
    "Observer",
    "Options",
    "Saved",
    "Settings",
    "Skipped",
    "Smooth",
    "Stepped",
    "Trained",
    "Transform",
    "Writer",
    "load_weights",
    "resolve",
    "train",
]
