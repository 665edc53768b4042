"""Which library has which optimiser under which name, all with the same hypers; what is not installed or refuses is left out and said."""

import importlib

import torch

from ravine import optim


def ravine_side(name, driver, **settings):
    return lambda params: optim.create(name, params, driver=driver, **settings)


def torch_side(name, **settings):
    return lambda params: getattr(torch.optim, name)(params, **settings)


def library(module, name, **settings):
    def build(params):
        return getattr(importlib.import_module(module), name)(params, **settings)

    return build


def grouped(module, name, **settings):
    """For a class that takes its settings from groups alone."""
    return lambda params: getattr(importlib.import_module(module), name)([{"params": params, **settings}])


def heavyball(name, **settings):
    def build(params):
        import heavyball

        heavyball.utils.set_torch()
        return getattr(heavyball, name)(params, **settings)

    return build


LR = 1e-4
KINDS = {
    "adamw": {
        "torch fused": torch_side("AdamW", lr=LR, fused=True),
        "torch foreach": torch_side("AdamW", lr=LR, foreach=True),
        "ravine native": ravine_side("adamw", "native", lr=LR),
        "ravine foreach": ravine_side("adamw", "foreach", lr=LR),
        "ravine compiled": ravine_side("adamw", "compiled", lr=LR),
        "HeavyBall": heavyball("AdamW", lr=LR),
        "pytorch_optimizer": library("pytorch_optimizer", "StableAdamW", lr=LR),
        "timm": library("timm.optim.adamw", "AdamWLegacy", lr=LR),
        "bitsandbytes": library("bitsandbytes.optim", "AdamW32bit", lr=LR),
    },
    "adamw 8-bit": {
        "ravine fp32 native": ravine_side("adamw", "native", lr=LR),
        "ravine 8-bit native": ravine_side("adamw", "native", lr=LR, state_dtype="8bit"),
        "torchao 8-bit": library("torchao.optim", "AdamW8bit", lr=LR),
        "bitsandbytes 8-bit": library("bitsandbytes.optim", "AdamW8bit", lr=LR),
    },
    "sgd momentum": {
        "torch fused": torch_side("SGD", lr=LR, momentum=0.9, fused=True),
        "torch foreach": torch_side("SGD", lr=LR, momentum=0.9, foreach=True),
        "ravine native": ravine_side("momentum", "native", lr=LR),
        "ravine foreach": ravine_side("momentum", "foreach", lr=LR),
        "ravine compiled": ravine_side("momentum", "compiled", lr=LR),
        "HeavyBall": heavyball("SGD", lr=LR, beta=0.9),
        "bitsandbytes": library("bitsandbytes.optim", "SGD32bit", lr=LR, momentum=0.9),
    },
    "lion": {
        "ravine native": ravine_side("lion", "native", lr=LR),
        "ravine foreach": ravine_side("lion", "foreach", lr=LR),
        "ravine compiled": ravine_side("lion", "compiled", lr=LR),
        "pytorch_optimizer": library("pytorch_optimizer", "Lion", lr=LR),
        "timm": library("timm.optim.lion", "Lion", lr=LR),
        "bitsandbytes": library("bitsandbytes.optim", "Lion32bit", lr=LR),
    },
    "radam": {
        "torch foreach": torch_side("RAdam", lr=LR, foreach=True),
        "ravine native": ravine_side("radam", "native", lr=LR),
        "ravine foreach": ravine_side("radam", "foreach", lr=LR),
        "ravine compiled": ravine_side("radam", "compiled", lr=LR),
        "pytorch_optimizer": library("pytorch_optimizer", "RAdam", lr=LR),
    },
    "adan": {
        "ravine native": ravine_side("adan", "native", lr=LR),
        "ravine foreach": ravine_side("adan", "foreach", lr=LR),
        "ravine compiled": ravine_side("adan", "compiled", lr=LR),
        "pytorch_optimizer": library("pytorch_optimizer", "Adan", lr=LR),
        "timm": library("timm.optim.adan", "Adan", lr=LR),
    },
    "lamb": {
        "ravine native": ravine_side("lamb", "native", lr=LR),
        "ravine per tensor": ravine_side("lamb", "per_tensor", lr=LR),
        "ravine compiled": ravine_side("lamb", "compiled", lr=LR),
        "pytorch_optimizer": library("pytorch_optimizer", "Lamb", lr=LR),
        "timm": library("timm.optim.lamb", "Lamb", lr=LR),
    },
    "adafactor": {
        "torch foreach": torch_side("Adafactor", lr=LR, foreach=True),
        "ravine native": ravine_side("adafactor", "native", lr=LR),
        "ravine per tensor": ravine_side("adafactor", "per_tensor", lr=LR),
        "ravine compiled": ravine_side("adafactor", "compiled", lr=LR),
        "pytorch_optimizer": library("pytorch_optimizer", "AdaFactor", lr=LR),
    },
    "prodigy": {
        "ravine native": ravine_side("prodigy", "native"),
        "ravine per tensor": ravine_side("prodigy", "per_tensor"),
        "ravine compiled": ravine_side("prodigy", "compiled"),
        "pytorch_optimizer": library("pytorch_optimizer", "Prodigy"),
    },
    "schedule-free adamw": {
        "ravine native": ravine_side("schedule_free_adamw", "native", lr=LR),
        "ravine foreach": ravine_side("schedule_free_adamw", "foreach", lr=LR),
        "ravine compiled": ravine_side("schedule_free_adamw", "compiled", lr=LR),
        "schedulefree": library("schedulefree", "AdamWScheduleFree", lr=LR, foreach=True),
        "pytorch_optimizer": library("pytorch_optimizer", "ScheduleFreeAdamW", lr=LR),
    },
    "muon": {
        "torch": torch_side("Muon", lr=LR),
        "ravine": ravine_side("muon", "auto", lr=LR),
        "pytorch_optimizer": grouped("pytorch_optimizer", "Muon", lr=LR, use_muon=True),
        "timm": library("timm.optim.muon", "Muon", lr=LR),
    },
    "soap": {
        "ravine": ravine_side("soap", "auto", lr=LR),
        "HeavyBall": heavyball("SOAP", lr=LR),
        "pytorch_optimizer": library("pytorch_optimizer", "SOAP", lr=LR),
    },
}
"""Kind -> side -> builder of an optimizer over parameters."""

BYTES = {"adamw": 28, "sgd momentum": 20, "lion": 20, "radam": 28, "adamw 8-bit": 16}
"""Bytes a parameter that a step must move: p, g and the state read, p and the state written."""
