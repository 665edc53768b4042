"""The drop-in classes whose namesakes stand in `torch.optim`, and Lion: their constructors, position by position, over ravine's rules."""

from collections.abc import Mapping
from typing import Any, Unpack

from torch import Tensor
from torch.optim.optimizer import ParamsT

from ravine.base.errors import InputError
from ravine.optim import _settings, _state
from ravine.optim._rule_optimizer import RuleOptimizer
from ravine.optim._storage import StateOptions, Storage
from ravine.rules import adagrad, adam, adamw, lion, rmsprop, sgd


class SGD(RuleOptimizer):
    """Gradient descent, heavy ball and Nesterov momentum: equations in `ravine.rules.sgd.SGD`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        momentum: share of the buffer kept at each step.
        dampening: share of the gradient kept out of the buffer, from the second step on.
        weight_decay: L2 coefficient, added to the gradient unless decoupled.
        nesterov: look ahead along the buffer; needs momentum and no dampening.
        maximize: climb instead of descend.
        foreach: torch's word for the driver: True is "foreach", False is "per_tensor".
        differentiable: torch's; only its off value is accepted.
        fused: torch's word for the driver: True is "native".
        decoupled: take the L2 term from the weights instead, multiplied by lr (SGDW).
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = SGD([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    rule = sgd.SGD

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float | Tensor = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        settings |= {"nesterov": nesterov, "decoupled": decoupled}
        driver = _settings.choose_driver(driver, foreach=foreach, fused=fused, differentiable=differentiable)
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class Adagrad(RuleOptimizer):
    """Rates that fall with the summed squared gradients: equations in `ravine.rules.adagrad.Adagrad`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        lr_decay: hyperbolic decay of the rate per step.
        weight_decay: coupled L2 coefficient, added to the gradient.
        initial_accumulator_value: starting value of the sum.
        eps: added to the root of the sum.
        foreach: torch's word for the driver: True is "foreach", False is "per_tensor".
        maximize: climb instead of descend.
        differentiable: torch's; only its off value is accepted.
        fused: torch's word for the driver: True is "native".
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = Adagrad([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    rule = adagrad.Adagrad

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
        }
        driver = _settings.choose_driver(driver, foreach=foreach, fused=fused, differentiable=differentiable)
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)

    def state_dict(self) -> dict[str, Any]:
        """Settings and state; parameters that had no gradient yet appear with their starting state.

        torch's Adagrad reads its state without ever creating it, so a gap would fail there.
        """
        for group in self.param_groups:
            hypers = _settings.read(self.rule, group)
            rule = _settings.rule_of(self.rule, group, hypers)
            for param in group["params"]:
                _state.prepare(self.state[param], param, rule, hypers, Storage.of(group))
        return super().state_dict()


