"""The drop-in classes of rules that look at whole tensors: LAMB, LARS, Adafactor."""

from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT, StateDict

from ravine.optim import _settings
from ravine.optim._rule_optimizer import RuleOptimizer
from ravine.rules import adafactor, lamb, lars


class LAMB(RuleOptimizer):
    """Adam's step at a share of each tensor's own norm: equations in `ravine.rules.lamb.LAMB`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: share of a tensor's norm that a step moves; a number or a one-element tensor.
        betas: shares of the moments kept at each step.
        eps: added to the root of the corrected second moment.
        weight_decay: decay, inside the step whose length is set.
        max_grad_norm: largest norm of all gradients together, that of the first group; 0 for no limit.
        trust_clip: keep the quotient of norms at most 1.
        adapts_decayed_only: leave the quotient out where there is no decay.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "stacked" or "compiled".

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.full((4,), 2.0))
        >>> optimizer = LAMB([weight], lr=0.1, weight_decay=0.0)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 4) for value in weight.tolist()]
        [1.8, 1.8, 1.8, 1.8]
    """

    rule = lamb.LAMB

    def __init__(  # noqa: PLR0917 - Adam's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 1e-2,
        max_grad_norm: float = 0.0,
        *,
        trust_clip: bool = False,
        adapts_decayed_only: bool = False,
        maximize: bool = False,
        driver: str = "auto",
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "max_grad_norm": max_grad_norm}
        settings |= {"trust_clip": trust_clip, "adapts_decayed_only": adapts_decayed_only}
        super().__init__(params, settings, maximize=maximize, driver=driver)


class LARS(RuleOptimizer):
    """SGD with momentum and a rate of each tensor's own: equations in `ravine.rules.lars.LARS`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate, on top of each tensor's own; a number or a one-element tensor.
        momentum: share of the buffer kept at each step.
        weight_decay: L2 coefficient, added to the gradient.
        trust_coefficient: share of a tensor's norm that a step of rate 1 moves.
        eps: added to the norm of the gradient.
        lr_outside: multiply by lr after the momentum buffer, as timm does.
        norm_of_sum: divide by the norm of gradient and L2 term together, as optax does.
        trust_clip: never move further than SGD with rate 1 would (LARC).
        adapts_decayed_only: take plain SGD where there is no L2 term.
        skips_vectors: take plain SGD for what has fewer than two dimensions.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "stacked" or "compiled".

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.full((4,), 2.0))
        >>> optimizer = LARS([weight], trust_coefficient=0.1)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 4) for value in weight.tolist()]
        [1.8, 1.8, 1.8, 1.8]
    """

    rule = lars.LARS

    def __init__(  # noqa: PLR0917 - SGD's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        trust_coefficient: float = 1e-3,
        eps: float = 1e-8,
        *,
        lr_outside: bool = False,
        norm_of_sum: bool = False,
        trust_clip: bool = False,
        adapts_decayed_only: bool = False,
        skips_vectors: bool = False,
        maximize: bool = False,
        driver: str = "auto",
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust_coefficient": trust_coefficient, "eps": eps}
        settings |= {"lr_outside": lr_outside, "norm_of_sum": norm_of_sum, "trust_clip": trust_clip}
        settings |= {"adapts_decayed_only": adapts_decayed_only, "skips_vectors": skips_vectors}
        super().__init__(params, settings, maximize=maximize, driver=driver)


class Adafactor(RuleOptimizer):
    """Second moments of matrices from rows and columns alone: equations in `ravine.rules.adafactor.Adafactor`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: largest step relative to the weights' root mean square; a number or a one-element tensor.
        beta2_decay: exponent of t in the share of the newest gradient.
        eps: least root of the second moment (None or 0: the spacing of numbers), least root mean square of the weights.
        d: largest root mean square of a normalised gradient.
        weight_decay: decoupled weight decay, multiplied by lr.
        foreach: torch's word for the driver: False is "per_tensor", True is not available for rules that look at whole tensors.
        maximize: climb instead of descend.
        beta1: share of the averaged step kept at each step; 0 for none.
        eps_added: add the first eps to the squared gradient instead of bounding by it, as in the paper.
        absolute_step: take lr as it is, not at most 1 / sqrt(t).
        unscaled: do not multiply by the root mean square of the weights.
        driver: "auto", "per_tensor", "foreach", "stacked" or "compiled".

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.full((2, 2), 2.0))
        >>> optimizer = Adafactor([weight], lr=0.1)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> optimizer.state[weight]["row_var"].shape, round(weight[0, 0].item(), 4)
        (torch.Size([2, 1]), 1.8)
    """

    rule = adafactor.Adafactor

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        beta1: float = 0.0,
        eps_added: bool = False,
        absolute_step: bool = False,
        unscaled: bool = False,
        driver: str = "auto",
    ) -> None:
        settings = {"lr": lr, "beta2_decay": beta2_decay, "eps": _numbers(eps), "d": d, "weight_decay": weight_decay, "beta1": beta1}
        settings |= {"eps_added": eps_added, "absolute_step": absolute_step, "unscaled": unscaled}
        super().__init__(params, settings, maximize=maximize, driver=_settings.choose_driver(driver, foreach=foreach))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """See `RuleOptimizer.add_param_group`; a group's first eps may be None, as in torch."""
        if isinstance(param_group, dict) and "eps" in param_group:
            param_group = {**param_group, "eps": _numbers(param_group["eps"])}
        super().add_param_group(param_group)

    def state_dict(self) -> StateDict:
        """Settings and state, eps as torch writes it."""
        saved = super().state_dict()
        for group in saved["param_groups"]:
            group["eps"] = (group["eps"][0] or None, group["eps"][1])
        return saved

    def load_state_dict(self, state_dict: StateDict) -> None:
        """See `RuleOptimizer.load_state_dict`; torch's groups have no `beta1`."""
        groups = [{"beta1": 0.0, **group} for group in state_dict["param_groups"]]
        groups = [{**group, "eps": _numbers(group["eps"])} if "eps" in group else group for group in groups]
        super().load_state_dict({**state_dict, "param_groups": groups})


def _numbers(eps: Any) -> Any:
    """Adafactor's eps with 0 for None."""
    return (0.0, *eps[1:]) if isinstance(eps, (tuple, list)) and eps and eps[0] is None else eps
