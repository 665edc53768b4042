"""Drop-in `torch.optim` classes over ravine's rules, their registry, and parameter groups for weight decay."""

from ravine.optim.classes import SGD, Adagrad, Adam, AdamW, Lion, RMSprop, create
from ravine.optim.groups import NO_DECAY_TYPES, param_groups
from ravine.rules.registry import names

__all__ = ["NO_DECAY_TYPES", "SGD", "Adagrad", "Adam", "AdamW", "Lion", "RMSprop", "create", "names", "param_groups"]
