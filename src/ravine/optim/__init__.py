"""Drop-in `torch.optim` classes over ravine's rules, their registry, and parameter groups for weight decay."""

from ravine.optim.adam_family import ADOPT, AdaBelief, Adan, AdEMAMix, SoftAdam
from ravine.optim.adaptive import Adadelta, Adamax, NAdam, RAdam
from ravine.optim.classes import SGD, Adagrad, Adam, AdamW, Lion, RMSprop
from ravine.optim.clipping import clip_grad_agc_, clip_grad_norm_, clip_grad_value_
from ravine.optim.creating import create
from ravine.optim.curvature import SophiaG, SophiaH, sampled_cross_entropy
from ravine.optim.free_family import AdamWScheduleFree, DAdaptAdam, Prodigy, SGDScheduleFree
from ravine.optim.groups import NO_DECAY_TYPES, freeze, param_groups, unfreeze
from ravine.optim.lr_scheduler import LRScheduler
from ravine.optim.matrix_family import SOAP, Muon, Shampoo
from ravine.optim.matrix_groups import muon_groups
from ravine.optim.tensor_family import LAMB, LARS, Adafactor
from ravine.optim.wrapped import Wrapped
from ravine.rules.registry import names

__all__ = [
    "ADOPT",
    "LAMB",
    "LARS",
    "NO_DECAY_TYPES",
    "SGD",
    "SOAP",
    "AdEMAMix",
    "AdaBelief",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "AdamWScheduleFree",
    "Adamax",
    "Adan",
    "DAdaptAdam",
    "LRScheduler",
    "Lion",
    "Muon",
    "NAdam",
    "Prodigy",
    "RAdam",
    "RMSprop",
    "SGDScheduleFree",
    "Shampoo",
    "SoftAdam",
    "SophiaG",
    "SophiaH",
    "Wrapped",
    "clip_grad_agc_",
    "clip_grad_norm_",
    "clip_grad_value_",
    "create",
    "freeze",
    "muon_groups",
    "names",
    "param_groups",
    "sampled_cross_entropy",
    "unfreeze",
]
