"""Rows of Adam's relatives, and of the options that SGD, RMSprop, Adam and AdamW have beyond their namesakes in torch."""

import torch

from case_rows.case import Case
from references import adabelief, adadelta, adam, adamax, adan, ademamix, adopt, nadam, radam, softadam


class NAdamInFloat64(torch.optim.NAdam):
    """torch's, with the running product in float64: torch starts it in the default dtype, whatever the parameters are."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None and not self.state[param]:
                    self.state[param] = {
                        "step": torch.tensor(0.0),
                        "mu_product": torch.ones((), dtype=torch.float64),
                        "exp_avg": torch.zeros_like(param),
                        "exp_avg_sq": torch.zeros_like(param),
                    }
        return super().step(closure)


def _optax(name, **fixed):
    """An optimiser of optax with lr = 1 from settings under torch's names, coupled L2 in front."""
    names = {"eps": "eps", "rho": "rho", "alpha": "alpha"}

    def make(settings):
        import optax

        given = {names[key]: settings[key] for key in names if key in settings}
        given |= {f"b{index}": beta for index, beta in enumerate(settings.get("betas", ()), start=1)}
        transformation = getattr(optax, name, None) or getattr(optax.contrib, name)
        return optax.chain(optax.add_decayed_weights(settings.get("weight_decay", 0.0)), transformation(1.0, **given, **fixed))

    return make


def _optax_adabelief(settings):
    import optax

    b1, b2 = settings.get("betas", (0.9, 0.999))
    eps = settings.get("eps", 1e-16)
    return optax.adabelief(1.0, b1, b2, eps=eps, eps_root=eps)


def _optax_ademamix(settings):
    import optax

    b1, b2, b3 = settings.get("betas", (0.9, 0.999, 0.9999))
    return optax.contrib.ademamix(1.0, b1, b2, b3, settings.get("alpha", 5.0), weight_decay=settings.get("weight_decay", 0.0))


def _optax_soft_sgd(settings):
    """SoftAdam with eta = 0: SGD along a running mean, looking ahead as optax's `ema` and its input combine."""
    import optax

    keep = settings["betas"][0]
    return optax.chain(optax.ema(keep, debias=False), optax.add_decayed_weights(settings.get("weight_decay", 0.0)), optax.scale(-1.0))


def _optax_rmsprop(settings):
    import optax

    return optax.rmsprop(1.0, settings.get("alpha", 0.9), settings["eps"], eps_in_sqrt=True, momentum=settings.get("momentum"))


def _optax_rmsprop_tf(settings):
    import optax

    return optax.rmsprop(
        1.0, settings["alpha"], settings["eps"], initial_scale=1.0, eps_in_sqrt=True, centered=settings.get("centered", False)
    )


def _timm(module, name, renamed=None, **fixed):
    """An optimiser of timm; settings that it calls otherwise are renamed, those it has not are left out."""
    renamed = renamed or {}

    def make(settings, params):
        import importlib
        import inspect

        from conformance.libraries import stand_in_for_torchvision

        with stand_in_for_torchvision():
            kind = getattr(importlib.import_module(f"timm.optim.{module}"), name)
        known = inspect.signature(kind).parameters
        given = {renamed.get(key, key): value for key, value in settings.items()}
        return kind(params, **{key: value for key, value in given.items() if key in known}, foreach=False, **fixed)

    return make


_TORCH = torch.optim
_EPS = "optax corrects the second moment before it adds eps; the row with eps 0 compares the rest"

_IN_TORCH = (
    Case("adadelta", "adadelta", {"lr": 1.0}, {"rho": 0.8, "lr": 0.5}, _TORCH.Adadelta, _optax("adadelta"), adadelta.update),
    Case(
        "adadelta-l2",
        "adadelta",
        {"lr": 2.0, "rho": 0.95, "eps": 1e-3, "weight_decay": 0.1},
        {"weight_decay": 0.0},
        _TORCH.Adadelta,
        None,
        adadelta.update,
        note="optax adds its decay to the step",
    ),
    Case("adamax", "adamax", {"lr": 0.02}, {"betas": (0.8, 0.95)}, _TORCH.Adamax, _optax("adamax"), adamax.update),
    Case(
        "adamax-l2",
        "adamax",
        {"lr": 0.02, "weight_decay": 0.1, "eps": 1e-3},
        {"weight_decay": 0.0},
        _TORCH.Adamax,
        _optax("adamax"),
        adamax.update,
    ),
    Case("nadam", "nadam", {"lr": 0.02}, {"betas": (0.8, 0.95)}, NAdamInFloat64, None, nadam.update, note="optax's is another algorithm"),
    Case(
        "nadam-decoupled",
        "nadam",
        {"lr": 0.02, "weight_decay": 0.3, "decoupled_weight_decay": True, "momentum_decay": 0.05, "eps": 1e-3},
        {"decoupled_weight_decay": False, "betas": (0.0, 0.9)},
        NAdamInFloat64,
        None,
        nadam.update,
        note="optax's is another algorithm",
    ),
    Case("radam", "radam", {"lr": 0.02}, {"betas": (0.8, 0.95)}, _TORCH.RAdam, None, radam.update, note=_EPS),
    Case(
        "radam-decoupled",
        "radam",
        {"lr": 0.02, "weight_decay": 0.3, "decoupled_weight_decay": True, "eps": 1e-3},
        {"decoupled_weight_decay": False, "betas": (0.5, 0.6)},
        _TORCH.RAdam,
        None,
        radam.update,
        note=_EPS,
    ),
    Case("radam-eps-0", "radam", {"lr": 0.02, "eps": 0.0}, {"betas": (0.8, 0.99)}, _TORCH.RAdam, _optax("radam"), radam.update),
)

