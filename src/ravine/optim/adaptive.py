"""The drop-in classes of Adam's relatives that have a namesake in `torch.optim`: Adadelta, Adamax, NAdam, RAdam."""

from collections.abc import Mapping
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ravine.optim import _settings, _state
from ravine.optim._rule_optimizer import RuleOptimizer
from ravine.optim._storage import StateOptions
from ravine.rules import adadelta, adamax, nadam, radam
from ravine.rules._terms import momentum_product

DECOUPLED = "decoupled_weight_decay"
MU_PRODUCT = "mu_product"


class Adadelta(RuleOptimizer):
    """Steps in units of past changes over past gradients: equations in `ravine.rules.adadelta.Adadelta`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: factor on the step; a number or a one-element tensor.
        rho: share of the running averages kept at each step.
        eps: added inside both roots.
        weight_decay: coupled L2 coefficient, added to the gradient.
        foreach: torch's word for the driver: True is "foreach", False is "per_tensor".
        capturable: torch's; nothing of a step is read by the host, so that a CUDA graph can hold it.
        maximize: climb instead of descend.
        differentiable: torch's; only False is accepted.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = Adadelta([weight], rho=0.0, eps=1.0)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 4) for value in weight.tolist()]
        [0.2929, 1.2929]
    """

    rule = adadelta.Adadelta

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        driver = _settings.choose_driver(driver, foreach=foreach, capturable=capturable, differentiable=differentiable)
        settings = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class Adamax(RuleOptimizer):
    """Adam with the largest recent gradient for the root mean square: equations in `ravine.rules.adamax.Adamax`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        betas: shares of the first moment and of the largest gradient kept at each step.
        eps: added to the size of the gradient.
        weight_decay: coupled L2 coefficient, added to the gradient.
        foreach: torch's word for the driver: True is "foreach", False is "per_tensor".
        maximize: climb instead of descend.
        differentiable: torch's; only False is accepted.
        capturable: torch's; nothing of a step is read by the host, so that a CUDA graph can hold it.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = Adamax([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = adamax.Adamax

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        driver = _settings.choose_driver(driver, foreach=foreach, capturable=capturable, differentiable=differentiable)
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class _Decoupling(RuleOptimizer):
    """A rule for which torch's `decoupled_weight_decay` is a setting of a group, not a word for another class."""

    def _merge(self, group: dict[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
        return super()._merge(group, saved) | {DECOUPLED: saved.get(DECOUPLED, self.defaults[DECOUPLED])}


class NAdam(_Decoupling):
    """Adam with Nesterov's momentum: equations in `ravine.rules.nadam.NAdam`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        betas: shares of the first and of the second moment kept at each step.
        eps: added to the root of the corrected second moment.
        weight_decay: L2 coefficient, added to the gradient unless decoupled.
        momentum_decay: speed at which the momentum rises from half of betas[0] to betas[0].
        decoupled_weight_decay: take the L2 term from the weights instead, multiplied by lr.
        foreach: torch's word for the driver: True is "foreach", False is "per_tensor".
        maximize: climb instead of descend.
        capturable: torch's; nothing of a step is read by the host, so that a CUDA graph can hold it.
        differentiable: torch's; only False is accepted.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = NAdam([weight], lr=0.5, betas=(0.0, 0.999))
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = nadam.NAdam

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        driver = _settings.choose_driver(driver, foreach=foreach, capturable=capturable, differentiable=differentiable)
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay}
        super().__init__(params, settings | {DECOUPLED: decoupled_weight_decay}, maximize=maximize, driver=driver, **storage)

    def state_dict(self) -> dict[str, Any]:
        """Settings and state, with torch's `mu_product`, which follows from the settings and the step and is not kept."""
        saved = super().state_dict()
        for group in saved["param_groups"]:
            hypers = _settings.read(self.rule, group)
            for index in group["params"]:
                state = saved["state"].get(index)
                if state and _state.STEP in state:
                    product = momentum_product(hypers["beta1"], hypers["psi"], int(state[_state.STEP]))
                    saved["state"][index] = {**state, MU_PRODUCT: torch.tensor(product, dtype=torch.float64)}
        return saved

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over settings and state saved by this class or by its namesake in `torch.optim`; see `RuleOptimizer`."""
        state = {index: {key: value for key, value in saved.items() if key != MU_PRODUCT} for index, saved in state_dict["state"].items()}
        super().load_state_dict({**state_dict, "state": state})


class RAdam(_Decoupling):
    """Adam with its first steps rectified: equations in `ravine.rules.radam.RAdam`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        betas: shares of the first and of the second moment kept at each step.
        eps: added to the root of the second moment.
        weight_decay: L2 coefficient, added to the gradient unless decoupled.
        decoupled_weight_decay: take the L2 term from the weights instead, multiplied by lr.
        foreach: torch's word for the driver: True is "foreach", False is "per_tensor".
        maximize: climb instead of descend.
        capturable: torch's; nothing of a step is read by the host, so that a CUDA graph can hold it.
        differentiable: torch's; only False is accepted.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = RAdam([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = radam.RAdam

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        driver = _settings.choose_driver(driver, foreach=foreach, capturable=capturable, differentiable=differentiable)
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, DECOUPLED: decoupled_weight_decay}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)
