"""The drop-in classes of optimisers that need no tuned rate or no schedule: Prodigy, D-Adaptation, schedule-free."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ravine.base.errors import InputError
from ravine.optim import _settings, _storage
from ravine.optim._rule_optimizer import Batch, RuleOptimizer
from ravine.optim._storage import StateOptions
from ravine.rules import dadaptation, prodigy, schedule_free
from ravine.rules._step import Symbols

TRAINED = "trained"
"""State key under which the weights that are trained wait while the model is evaluated at others."""


class _OneDistance(RuleOptimizer):
    """What Prodigy and D-Adaptation share: one estimate over all groups, whose settings must therefore agree."""

    shared: ClassVar[tuple[str, ...]] = ("betas", "d0", "growth_rate", "use_bias_correction")

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters; see `RuleOptimizer.add_param_group`.

        Raises:
            InputError: also where a setting that decides the estimate differs from another group's.
        """
        super().add_param_group(param_group)
        held = [slot.key for slot in self.rule.slots if slot.of_lane and slot.key in self.param_groups[0]]
        self.param_groups[-1].update({key: self.param_groups[0][key] for key in held})
        try:
            self._check_agreement()
        except InputError:
            del self.param_groups[-1]
            raise

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; see `RuleOptimizer.step`.

        Raises:
            InputError: also where groups have different rates above 0.
        """
        self._check_agreement()
        return super().step(closure)

    def _step_batches(self, batches: Sequence[Batch]) -> None:
        # The first batch's scalars are those of the whole model: a group that stands still must not come first.
        super()._step_batches(sorted(batches, key=lambda batch: _settings.read(self.rule, batch.group)["lr"] == 0))

    def _check_agreement(self) -> None:
        name = type(self).__name__
        scaled = [_settings.read(self.rule, group)["lr"] for group in self.param_groups]
        rates = [(index, rate) for index, rate in enumerate(scaled) if rate != 0]
        for index, rate in rates:
            if rate != rates[0][1]:
                given = f"lr={rate:g} for {name}, group {index}, where group {rates[0][0]} has lr={rates[0][1]:g}"
                allowed = "one rate is estimated for all groups, so theirs must be equal, or 0 for a group that is to stand still"
                raise InputError(f"{given}: {allowed}. {self._remedy()}", given=rate)
        for index, group in enumerate(self.param_groups):
            for key in self.shared:
                first = self.param_groups[0][key]
                if group[key] != first:
                    given = f"{key}={group[key]!r} for {name}, group {index}, where group 0 has {key}={first!r}"
                    raise InputError(f"{given}: must be equal, since one rate is estimated for all groups. Give it once.", given=group[key])

    def _remedy(self) -> str:
        return "Scale all of them with a schedule."


class Prodigy(_OneDistance):
    """Adam that estimates its own rate: equations in `ravine.rules.prodigy.Prodigy`.

    Leave `lr` at 1 and let a schedule, such as cosine, multiply it. The estimate is `param_groups[0]["d"]`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups; their rates may differ by being 0.
        lr: factor on the estimated rate; a number or a one-element tensor.
        betas: shares of the first and of the second moment kept at each step.
        eps: added to the root of the second moment, times the estimate.
        weight_decay: share of the weight removed per step and unit of the rate.
        decouple: take the decay from the weights, not through the gradient.
        use_bias_correction: correct the first steps as Adam does.
        safeguard_warmup: leave lr out of the distance's weights; for warm-ups.
        d0: first estimate; raise it (to 1e-5 or 1e-4) where the estimate does not grow.
        d_coef: factor on every estimate; the authors tune it where they tune anything.
        growth_rate: most by which the estimate grows at a step; the default is no limit.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = Prodigy([weight])
        >>> for _ in range(30):
        ...     optimizer.zero_grad()
        ...     (weight**2).sum().backward()
        ...     optimizer.step()
        >>> optimizer.param_groups[0]["d"] > 0.01
        tensor(True)
    """

    rule = prodigy.Prodigy
    shared = ("betas", "d0", "d_coef", "growth_rate", "use_bias_correction")

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        decouple: bool = True,
        use_bias_correction: bool = False,
        safeguard_warmup: bool = False,
        d0: float = 1e-6,
        d_coef: float = 1.0,
        growth_rate: float = 1e30,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "decouple": decouple}
        settings |= {"use_bias_correction": use_bias_correction, "safeguard_warmup": safeguard_warmup}
        settings |= {"d0": d0, "d_coef": d_coef, "growth_rate": growth_rate}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class DAdaptAdam(_OneDistance):
    """Adam that estimates its own rate from below: equations in `ravine.rules.dadaptation.DAdaptAdam`.

    Leave `lr` at 1 and let a schedule multiply it. The estimate is `param_groups[0]["d"]`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups; their rates may differ by being 0.
        lr: factor on the estimated rate; a number or a one-element tensor.
        betas: shares of the first and of the second moment kept at each step.
        eps: added to the root of the second moment.
        weight_decay: L2 coefficient, added to the gradient unless decouple is on.
        decouple: take the decay from the weights, not through the gradient.
        use_bias_correction: correct the first steps as Adam does.
        d0: first estimate.
        growth_rate: most by which the estimate grows at a step; the default is no limit.
        layer_scale: factor on a group's rate, in place of rates that differ.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = DAdaptAdam([weight])
        >>> for _ in range(100):
        ...     optimizer.zero_grad()
        ...     (weight**2).sum().backward()
        ...     optimizer.step()
        >>> optimizer.param_groups[0]["d"] > 0.001
        tensor(True)
    """

    rule = dadaptation.DAdaptAdam

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        decouple: bool = False,
        use_bias_correction: bool = False,
        d0: float = 1e-6,
        growth_rate: float = 1e30,
        layer_scale: float = 1.0,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "decouple": decouple}
        settings |= {"use_bias_correction": use_bias_correction, "d0": d0, "growth_rate": growth_rate, "layer_scale": layer_scale}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)

    def _remedy(self) -> str:
        return "Give factors between groups as layer_scale."


class _ScheduleFree(RuleOptimizer):
    """What both schedule-free classes share: the model trains at y and is evaluated, and saved, at the average x."""

    def train(self) -> None:
        """Put back the weights that are trained, by the bit; does nothing where they are in place."""
        with torch.no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    trained = self.state[param].pop(TRAINED, None) if param in self.state else None
                    if trained is not None:
                        param.copy_(trained)
                group["train_mode"] = True

    def eval(self) -> None:
        """Put the averaged weights into the model, to evaluate or to save it; does nothing where they are in place.

        The weights that are trained wait in the state until `train` is called: a state dict that is saved in between
        holds them, and one that is loaded goes on to the same bits.
        """
        with torch.no_grad():
            for group in self.param_groups:
                hypers = _settings.read(self.rule, group)
                rule = _settings.rule_of(self.rule, group, hypers)
                for param in group["params"] if group["train_mode"] else ():
                    state = self.state.get(param)
                    if not state:
                        continue
                    c = Symbols(**rule.scalars(Symbols(**hypers, peak_lr=hypers["lr"]), max(1, int(state["step"]))))
                    state[TRAINED] = param.detach().clone()
                    weight, slots = _storage.opened(param, self._slots(rule, state))
                    param.copy_(rule.evaluate(weight, Symbols(**slots), c))
                group["train_mode"] = False

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; see `RuleOptimizer.step`.

        Raises:
            InputError: also where the averaged weights are in the model.
        """
        for index, group in enumerate(self.param_groups):
            if not group["train_mode"]:
                given = f"{type(self).__name__}, group {index}: step() after eval(), while the model holds the averaged weights"
                raise InputError(f"{given}: gradients belong to the weights that are trained. Call optimizer.train() before training.")
        return super().step(closure)