_OF_PAPERS = (
    Case("adabelief", "adabelief", {"lr": 0.01}, {"betas": (0.8, 0.95)}, None, _optax_adabelief, adabelief.update),
    Case(
        "adabelief-rectify",
        "adabelief",
        {"lr": 0.01, "weight_decay": 0.1, "rectify": True, "eps": 1e-8},
        {"weight_decay": 0.0, "betas": (0.8, 0.95)},
        None,
        None,
        adabelief.update,
        _timm("adabelief", "AdaBelief"),
        note="optax does not rectify",
    ),
    Case(
        "adan",
        "adan",
        {"lr": 0.02, "weight_decay": 0.1},
        {"betas": (0.9, 0.8, 0.95)},
        None,
        None,
        adan.update,
        _timm("adan", "Adan"),
        note="optax weighs the change by 1 - beta2, which the paper calls beta2",
    ),
    Case(
        "adan-no-prox",
        "adan",
        {"lr": 0.02, "weight_decay": 0.1, "no_prox": True},
        {"eps": 1e-3},
        None,
        None,
        adan.update,
        _timm("adan", "Adan"),
        note="as above",
    ),
    Case(
        "adan-uncorrected",
        "adan",
        {"lr": 0.02, "uncorrected": True},
        {"weight_decay": 0.1},
        None,
        None,
        adan.update,
        note="the start of the paper, which no library has",
    ),
    Case("ademamix", "ademamix", {"lr": 0.02, "weight_decay": 0.1}, {"betas": (0.8, 0.95, 0.99)}, None, _optax_ademamix, ademamix.update),
    Case(
        "ademamix-warm-up",
        "ademamix",
        {"lr": 0.02, "t_alpha": 40.0, "t_beta3": 50.0, "alpha": 2.0},
        {"t_beta3": 20.0, "eps": 1e-3},
        None,
        None,
        ademamix.update,
        note="optax takes schedules as functions",
    ),
    Case(
        "adopt",
        "adopt",
        {"lr": 0.02},
        {"betas": (0.8, 0.99)},
        None,
        _optax("adopt"),
        adopt.update,
        _timm("adopt", "Adopt", {"clip": "clip_exp"}, clip_exp=0.25),
    ),
    Case(
        "adopt-decoupled",
        "adopt",
        {"lr": 0.02, "weight_decay": 0.1, "decoupled": True, "unclipped": True, "eps": 0.5},
        {"decoupled": False},
        None,
        None,
        adopt.update,
        _timm("adopt", "Adopt", clip_exp=None),
        note="optax has no decay",
    ),
    Case(
        "softadam",
        "softadam",
        {"lr": 0.05, "weight_decay": 0.1},
        {"betas": (0.8, 0.9), "eta": 3.0, "nesterov": False},
        None,
        None,
        softadam.update,
        note="in no library; the row with eta 0 is SGD's",
    ),
    Case(
        "softadam-sgd",
        "softadam",
        {"lr": 0.05, "eta": 0.0, "nesterov": False, "betas": (0.9, 0.999)},
        {"weight_decay": 0.1},
        None,
        _optax_soft_sgd,
        softadam.update,
    ),
)

_OPTIONS = (
    Case("sgdw", "sgdw", {"lr": 0.05}, {"weight_decay": 0.5, "dampening": 0.3}, timm=_timm("sgdw", "SGDW")),
    Case("sgdw-nesterov", "sgdw", {"lr": 0.05, "nesterov": True}, {"decoupled": True, "weight_decay": 0.3}, timm=_timm("sgdw", "SGDW")),
    Case(
        "rmsprop-eps-inside",
        "rmsprop",
        {"lr": 0.01, "alpha": 0.9, "eps": 1e-3, "eps_inside": True, "momentum": 0.9},
        {"alpha": 0.8},
        None,
        _optax_rmsprop,
    ),
    Case("rmsprop-tf", "rmsprop_tf", {"lr": 0.02}, {"eps": 1e-3}, None, _optax_rmsprop_tf, timm=_timm("rmsprop_tf", "RMSpropTF")),
    Case(
        "rmsprop-tf-momentum",
        "rmsprop_tf",
        {"lr": 0.01, "momentum": 0.9, "centered": True, "weight_decay": 0.1, "eps": 1e-3},
        {"momentum": 0.5},
        timm=_timm("rmsprop_tf", "RMSpropTF"),
        note="optax has no form of its own with lr inside the momentum and lr changing",
    ),
    Case("amsgrad", "amsgrad", {"lr": 0.02}, {"betas": (0.9, 0.9)}, _TORCH.Adam, None, adam.update, note="see adam-amsgrad"),
    Case(
        "adam-amsgrad-corrected",
        "amsgrad",
        {"lr": 0.02, "betas": (0.9, 0.9), "corrected_maximum": True},
        {"lr": 0.01, "weight_decay": 0.1},
        None,
        _optax("amsgrad"),
        adam.update,
    ),
    Case(
        "adamw-amsgrad-corrected",
        "adamw",
        {"lr": 0.02, "betas": (0.9, 0.9), "amsgrad": True, "corrected_maximum": True, "eps": 1e-3},
        {"weight_decay": 0.2},
        None,
        None,
        adam.decoupled_update,
        note="optax has no such AdamW",
    ),
)

ROWS = (*_IN_TORCH, *_OF_PAPERS, *_OPTIONS)