class RMSprop(RuleOptimizer):
    """The gradient over its running root mean square: equations in `ravine.rules.rmsprop.RMSprop`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        alpha: share of the running averages kept at each step.
        eps: added to the root.
        weight_decay: coupled L2 coefficient, added to the gradient.
        momentum: share of the buffer of updates kept at each step.
        centered: divide by the standard deviation instead of the root mean square.
        capturable: torch's; nothing of a step is read by the host, so that a CUDA graph can hold it.
        foreach: torch's word for the driver: True is "foreach", False is "per_tensor".
        maximize: climb instead of descend.
        differentiable: torch's; only False is accepted.
        eps_inside: add eps under the root, as TensorFlow and optax do.
        ones: start the running mean of squares at 1, as TensorFlow 1 does.
        lr_in_momentum: multiply by lr before the momentum buffer, as TensorFlow does.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = RMSprop([weight], lr=0.25, alpha=0.75, eps=0.0)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    rule = rmsprop.RMSprop

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        *,
        eps_inside: bool = False,
        ones: bool = False,
        lr_in_momentum: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "alpha": alpha, "eps": eps, "centered": centered, "weight_decay": weight_decay}
        settings |= {"eps_inside": eps_inside, "ones": ones, "lr_in_momentum": lr_in_momentum}
        driver = _settings.choose_driver(driver, foreach=foreach, capturable=capturable, differentiable=differentiable)
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class Adam(RuleOptimizer):
    """Bias-corrected first moment over the root of the second: equations in `ravine.rules.adam.Adam`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        betas: shares of the first and of the second moment kept at each step.
        eps: added to the root of the corrected second moment.
        weight_decay: coupled L2 coefficient, added to the gradient; `AdamW` decouples it.
        amsgrad: divide by the largest second moment so far.
        foreach: torch's word for the driver: True is "foreach", False is "per_tensor".
        maximize: climb instead of descend.
        capturable: torch's; nothing of a step is read by the host, so that a CUDA graph can hold it.
        differentiable: torch's; only False is accepted.
        fused: torch's word for the driver: True is "native".
        decoupled_weight_decay: torch's; only False is accepted, the other is `AdamW`.
        corrected_maximum: take amsgrad's maximum over the corrected second moments, as optax does.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = Adam([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = adam.Adam

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        corrected_maximum: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        if decoupled_weight_decay:
            raise InputError("decoupled_weight_decay=True for Adam: must be False. Use AdamW, which is that optimizer.", given=True)
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        settings["corrected_maximum"] = corrected_maximum
        driver = _settings.choose_driver(driver, foreach=foreach, fused=fused, capturable=capturable, differentiable=differentiable)
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class AdamW(RuleOptimizer):
    """Adam with decoupled weight decay: equations in `ravine.rules.adamw.AdamW`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        betas: shares of the first and of the second moment kept at each step.
        eps: added to the root of the corrected second moment.
        weight_decay: share of the weight removed per step and unit of lr, or per step if decoupled from it.
        amsgrad: divide by the largest second moment so far.
        maximize: climb instead of descend.
        foreach: torch's word for the driver: True is "foreach", False is "per_tensor".
        capturable: torch's; nothing of a step is read by the host, so that a CUDA graph can hold it.
        differentiable: torch's; only False is accepted.
        fused: torch's word for the driver: True is "native".
        corrected_maximum: take amsgrad's maximum over the corrected second moments, as optax does.
        decoupled: what multiplies the decay: "lr" as in torch, or "schedule" for the schedule's factor alone, as in the paper.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = AdamW([weight], lr=0.5, weight_decay=0.0)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = adamw.AdamW

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        corrected_maximum: bool = False,
        decoupled: str = "lr",
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        settings |= {"corrected_maximum": corrected_maximum, "schedule_decay": _settings.is_by_schedule(decoupled, "AdamW")}
        driver = _settings.choose_driver(driver, foreach=foreach, fused=fused, capturable=capturable, differentiable=differentiable)
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)

    @classmethod
    def constructor_settings(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """See `RuleOptimizer.constructor_settings`: the flag `schedule_decay` is the keyword `decoupled`."""
        return _settings.by_schedule_as_word(settings)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """See `RuleOptimizer.add_param_group`; `decoupled` may differ by group, too.

        Args:
            param_group: `params` and settings.

        Raises:
            InputError: also for another value of `decoupled`.
        """
        if isinstance(param_group, dict) and "decoupled" in param_group:
            where = f"AdamW, group {len(self.param_groups)}"
            flag = _settings.is_by_schedule(param_group["decoupled"], where)
            param_group = {key: value for key, value in param_group.items() if key != "decoupled"} | {"schedule_decay": flag}
        super().add_param_group(param_group)


class Lion(RuleOptimizer):
    """The sign of an interpolated momentum: equations in `ravine.rules.lion.Lion`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate, 3 to 10 times below Adam's; a number or a one-element tensor.
        betas: shares of the momentum in the direction and in the next momentum.
        weight_decay: share of the weight removed per step and unit of lr.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = Lion([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> weight.tolist()
        [0.5, 1.5]
    """

    rule = lion.Lion

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-4,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.99),
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay}, maximize=maximize, driver=driver, **storage)
