"""The drop-in class of rules in wrappers: Lookahead, clipping, averaging, SAM and others around any rule."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT, StateDict

from ravine.base.errors import InputError
from ravine.optim import _settings, _state, _storage
from ravine.optim._drivers import compute_dtype
from ravine.optim._rule_optimizer import Batch, RuleOptimizer
from ravine.rules._ascent import SECOND_GRADIENT, ascents
from ravine.rules._rule import Rule
from ravine.rules._step import Part, Symbols
from ravine.rules._wrapping import Wrapper
from ravine.rules.registry import get

SKIPPED = "skipped_steps"


class Wrapped(RuleOptimizer):
    """A rule in wrappers, by a name such as "adamw+clip+lookahead".

    The first part is a registry name with its presets, wrappers follow, the last one outermost; each adds its settings,
    whose names begin with the wrapper's (`clip_norm`, `lookahead_k`). `ravine.rules.WRAPPERS` lists them all.

    SAM and ASAM take two gradients: `step` needs a closure that clears the gradients, computes the loss, calls
    `backward` and returns the loss; it runs twice. The loss returned is that of the
    first run; `.grad` holds the second gradient afterwards.

    With "clip" or "clip_history", a gradient whose norm is infinite or NaN skips the step as if it had never been: no
    weight, state or step count changes, `skipped_steps` grows by one, and the first time a warning says so. To
    know of it, the host waits for the device once a step.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        optimizer: the name.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        settings: hypers and flags of the rule and its wrappers under torch's names; `state_dtype`, `weights` and `seed` say
            how state and weights are kept, as in every class.

    Raises:
        UnknownNameError: no such optimizer, wrapper or setting.
        InputError: a value outside its interval, or a combination that does not exist.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
        >>> optimizer = Wrapped([weight], "sgd+clip", lr=1.0, clip_norm=1.0)
        >>> (weight**2).sum().backward()
        >>> optimizer.step()
        >>> weight.detach()
        tensor([2.4000, 3.2000])
    """

    def __init__(self, params: ParamsT, optimizer: str, *, maximize: bool = False, driver: str = "auto", **settings: Any) -> None:
        entry = get(optimizer)
        known = dict.fromkeys([*_settings.known_keys(entry.rule), *_storage.DEFAULTS])
        _settings.refuse_unknown(repr(optimizer), settings, known)
        if not issubclass(entry.rule, Wrapper):
            raise InputError(f"{optimizer!r} names no wrapper: must be such as 'adamw+clip'. Use ravine.optim.create for a bare rule.")
        lacking = sorted(entry.rule.needs - {SECOND_GRADIENT})
        if lacking:
            given = f"{optimizer!r} needs {lacking[0]}, which only the class of {optimizer.split('+', maxsplit=1)[0]!r} itself takes"
            raise InputError(f"{given}: must be used without wrappers. Race it, or leave the wrappers out.", given=optimizer)
        self._optimizer = optimizer
        presets = _settings.defaults(entry.rule, entry.defaults)
        flags = {flag.name: flag.default for flag in entry.rule.flags if not flag.of}
        storage: Any = {name: settings.pop(name) for name in _storage.DEFAULTS if name in settings}
        everything = {**presets, **flags, **entry.flags, **settings, "optimizer": optimizer}
        super().__init__(params, everything, maximize=maximize, driver=driver, **storage)

    @property
    def rule(self) -> type[Rule]:  # type: ignore[override]
        """The class of the rule in its wrappers."""
        # Pickle and deepcopy keep the defaults and nothing else.
        return get(self.defaults["optimizer"] if "defaults" in vars(self) else self._optimizer).rule

    @property
    def skipped_steps(self) -> int:
        """Steps left out because the norm of the gradient was infinite or NaN; a state dict keeps the number."""
        return int(self.param_groups[0].get(SKIPPED, 0))

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: re-evaluates the model with gradients enabled and returns the loss; SAM and ASAM need it, and run it twice.

        Returns:
            What `closure` returned the first time, or None without one.

        Raises:
            InputError: there is no closure and two gradients are needed, or a gradient is sparse.
        """
        if SECOND_GRADIENT not in self.rule.needs:
            return super().step(closure)
        if closure is None:
            name = self.defaults["optimizer"]
            raise InputError(
                f"step() of {name!r} without a closure: it takes two gradients. Pass a function that computes both loss and them."
            )
        with torch.enable_grad():
            loss = closure()
        with torch.no_grad():
            kept = self._ascend()
        try:
            with torch.enable_grad():
                closure()
        finally:
            with torch.no_grad():
                for param, value in kept:
                    param.copy_(value)
        super().step()
        return loss

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """The weights to evaluate the model at, for the time of a `with`: the average, for a rule in "ema".

        Raises:
            InputError: the rule is evaluated at the weights that it trains.

        Example:
            >>> import torch
            >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
            >>> optimizer = Wrapped([weight], "sgd+ema", lr=1.0, ema_decay=0.75)
            >>> weight.grad = torch.ones(1)
            >>> optimizer.step()
            >>> with optimizer.averaged():
            ...     weight.item()
            0.75
            >>> weight.item()
            0.0
        """
        name = self.defaults["optimizer"]
        if self.rule.evaluate is Rule.evaluate:
            raise InputError(f"averaged() of {name!r}: it keeps no average. Add '+ema' to its name, or evaluate without this.", given=name)
        with torch.no_grad():
            kept = [
                (param, param.detach().clone(), self._evaluated(group, param)) for group in self.param_groups for param in group["params"]
            ]
            for param, _, average in kept:
                param.copy_(average)
        try:
            yield
        finally:
            with torch.no_grad():
                for param, value, _ in kept:
                    param.copy_(value)

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Take over settings and state saved under the same name; otherwise as for every class.

        Args:
            state_dict: what `state_dict()` returned.

        Raises:
            InputError: the groups or the shapes do not fit, or another optimizer saved it.
        """
        own = self.defaults["optimizer"]
        for index, group in enumerate(state_dict["param_groups"]):
            if group.get("optimizer") != own:
                found = group.get("optimizer", state_dict.get("rule"))
                given = f"the state dict is of {found!r}" if found else f"group {index} of the state dict is of another class"
                given += f" and this optimizer is {own!r}"
                raise InputError(f"{given}: they must be equal. Build the optimizer as it was built when saving.", given=group)
        super().load_state_dict(state_dict)

    def _step_batches(self, batches: Sequence[Batch]) -> None:
        before = self.skipped_steps
        super()._step_batches(batches)
        if self.skipped_steps == before:
            return
        for batch in batches:
            for param in batch.params:
                self.state[param][_state.STEP] -= 1
        if before == 0:
            found = "the norm of the gradient was infinite or NaN, and the step was skipped: nothing has changed"
            # 2: out of torch's wrapper around `step` would need its depth, which hooks change.
            warnings.warn(f"{found}. Later ones are counted in optimizer.skipped_steps.", RuntimeWarning, stacklevel=2)

    def _ascend(self) -> list[tuple[Tensor, Tensor]]:
        """Move uphill to where the second gradient is taken; the parameters that moved, with where they were."""
        params, parts = list[Tensor](), list[Part]()
        for group in self.param_groups:
            hypers = _settings.read(self.rule, group)
            rule = _settings.rule_of(self.rule, group, hypers)
            scalars = rule.scalars(Symbols(**hypers, peak_lr=hypers["lr"]), 1)
            for param in (param for param in group["params"] if param.grad is not None):
                wide = compute_dtype(param.dtype)
                # Uphill in what is minimised.
                g = -param.grad if group["maximize"] else param.grad
                params.append(param)
                parts.append(Part(rule, param.to(wide), g.to(wide), {}, scalars))
        kept = [(param, param.detach().clone()) for param in params]
        for param, part, way in zip(params, parts, ascents(parts), strict=True):
            param.copy_(part.p + way)
        return kept

    def _evaluated(self, group: dict[str, Any], param: Tensor) -> Tensor:
        state = self.state.get(param)
        if not state:
            return param.detach().clone()
        hypers = _settings.read(self.rule, group)
        rule = _settings.rule_of(self.rule, group, hypers)
        weight, slots = _storage.opened(param.detach(), _state.kept(state, rule))
        slots |= {slot.symbol: group[slot.key] for slot in rule.lane_slots}
        step = max(1, int(state[_state.STEP]))
        c = Symbols(**rule.scalars(Symbols(**hypers, peak_lr=_settings.peak_rate(group)), step))
        average: Tensor = rule.evaluate(weight, Symbols(**slots), c)
        return average
