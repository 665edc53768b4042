"""Rows of rules that look at whole tensors and matrices."""

import math

import torch

from case_rows.adaptive import _timm
from case_rows.case import Case
from conformance.libraries import stand_in_for_torchvision
from ravine import optim
from references import adafactor, lamb, lars, muon, shampoo, soap


class MuonOfAnyShape(optim.Muon):
    """Without the class' refusal of vectors, which the rule takes for matrices of one column: the contract's tests have some."""

    _takes_vectors = True


class AdamTurned(torch.optim.AdamW):
    """torch's AdamW in the eigenbases of the first gradient, which itself moves nothing: SOAP whose bases never turn."""

    def step(self, closure=None):
        (group,) = self.param_groups
        (param,) = group["params"]
        if "bases" not in self.defaults:
            rows = [param.grad.movedim(axis, 0).flatten(1) for axis in range(param.ndim)] if param.ndim > 1 else []
            self.defaults["bases"] = [torch.linalg.eigh(row @ row.T)[1] for row in rows]
            return
        bases, straight = self.defaults["bases"], param.detach().clone()
        weight, gradient = straight, param.grad
        for basis in bases:
            weight, gradient = (torch.tensordot(x, basis, dims=([0], [0])) for x in (weight, gradient))
        param.data, param.grad = weight, gradient
        # torch adds eps after the correction of the bias, SOAP before.
        group["taken"] = group.get("taken", 0) + 1
        group["eps"] = 1e-8 / math.sqrt(1 - group["betas"][1] ** group["taken"])
        super().step()
        for basis in bases:
            param.data = torch.tensordot(param.data, basis, dims=([0], [1]))


def _turned(settings, params):
    betas = settings.get("betas", (0.95, 0.95))
    return AdamTurned(params, betas=betas, weight_decay=0.0)


class LateAdagrad(torch.optim.Adagrad):
    """torch's, for a parameter whose shape is known at the first step only."""

    def step(self, closure=None):
        (param,) = self.param_groups[0]["params"]
        if self.state[param]["sum"].shape != param.shape:
            self.state[param]["sum"] = torch.full_like(param, 1e-4)
        return super().step(closure)


def _adagrad(settings, params):
    return LateAdagrad(params, eps=0.0)


def _timm_adafactor(settings, params):
    with stand_in_for_torchvision():
        from timm.optim.adafactor import Adafactor
    given = {"clip_threshold": settings.get("d", 1.0), "weight_decay": settings["weight_decay"], "betas": (settings["beta1"], 0.0)}
    return Adafactor(params, lr=1.0, eps=settings["eps"][0], min_dim_size_to_factor=0, **given)


def _optax_lamb(settings):
    import optax

    b1, b2 = settings.get("betas", (0.9, 0.999))
    return optax.lamb(1.0, b1, b2, eps=settings.get("eps", 1e-6), weight_decay=settings.get("weight_decay", 1e-2))


def _optax_lars(settings):
    import optax

    given = {"trust_coefficient": settings.get("trust_coefficient", 1e-3), "eps": settings.get("eps", 1e-8)}
    return optax.lars(1.0, settings.get("weight_decay", 0.0), momentum=settings.get("momentum", 0.9), **given)


def _optax_muon(settings):
    import jax
    import optax

    given = {"weight_decay": settings["weight_decay"], "nesterov": settings.get("nesterov", True), "eps": settings.get("eps", 1e-7)}
    muon = optax.contrib.muon(1.0, beta=settings.get("momentum", 0.95), consistent_rms=0.2, **given)
    # Its loop would be compiled anew at every step.
    return optax.GradientTransformation(muon.init, jax.jit(muon.update))


def _optax_adamw(settings):
    import optax

    b1, b2 = settings.get("adam_betas", (0.9, 0.95))
    return optax.adamw(1.0, b1, b2, 1e-10, weight_decay=settings["weight_decay"])


_NO_EMPTY = ((4, 3), (5,), (2, 1, 3))
_FLAT = ((4, 3), (5,), (3, 2))
_MATRICES = ((4, 3), (3, 4), (5, 5))
_MANY = ((4, 3), (5, 5), (2, 3, 4))
_SQUARE = ((4, 4), (5,), (3, 3))
_SINGLE = ((1, 1), (1,), (1, 1, 1))
_TRUST = {"trust_coefficient": 0.05}
_OPTAX_RATE = "optax counts t in float32, 4e-9 off, and factors other dimensions of the third shape"
_MUON_LIBRARIES = "torch and timm multiply in bfloat16; test_matrices.py compares with torch in float64"

