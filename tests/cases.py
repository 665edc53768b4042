"""The table of optimisers under test: one row per registry name and per option that changes the arithmetic.

A row says how to build ours, the namesake in `torch.optim`, and a second oracle. What a rule can do (granularity,
state, flags) is asked of the rule itself, never listed here.
"""

import torch

from case_rows import adaptive, free, matrices
from case_rows.case import Case
from references import adagrad as adagrad_reference
from references import adam as adam_reference
from references import lion as lion_reference
from references import sgd as sgd_reference


def _l2(settings, transformation):
    import optax

    return optax.chain(optax.add_decayed_weights(settings.get("weight_decay", 0.0)), transformation)


def _optax_sgd(settings):
    import optax

    return _l2(settings, optax.sgd(1.0, settings.get("momentum") or None, settings.get("nesterov", False)))


def _optax_adagrad(settings):
    import optax

    return optax.adagrad(1.0, initial_accumulator_value=settings.get("initial_accumulator_value", 0.0), eps=settings["eps"])


def _optax_rmsprop(settings):
    import optax

    names = {"alpha": "decay", "eps": "eps", "momentum": "momentum", "centered": "centered"}
    given = {"decay": 0.99} | {names[key]: value for key, value in settings.items() if key in names}
    return _l2(settings, optax.rmsprop(1.0, eps_in_sqrt=False, **given))


def _optax_adam(settings):
    import optax

    b1, b2 = settings.get("betas", (0.9, 0.999))
    return _l2(settings, optax.adam(1.0, b1, b2, settings.get("eps", 1e-8)))


def _optax_adamw(settings):
    import optax

    b1, b2 = settings.get("betas", (0.9, 0.999))
    return optax.adamw(1.0, b1, b2, settings.get("eps", 1e-8), weight_decay=settings.get("weight_decay", 1e-2))


def _optax_lion(settings):
    import optax

    b1, b2 = settings.get("betas", (0.9, 0.99))
    return optax.lion(1.0, b1, b2, weight_decay=settings.get("weight_decay", 0.0))


_TORCH = torch.optim
_DAMPENING = "optax has no dampening"
_EPS = "optax puts eps under the root; the row with eps 0 compares the rest"
_AMSGRAD = "optax takes the maximum over the corrected second moment"

_SGD_ROWS = (
    Case("sgd", "sgd", {"lr": 0.1}, {"weight_decay": 0.1}, _TORCH.SGD, _optax_sgd),
    Case("sgd-l2", "sgd", {"lr": 0.1, "weight_decay": 0.05}, {"lr": 0.03, "weight_decay": 0.0}, _TORCH.SGD, _optax_sgd),
    Case("momentum", "momentum", {"lr": 0.05}, {"momentum": 0.5}, _TORCH.SGD, _optax_sgd),
    Case(
        "momentum-dampening-l2",
        "momentum",
        {"lr": 0.05, "dampening": 0.9, "weight_decay": 0.1},
        {"dampening": 0.3},
        _TORCH.SGD,
        reference=sgd_reference.update,
        note=_DAMPENING,
    ),
    Case("nesterov", "nesterov", {"lr": 0.05}, {"momentum": 0.7}, _TORCH.SGD, _optax_sgd),
    Case("nesterov-l2", "nesterov", {"lr": 0.05, "weight_decay": 0.1}, {"weight_decay": 0.0}, _TORCH.SGD, _optax_sgd),
)

_ADAGRAD_ROWS = (
    Case("adagrad", "adagrad", {"lr": 0.1}, {"lr": 0.02}, _TORCH.Adagrad, None, adagrad_reference.update, note=_EPS),
    Case(
        "adagrad-eps-0",
        "adagrad",
        {"lr": 0.1, "eps": 0.0, "initial_accumulator_value": 0.5},
        {"lr": 0.02},
        _TORCH.Adagrad,
        _optax_adagrad,
        adagrad_reference.update,
    ),
    Case(
        "adagrad-everything",
        "adagrad",
        {"lr": 0.1, "lr_decay": 0.01, "initial_accumulator_value": 0.1, "weight_decay": 0.1, "eps": 1e-3},
        {"lr_decay": 0.2, "weight_decay": 0.0},
        _TORCH.Adagrad,
        None,
        adagrad_reference.update,
        note=_EPS,
    ),
)

