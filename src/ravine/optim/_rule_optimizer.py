"""The contract of `torch.optim.Optimizer` around one rule: groups to hypers, state dict to slots, steps to a driver."""

import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, ClassVar, Self, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT, StateDict

from ravine.base.errors import InputError
from ravine.optim import _narrow, _native_whole, _settings, _standing_whole, _state, _storage, rounding
from ravine.optim._compiler import uncompiled, unswitched
from ravine.optim._drivers import compute_dtype
from ravine.optim._standing import PATIENCE, Standing, bind
from ravine.optim._standing_whole import StandingGroup
from ravine.optim._storage import StateOptions, Storage
from ravine.rules._rule import Rule, State
from ravine.rules._step import Part, Symbols, survey


@dataclass(slots=True)
class Batch:
    """Parameters of one group that step alike: of one dtype, device and step count.

    Attributes:
        rule: with the group's flags and those of the step.
        scalars: of the rule.
        group: their group.
        params: the parameters.
        grads: their gradients, the sign turned where the group maximises.
        states: their entries in the optimizer's state.
        bound: the group, where native code is bound to it.
    """

    rule: Rule
    scalars: Mapping[str, Any]
    group: dict[str, Any]
    params: list[Tensor]
    grads: list[Tensor]
    states: list[dict[str, Any]]
    bound: StandingGroup | None = None