_TENSORS = (
    Case("lamb", "lamb", {"lr": 0.02}, {"betas": (0.8, 0.95), "weight_decay": 0.3}, None, _optax_lamb, lamb.update,
         _timm("lamb", "Lamb", max_grad_norm=None, always_adapt=True)),
    Case("lamb-no-decay", "lamb", {"lr": 0.02, "weight_decay": 0.0}, {"eps": 1e-3}, None, _optax_lamb, lamb.update,
         _timm("lamb", "Lamb", max_grad_norm=None, always_adapt=True)),
    Case("lamb-timm", "lamb", {"lr": 0.02, "weight_decay": 0.0, "adapts_decayed_only": True, "trust_clip": True}, {"weight_decay": 0.3},
         None, None, lamb.update, _timm("lamb", "Lamb", max_grad_norm=None), note="optax has neither option"),
    Case("lars", "lars", {"lr": 0.5, **_TRUST}, {"weight_decay": 0.1}, None, None, lars.update,
         note="timm and optax have lr outside the momentum; the rows below"),
    Case("lars-timm", "lars", {"lr": 0.5, "weight_decay": 0.1, "lr_outside": True, "momentum": 0.9, **_TRUST}, {"momentum": 0.5},
         None, None, lars.update, _timm("lars", "Lars", {"trust_coefficient": "trust_coeff"}, always_adapt=True),
         note="optax divides by the norm of the sum"),
    Case("lars-optax", "lars", {"lr": 0.5, "weight_decay": 0.1, "lr_outside": True, "norm_of_sum": True, **_TRUST}, {"weight_decay": 0.3},
         None, _optax_lars, lars.update),
    Case("lars-skips-vectors", "lars", {"lr": 0.05, "skips_vectors": True, **_TRUST}, {"weight_decay": 0.1}, None, None, lars.update,
         note="in this form in no library that is installed"),
    Case("larc", "lars",
         {"lr": 0.5, "weight_decay": 0.1, "lr_outside": True, "trust_clip": True, "trust_coefficient": 2.0, "momentum": 0.0},
         {"weight_decay": 0.3}, timm=_timm("lars", "Lars", {"trust_coefficient": "trust_coeff"}), note="timm's option"),
    Case("adafactor", "adafactor", {"lr": 0.3}, {"beta2_decay": -0.5}, torch.optim.Adafactor, None, adafactor.update,
         note=_OPTAX_RATE, shapes=_NO_EMPTY),
    Case("adafactor-decay", "adafactor", {"lr": 0.05, "weight_decay": 0.3, "d": 2.0}, {"weight_decay": 0.0}, torch.optim.Adafactor, None,
         adafactor.update, note=_OPTAX_RATE, shapes=_NO_EMPTY),
    Case("adafactor-paper", "adafactor", {"lr": 0.3, "eps": (1e-3, 0.5), "eps_added": True}, {"d": 0.5}, None, None, adafactor.update,
         note=_OPTAX_RATE),
    Case("adafactor-absolute", "adafactor",
         {"lr": 0.02, "eps": (1e-30, 1e-3), "eps_added": True, "absolute_step": True, "unscaled": True, "beta1": 0.9, "weight_decay": 0.1},
         {"d": 2.0}, None, None, adafactor.update,
         _timm_adafactor, note=_OPTAX_RATE, shapes=_FLAT),
)  # fmt: skip

_OF_MATRICES = (
    Case("muon", "muon", {"lr": 0.02}, {"weight_decay": 0.3, "momentum": 0.8}, None, None, muon.update, note=_MUON_LIBRARIES,
         kind=MuonOfAnyShape, shapes=_MANY),
    Case("muon-keller", "muon", {"lr": 0.02, "moonlight": False, "nesterov": False}, {"nesterov": True, "batched": True}, None, None,
         muon.update, note=_MUON_LIBRARIES, kind=MuonOfAnyShape, shapes=_MANY),
    Case("muon-optax", "muon", {"lr": 0.02, "corrected": True}, {"weight_decay": 0.3}, None, _optax_muon, muon.update,
         kind=MuonOfAnyShape, shapes=_MATRICES),
    Case("muon-elementwise", "muon", {"lr": 0.02, "elementwise": True}, {"adam_betas": (0.8, 0.9)}, None, _optax_adamw, muon.update),
    Case("soap", "soap", {"lr": 0.02}, {"betas": (0.9, 0.8), "shampoo_beta": 0.5}, None, None, soap.update, note="in no library installed",
         shapes=_SQUARE),
    Case("soap-often", "soap", {"lr": 0.02, "precondition_frequency": 1}, {"precondition_frequency": 3, "normalize_grads": True},
         None, None, soap.update, note="as above", shapes=_SQUARE),
    Case("soap-fixed-bases", "soap", {"lr": 0.02, "precondition_frequency": 1000, "weight_decay": 0.0}, {"lr": 0.01},
         None, None, soap.update, _turned, note="torch's AdamW in turned coordinates", shapes=_SQUARE),
    Case("shampoo", "shampoo", {"lr": 0.1}, {"weight_decay": 0.1, "momentum": 0.9}, None, None, shampoo.update,
         note="in no library installed", shapes=_FLAT),
    Case("shampoo-options", "shampoo", {"lr": 0.01, "precondition_frequency": 3, "beta2": 0.9, "exponent_override": 3.0},
         {"grafted": True}, None, None, shampoo.update, note="as above", shapes=_FLAT),
    Case("shampoo-single", "shampoo", {"lr": 0.1}, {"lr": 0.02}, None, None, shampoo.update, _adagrad,
         note="torch's Adagrad, which Shampoo is for one number", shapes=_SINGLE),
)  # fmt: skip

ROWS = (*_TENSORS, *_OF_MATRICES)