_RMSPROP_ROWS = (
    Case("rmsprop", "rmsprop", {"lr": 0.02}, {"alpha": 0.9}, _TORCH.RMSprop, _optax_rmsprop),
    Case("rmsprop-momentum", "rmsprop", {"lr": 0.01, "momentum": 0.9}, {"momentum": 0.5}, _TORCH.RMSprop, _optax_rmsprop),
    Case("rmsprop-centered", "rmsprop", {"lr": 0.01, "centered": True}, {"alpha": 0.8}, _TORCH.RMSprop, _optax_rmsprop),
    Case(
        "rmsprop-everything",
        "rmsprop",
        {"lr": 0.01, "alpha": 0.95, "momentum": 0.8, "centered": True, "weight_decay": 0.1, "eps": 1e-3},
        {"weight_decay": 0.0},
        _TORCH.RMSprop,
        _optax_rmsprop,
    ),
)

_ADAM_ROWS = (
    Case("adam", "adam", {"lr": 0.02}, {"betas": (0.8, 0.95)}, _TORCH.Adam, _optax_adam, adam_reference.update),
    Case(
        "adam-l2-eps",
        "adam",
        {"lr": 0.02, "weight_decay": 0.1, "eps": 1e-3},
        {"weight_decay": 0.0},
        _TORCH.Adam,
        _optax_adam,
        adam_reference.update,
    ),
    Case("adam-beta1-0", "adam", {"lr": 0.02, "betas": (0.0, 0.9)}, {"eps": 1e-4}, _TORCH.Adam, _optax_adam, adam_reference.update),
    Case(
        "adam-amsgrad",
        "adam",
        {"lr": 0.02, "amsgrad": True, "betas": (0.9, 0.9)},
        {"lr": 0.01},
        _TORCH.Adam,
        None,
        adam_reference.update,
        note=_AMSGRAD,
    ),
    Case(
        "adam-amsgrad-l2",
        "adam",
        {"lr": 0.02, "amsgrad": True, "betas": (0.5, 0.8), "weight_decay": 0.1},
        {"amsgrad": False},
        _TORCH.Adam,
        None,
        adam_reference.update,
        note=_AMSGRAD,
    ),
)

_ADAMW_ROWS = (
    Case("adamw", "adamw", {"lr": 0.02}, {"weight_decay": 0.0}, _TORCH.AdamW, _optax_adamw),
    Case("adamw-decay", "adamw", {"lr": 0.02, "weight_decay": 0.5, "betas": (0.8, 0.95)}, {"eps": 1e-3}, _TORCH.AdamW, _optax_adamw),
    Case(
        "adamw-amsgrad",
        "adamw",
        {"lr": 0.02, "amsgrad": True, "betas": (0.9, 0.9)},
        {"weight_decay": 0.2},
        _TORCH.AdamW,
        None,
        adam_reference.decoupled_update,
        note=_AMSGRAD,
    ),
)

_LION_ROWS = (
    Case("lion", "lion", {"lr": 0.005}, {"betas": (0.8, 0.95)}, None, _optax_lion, lion_reference.update, note="torch has no Lion"),
    Case(
        "lion-decay",
        "lion",
        {"lr": 0.005, "weight_decay": 0.5},
        {"weight_decay": 0.0},
        None,
        _optax_lion,
        lion_reference.update,
        note="torch has no Lion",
    ),
)

CASES: tuple[Case, ...] = (
    *_SGD_ROWS,
    *_ADAGRAD_ROWS,
    *_RMSPROP_ROWS,
    *_ADAM_ROWS,
    *_ADAMW_ROWS,
    *_LION_ROWS,
    *adaptive.ROWS,
    *free.ROWS,
    *matrices.ROWS,
)