class SGDScheduleFree(_ScheduleFree):
    """SGD whose iterates are averaged while it runs: equations in `ravine.rules.schedule_free.SGDScheduleFree`.

    Call `optimizer.eval()` before the model is evaluated or saved, and `optimizer.train()` before training goes on; it
    starts in training. Statistics of BatchNorm belong to the weights that they were taken at: run the model, in
    training mode and without steps, over some batches after `eval()`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate, 10 to 50 times that of SGD; a number or a one-element tensor.
        momentum: share of the average in the point where gradients are taken; 0 averages plain SGD.
        weight_decay: L2 coefficient, added to the gradient.
        warmup_steps: steps over which the rate rises; use this and no warm-up of a schedule's, for the average knows it.
        r: exponent of the step in an iterate's weight.
        weight_lr_power: exponent of the largest rate in an iterate's weight.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = SGDScheduleFree([weight], lr=0.5, momentum=0.5)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     weight.sum().backward()
        ...     optimizer.step()
        >>> optimizer.eval()
        >>> weight.tolist()  # the mean of the iterates 0.5 and 0.0
        [0.25]
    """

    rule = schedule_free.SGDScheduleFree

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        *,
        warmup_steps: float = 0.0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "warmup_steps": warmup_steps}
        settings |= {"r": r, "weight_lr_power": weight_lr_power, "train_mode": True}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class AdamWScheduleFree(_ScheduleFree):
    """AdamW whose iterates are averaged while it runs: equations in `ravine.rules.schedule_free.AdamWScheduleFree`.

    Call `optimizer.eval()` before the model is evaluated or saved, and `optimizer.train()` before training goes on; it
    starts in training. Statistics of BatchNorm belong to the weights that they were taken at: run the model, in
    training mode and without steps, over some batches after `eval()`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate, 1 to 10 times that of AdamW; a number or a one-element tensor.
        betas: share of the average in the point where gradients are taken, and of the second moment kept at each step.
        eps: added to the root of the corrected second moment.
        weight_decay: share of the weight removed per step and unit of lr.
        warmup_steps: steps over which the rate rises; use this and no warm-up of a schedule's, for the average knows it.
        r: exponent of the step in an iterate's weight.
        weight_lr_power: exponent of the largest rate in an iterate's weight.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = AdamWScheduleFree([weight], lr=0.25)
        >>> for _ in range(2):
        ...     optimizer.zero_grad()
        ...     weight.sum().backward()
        ...     optimizer.step()
        >>> optimizer.eval()
        >>> round(weight.item(), 6)  # the mean of the iterates 0.75 and 0.5
        0.625
    """

    rule = schedule_free.AdamWScheduleFree

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2.5e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        warmup_steps: float = 0.0,
        r: float = 0.0,
        weight_lr_power: float = 2.0,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "warmup_steps": warmup_steps}
        settings |= {"r": r, "weight_lr_power": weight_lr_power, "train_mode": True}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)