class RuleOptimizer(torch.optim.Optimizer):
    """A `torch.optim.Optimizer` whose step is a rule run by a driver.

    Every setting lives in the param groups, because pickle and deepcopy of an optimizer keep nothing else. Group
    dictionaries are copied when added, so one list of groups can serve several optimizers.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        settings: the rule's hypers and flags under torch's keys.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".

    Raises:
        InputError: a setting, or a parameter that is complex, not floating or given twice.
    """

    rule: ClassVar[type[Rule]]

    def __new__(cls, *_: object, **settings: object) -> Self:
        """Refuse unknown keywords with the nearest name, where Python would only call them unexpected."""
        parameters = inspect.signature(cls.__init__).parameters
        rest = [parameter.annotation for parameter in parameters.values() if parameter.kind is inspect.Parameter.VAR_KEYWORD]
        if all(annotation == Unpack[StateOptions] for annotation in rest):
            named = [name for name, parameter in parameters.items() if parameter.kind is not inspect.Parameter.VAR_KEYWORD]
            _settings.refuse_unknown(cls.__name__, settings, [*named[1:], *(_storage.DEFAULTS if rest else ())])
        return super().__new__(cls)

    def __init__(
        self, params: ParamsT, settings: Mapping[str, Any], *, maximize: bool, driver: str, **storage: Unpack[StateOptions]
    ) -> None:
        everything: dict[str, Any] = {**_storage.DEFAULTS, **settings, "maximize": maximize, "driver": driver, **storage}
        _settings.check_group(self.rule, everything, where=type(self).__name__)
        super().__init__(params, _storage.spelt(everything))

    @classmethod
    def constructor_settings(cls, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Settings by the rule's names as keywords of the constructor, for `create`.

        Args:
            settings: by torch's names of hypers, names of flags, or keywords already.
        """
        return dict(settings)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for known in ("_bound", "_bound_whole"):
            self.__dict__.pop(known, None)
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
            param_group = _storage.spelt(param_group)
            if "params" not in param_group:
                raise InputError(f"group {index} has no 'params': must list its parameters under that key.", given=param_group)
            params = param_group["params"]
            if not isinstance(params, (Tensor, set)):
                param_group["params"] = params = list(params)
            _settings.check_params(params, index)
            where = f"{type(self).__name__}, group {index}"
            _settings.refuse_misspelt(self.rule, param_group, where=where)
            _settings.check_group(self.rule, self.defaults | param_group, where=where)
        unswitched(super().add_param_group)(param_group)

    @uncompiled
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient.

        Inside a function given to `torch.compile` the graph breaks here; driver="compiled" compiles the step itself.

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
            whole = _standing_whole.ready(self.rule, self.param_groups, self.state, self.__dict__)
            if whole is not None:
                self._step_batches([Batch(own.rule, own.scalars, own.group, own.params, own.grads, own.states, own) for own in whole])
                return loss
            standing = [self._standing(index, group) for index, group in enumerate(self.param_groups)]
            groups = [(index, group) for index, group in enumerate(self.param_groups) if standing[index] is None]
            work = [(group, list(_settings.with_gradient(group, index))) for index, group in groups]
            batches = [batch for group, params in work for batch in self._batches(group, params)]
            self._step_batches(batches)
            for bound in standing:
                if bound is not None:
                    bound.step()
        return loss

    def _standing(self, index: int, group: dict[str, Any]) -> Standing | None:
        """The parameters of a group bound to native code and ready for their next step; None where they are not."""
        if group["driver"] != "native":
            return None
        # An attribute that pickle, deepcopy and `state_dict` know nothing of: it is found again at the next step.
        known: dict[int, Standing | int] = self.__dict__.setdefault("_bound", {})
        found = known.get(index, 0)
        if isinstance(found, Standing):
            if found.is_ready(self.rule, group, self.state):
                return found
            found = 0
        if found == PATIENCE:
            return None
        made = bind(self.rule, group, self.state)
        if made is None or not made.is_ready(self.rule, group, self.state):
            known[index] = found + 1
            return None
        known[index] = made
        return made

    def state_dict(self) -> StateDict:
        """Settings and state under torch's keys, and the rule's name, by which another class refuses them."""
        return {**unswitched(super().state_dict)(), "rule": self.rule.name}

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Take over settings and state saved by this class or by its namesake in `torch.optim`.

        State keeps its bits where it is kept here as it was there, and else takes the format that this optimizer was
        built with: float32 state is quantised for state_dtype="8bit", codes become float32 without it. Driver,
        state_dtype and weights stay as constructed.

        Args:
            state_dict: what `state_dict()` returned; it shares no tensor with this optimizer afterwards.

        Raises:
            InputError: the groups or the shapes do not fit, or another kind of optimizer saved it.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            state_dict = hook(self, state_dict) or state_dict
        if state_dict.get("rule", self.rule.name) != self.rule.name:
            given = f"the state dict is of {state_dict['rule']!r} and this {type(self).__name__} is {self.rule.name!r}"
            raise InputError(f"{given}: another kind of optimizer saved it. Load it into that kind.", given=state_dict["rule"])
        saved_groups = deepcopy(state_dict["param_groups"])
        self._check_saved(saved_groups)
        state: defaultdict[Any, Any] = defaultdict(dict)
        owners = dict(zip((key for group in saved_groups for key in group["params"]), self._places(), strict=True))
        for key, saved in state_dict["state"].items():
            if key in owners:
                index, position, param = owners[key]
                group = self.param_groups[index]
                where = _settings.place_of(group, index, position)
                state[param] = _state.load(saved, param, self.rule, where=where, storage=Storage.of(group))
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
            wrong = {"adam": True, "adamw": False}.get(self.rule.name)  # torch keeps both under one set of keys
            if missing or (wrong is not None and saved.get("decoupled_weight_decay") is wrong):
                given = f"{where} has no {missing[0]!r}" if missing else f"{where} has decoupled_weight_decay={wrong}"
                raise InputError(f"{given}: another kind of optimizer saved it. Load it into that kind.", given=saved)
            _settings.check_group(self.rule, self._merge(group, saved), where=where)

    def _merge(self, group: dict[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
        """Saved settings over this optimizer's, with its own parameters and driver."""
        kept = {key: value for key, value in saved.items() if key not in _settings.TORCH_SWITCHES}
        own: dict[str, Any] = {key: group[key] for key in ("params", "driver", "state_dtype", "weights") if key in group}
        names = {"param_names": group["param_names"]} if "param_names" in group else {}
        return {**self.defaults, **names, **kept, **own}

    def _batches(self, group: dict[str, Any], params: list[Tensor]) -> Iterator[Batch]:
        """Parameters of a group with what they need for their next step; missing state is created."""
        if group["driver"] == _settings.CAPTURABLE:
            yield from self._unseen(group, params)
            return
        hypers = _settings.read(self.rule, group)
        rule = _settings.rule_of(self.rule, group, hypers)
        storage = Storage.of(group)
        storage = _state.PLAIN if storage == _state.PLAIN else storage
        alike: defaultdict[tuple[int, torch.dtype, torch.device], list[tuple[Tensor, dict[str, Any]]]] = defaultdict(list)
        for param in params:
            # Looking a parameter up costs as much as the rest of this loop: its state is handed on.
            state = self.state[param]
            _state.prepare(state, param, rule, hypers, storage)
            alike[int(state[_state.STEP]) + 1, param.dtype, param.device].append((param, state))
        peak = _settings.peak_rate(group)
        for (step, _, _), members in alike.items():
            batch, states = [param for param, _ in members], [state for _, state in members]
            grads = [-param.grad if group["maximize"] else param.grad for param in batch]  # type: ignore[operator]
            h = Symbols(**hypers, peak_lr=peak)
            yield Batch(rule.at(step, h), rule.scalars(h, step), group, batch, grads, states)  # type: ignore[arg-type]

    def _unseen(self, group: dict[str, Any], params: list[Tensor]) -> Iterator[Batch]:
        """The same, each parameter alone and with scalars on its device, so that the host reads neither step nor rate."""
        hypers = _settings.read_unseen(self.rule, group)
        # Flags follow from hypers that are numbers; a rate that is a tensor decides nothing.
        rule = _settings.rule_of(self.rule, group, hypers)
        for param in params:
            state = self.state[param]
            _state.prepare(state, param, rule, hypers)
            if state[_state.STEP].device != param.device:
                state[_state.STEP] = state[_state.STEP].to(param.device)
            scalars = rule.scalars(Symbols(**hypers), state[_state.STEP].double() + 1.0)
            grad = -param.grad if group["maximize"] else param.grad  # type: ignore[operator]
            yield Batch(rule, scalars, group, [param], [grad], [state])  # type: ignore[list-item]

    def _step_batches(self, batches: Sequence[Batch]) -> None:
        """Run every batch's driver, after a look at all of them where the rule wants one, and store what they return."""
        if batches and batches[0].bound is not None:
            self._step_bound([(batch, batch.bound) for batch in batches if batch.bound is not None])
            return
        states = [[self._slots(batch.rule, state) for state in batch.states] for batch in batches]
        extra: State = {}
        if not all(batch.rule.is_plain for batch in batches):
            extra = self._survey(batches, states)
        for batch, own in zip(batches, states, strict=True):
            for piece in _narrow.pieces(batch.group["driver"], batch.rule, batch.params):
                given = own[piece]
                updated = self._run(batch, extra, piece, given)
                # Lets go of the old state piece by piece; all of it beside all of the new would double the memory.
                own[piece] = [{}] * len(updated)
                if updated is not given:  # else it has been changed in place
                    for state, values in zip(batch.states[piece], updated, strict=True):
                        _state.store(state, batch.rule, values)
                del given
            torch._foreach_add_([state[_state.STEP] for state in batch.states], 1.0)

    def _step_bound(self, batches: Sequence[tuple[Batch, StandingGroup]]) -> None:
        """The same where native code is bound to all groups."""
        own = [batch for batch, _ in batches]
        lane, extra = _standing_whole.survey([bound for _, bound in batches], self._lane_state(own))
        self._keep_lane(own[0].rule, lane)
        for batch, bound in batches:
            if not bound.update(extra):
                states = [self._slots(batch.rule, state) for state in batch.states]
                for state, values in zip(batch.states, self._run(batch, extra, slice(None), states), strict=True):
                    _state.store(state, batch.rule, values)
            bound.count()

    def _run(self, batch: Batch, extra: State, piece: slice, kept: list[State]) -> list[State]:
        """One driver's call; element rules see this process's part of a DTensor."""
        params, grads = batch.params[piece], batch.grads[piece]
        storage = Storage.of(batch.group)
        if storage != _state.PLAIN:
            kept = [own | keys for own, keys in zip(kept, self._keys(storage, params), strict=True)]
        scalars = {**batch.scalars, **extra}
        if not (batch.rule.granularity == "element" and any(_storage.is_sharded(param) for param in params)):
            return _narrow.run(batch.group["driver"], batch.rule, scalars, params, grads, kept=kept)
        parts = [{name: _storage.local(value) for name, value in own.items()} for own in kept]
        locals_ = [[_storage.local(tensor) for tensor in tensors] for tensors in (params, grads)]
        updated = _narrow.run(batch.group["driver"], batch.rule, scalars, *locals_, kept=parts)
        return [
            {name: _storage.distributed(value, param) for name, value in values.items()}
            for param, values in zip(params, updated, strict=True)
        ]

    def _keys(self, storage: Storage, params: Sequence[Tensor]) -> list[State]:
        """For each parameter, the key of what is rounded by chance at this step."""
        keys: list[State] = [{} for _ in params]
        names = [_storage.KEY] * (storage.state_dtype == _storage.BFLOAT16)
        names += [_storage.WEIGHT_KEY] * (storage.weights == "stochastic" and _storage.is_narrow(params[0]))
        places = {id(param): place for place, (_, _, param) in enumerate(self._places())} if names else {}
        for own, param in zip(keys, params if names else (), strict=bool(names)):
            step = int(self.state[param][_state.STEP]) + 1
            key = rounding.key_of(storage.seed, step, places[id(param)]) + _storage.offset(param)
            own.update(dict.fromkeys(names, torch.tensor(rounding.signed(key), dtype=torch.int32, device=param.device)))
        return keys

    def _slots(self, rule: Rule, state: Mapping[str, Any]) -> State:
        return _state.kept(state, rule)

    def _survey(self, batches: Sequence[Batch], states: Sequence[list[State]]) -> State:
        """Measure all parameters; slots that are new already go into `states`, the lane's own into the groups."""
        parts = [
            Part(batch.rule, *_opened(param, grad, state), batch.scalars)
            for batch, own in zip(batches, states, strict=True)
            for param, grad, state in zip(batch.params, batch.grads, own, strict=True)
        ]
        natively = [_standing_whole.is_native(batch.group) for batch in batches for _ in batch.params]
        lane, extra, measured = survey(parts, self._lane_state(batches), _native_whole.measuring(natively))
        places = [(batch.rule, *pair) for batch, own in zip(batches, states, strict=True) for pair in zip(batch.states, own, strict=True)]
        for (rule, state, kept), fresh in zip(places, measured, strict=True):
            if fresh:
                kept.update(_storage.stored(fresh, kept))
                _state.store(state, rule, kept)
        self._keep_lane(batches[0].rule, lane)
        return extra

    def _keep_lane(self, rule: Rule, lane: State) -> None:
        for slot in rule.lane_slots:
            for group in self.param_groups:
                group[slot.key] = lane[slot.symbol]

    def _lane_state(self, batches: Sequence[Batch]) -> State:
        """State of the whole model, which every group holds; that of the first counts."""
        first, held = batches[0], self.param_groups[0]
        wide = compute_dtype(first.params[0].dtype)
        hypers = _settings.read(self.rule, first.group)
        return {
            slot.symbol: held[slot.key]
            if slot.key in held
            else torch.full((), hypers[slot.fill] if slot.fill else 0.0, dtype=wide, device=first.params[0].device)
            for slot in first.rule.lane_slots
        }


def _opened(param: Tensor, grad: Tensor, kept: State) -> tuple[Tensor, Tensor, State]:
    weight, slots = _storage.opened(param, kept)
    return weight, grad.to(weight.dtype), slots
