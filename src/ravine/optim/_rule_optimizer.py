"""The contract of `torch.optim.Optimizer` around one rule: groups to hypers, state dict to slots, steps to a driver."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT, StateDict

from ravine.base.errors import InputError
from ravine.optim import _settings, _state
from ravine.optim._drivers import Symbols, pick
from ravine.rules._rule import Rule


class RuleOptimizer(torch.optim.Optimizer):
    """A `torch.optim.Optimizer` whose step is a rule run by a driver.

    Every setting lives in the param groups, because pickle and deepcopy of an optimizer keep nothing else. Group
    dictionaries are copied when added, so one list of groups can serve several optimizers.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        settings: the rule's hypers and flags under torch's keys.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach" or "compiled".

    Raises:
        InputError: a setting, or a parameter that is complex, not floating or given twice.
    """

    rule: ClassVar[type[Rule]]

    def __new__(cls, *_: object, **settings: object) -> Self:
        """Refuse unknown keywords with the nearest name, where Python would only call them unexpected."""
        parameters = inspect.signature(cls.__init__).parameters
        if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
            _settings.refuse_unknown(cls.__name__, settings, list(parameters)[1:])
        return super().__new__(cls)

    def __init__(self, params: ParamsT, settings: Mapping[str, Any], *, maximize: bool, driver: str) -> None:
        everything = {**settings, "maximize": maximize, "driver": driver}
        _settings.check_group(self.rule, everything, where=type(self).__name__)
        super().__init__(params, everything)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # torch leaves this default behind for its own classes; here it would be a setting without effect.
        self.defaults.pop("differentiable", None)
        for group in self.param_groups:
            for key, value in self.defaults.items():
                group.setdefault(key, value)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own; settings left out take the constructor's.

        Args:
            param_group: `params`, any setting of this optimizer, and any other keys for the caller's own use.

        Raises:
            InputError: a setting, or a parameter that is complex, not floating or given twice.
        """
        if isinstance(param_group, dict):
            index = len(self.param_groups)
            param_group = dict(param_group)
            if "params" not in param_group:
                raise InputError(f"group {index} has no 'params': must list its parameters under that key.", given=param_group)
            params = param_group["params"]
            if not isinstance(params, (Tensor, set)):
                param_group["params"] = params = list(params)
            _check_params(params, index)
            where = f"{type(self).__name__}, group {index}"
            _settings.refuse_misspelt(self.rule, param_group, where=where)
            _settings.check_group(self.rule, self.defaults | param_group, where=where)
        super().add_param_group(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Args:
            closure: re-evaluates the model with gradients enabled and returns the loss.

        Returns:
            What `closure` returned, or None without one.

        Raises:
            InputError: a gradient is sparse; nothing has been changed then.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.no_grad():
            work = [list(_with_gradient(group, index)) for index, group in enumerate(self.param_groups)]
            for group, params in zip(self.param_groups, work, strict=True):
                self._step_group(group, params)
        return loss

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Take over settings and state saved by this class or by its namesake in `torch.optim`.

        State of bfloat16 and float16 parameters stays float32. The driver stays as constructed.

        Args:
            state_dict: what `state_dict()` returned; it shares no tensor with this optimizer afterwards.

        Raises:
            InputError: the groups or the shapes do not fit, or another kind of optimizer saved it.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = hook(self, state_dict) or state_dict
        saved_groups = deepcopy(state_dict["param_groups"])
        self._check_saved(saved_groups)
        state: defaultdict[Any, Any] = defaultdict(dict)
        owners = dict(zip((key for group in saved_groups for key in group["params"]), self._places(), strict=True))
        for key, saved in state_dict["state"].items():
            if key in owners:
                index, position, param = owners[key]
                state[param] = _state.load(saved, param, self.rule, where=_name(self.param_groups[index], index, position))
            else:
                state[key] = saved
        groups = [self._merge(*pair) for pair in zip(self.param_groups, saved_groups, strict=True)]
        self.__setstate__({"state": state, "param_groups": groups})
        for post_hook in self._optimizer_load_state_dict_post_hooks.values():
            post_hook(self)

    def _places(self) -> Iterator[tuple[int, int, Tensor]]:
        """Group index, position and tensor of every parameter."""
        for index, group in enumerate(self.param_groups):
            for position, param in enumerate(group["params"]):
                yield index, position, param

    def _check_saved(self, saved_groups: list[dict[str, Any]]) -> None:
        sizes, saved_sizes = ([len(group["params"]) for group in groups] for groups in (self.param_groups, saved_groups))
        if sizes != saved_sizes:
            given = f"the state dict has groups of {saved_sizes} parameters and this {type(self).__name__} has {sizes}"
            raise InputError(f"{given}: they must be equal. Build the optimizer as it was built when saving.", given=saved_sizes)
        needed = {hyper.group_key for hyper in self.rule.hypers}
        for index, (group, saved) in enumerate(zip(self.param_groups, saved_groups, strict=True)):
            where = f"{type(self).__name__}, group {index} of the state dict"
            missing = sorted(needed - saved.keys())
            if missing or (saved.get("decoupled_weight_decay") and self.rule.name == "adam"):
                given = f"{where} has no {missing[0]!r}" if missing else f"{where} has decoupled weight decay"
                raise InputError(f"{given}: another kind of optimizer saved it. Load it into that kind.", given=saved)
            _settings.check_group(self.rule, self._merge(group, saved), where=where)

    def _merge(self, group: dict[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
        """Saved settings over this optimizer's, with its own parameters and driver."""
        kept = {key: value for key, value in saved.items() if key not in _settings.TORCH_SWITCHES}
        own = {key: group[key] for key in ("params", "driver")}
        names = {"param_names": group["param_names"]} if "param_names" in group else {}
        return {**self.defaults, **names, **kept, **own}

    def _step_group(self, group: dict[str, Any], params: list[Tensor]) -> None:
        hypers = _settings.read(self.rule, group)
        rule = _settings.rule_of(self.rule, group, hypers)
        batches: defaultdict[tuple[int, torch.dtype, torch.device], list[Tensor]] = defaultdict(list)
        for param in params:
            state = self.state[param]
            _state.prepare(state, param, rule, hypers)
            batches[int(state[_state.STEP]) + 1, param.dtype, param.device].append(param)
        for (step, _, _), batch in batches.items():
            scalars = rule.scalars(Symbols(**hypers), step)
            self._step_batch(rule, scalars, batch, group)

    def _step_batch(self, rule: Rule, scalars: Mapping[str, float], params: list[Tensor], group: Mapping[str, Any]) -> None:
        """Run the driver over parameters of one dtype, device and step count, and store what it returns."""
        slots = rule.active_slots
        grads = [-param.grad if group["maximize"] else param.grad for param in params]  # type: ignore[operator]
        states = [{slot.symbol: self.state[param][slot.key] for slot in slots} for param in params]
        updated = pick(group["driver"], rule)(rule, scalars, params, grads, states)  # type: ignore[arg-type]
        for param, values in zip(params, updated, strict=True):
            state = self.state[param]
            state.update({slot.key: values[slot.symbol] for slot in slots})
            state[_state.STEP] += 1


def _name(group: Mapping[str, Any], index: int, position: int) -> str:
    """How an error calls a parameter."""
    names = group.get("param_names")
    return f"parameter {repr(names[position]) if names else position} of group {index}"


def _check_params(params: Any, index: int) -> None:
    seen: set[int] = set()
    for position, entry in enumerate([params] if isinstance(params, Tensor) else params):
        name, tensor = entry if isinstance(entry, tuple) else (position, entry)
        if not isinstance(tensor, Tensor):
            return  # torch's own TypeError says it
        place = f"parameter {name!r} of group {index}"
        if not tensor.dtype.is_floating_point:
            remedy = "Use torch.view_as_real for complex numbers." if tensor.is_complex() else "Convert it with .float()."
            raise InputError(f"{place} is {tensor.dtype}: must be real and floating. {remedy}", given=tensor.dtype)
        if id(tensor) in seen:
            raise InputError(f"{place} is listed twice: every parameter may appear once. Remove one of the two.")
        seen.add(id(tensor))


def _with_gradient(group: Mapping[str, Any], index: int) -> Iterator[Tensor]:
    for position, param in enumerate(group["params"]):
        if param.grad is None:
            continue
        if param.grad.layout != torch.strided:
            place = _name(group, index, position)
            remedy = "Use sparse=False in the embedding, or torch.optim.SparseAdam."
            raise InputError(f"the gradient of {place} is {param.grad.layout}: must be dense. {remedy}", given=param.grad.layout)
        yield param
