"""A native step, in two phases, of all groups' parameters that stand where they stood: `ravine.optim._standing` for other rules.

The phases see the whole model, so that either every group stands or none does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from ravine.optim import _native_whole, _settings, _state
from ravine.optim._standing import Footing
from ravine.optim._storage import Storage
from ravine.rules._rule import Rule, State
from ravine.rules._step import Symbols, add_up

if TYPE_CHECKING:
    import numpy as np

    from ravine.fleet.native import WholePhase

PATIENCE = 2
"""Optimizers that twice in a row could not be bound are not tried again: they hold what has no native code."""


@final
class StandingGroup:
    """Parameters of one group, bound to native code. It holds on to their state until a step finds that it has moved.

    Args:
        rule: with the group's flags.
        group: settings and parameters.
        params: those that have gradients, all of one dtype and contiguous.
        states: their entries in the optimizer's state.

    Attributes:
        group, params, states: as given.
        grads: of the step that has been prepared.
        rule, scalars: of that step.
    """

    def __init__(self, rule: Rule, group: dict[str, Any], params: list[Tensor], states: list[dict[str, Any]]) -> None:
        from ravine.fleet.native import Places, StepCounts  # as in `_native_whole`

        self.group, self.params, self.states, self.rule = group, params, states, rule
        self.grads: list[Tensor] = []
        self.scalars: Mapping[str, Any] = {}
        self._key, self._keys = rule.key, [slot.key for slot in rule.active_slots]
        self._footing, self._dtype = Footing(params, states, (_state.STEP, *self._keys)), params[0].dtype
        self._counts = StepCounts(self._footing.counts)
        self._places = Places(params, [[state[key] for key in self._keys] for state in states])
        self._shapes = [tuple(p.shape) for p in params]
        self._forms: dict[WholePhase, np.ndarray | None] = {}

    def is_ready(self, kind: type[Rule], state: Mapping[Tensor, dict[str, Any]]) -> bool:
        """Whether the next step is like the one before; it is then prepared, and nothing has been changed.

        Args:
            kind: of the rule.
            state: of the optimizer.
        """
        group = self.group
        grads = self._footing.gradients(group, state)
        if grads is None:
            return False
        step, hypers = self._counts.add(0.0) + 1.0, _settings.read(kind, group)
        rule = _settings.rule_of(kind, group, hypers)
        if math.isnan(step) or rule.key != self._key or not is_native(group) or group["maximize"]:
            return False
        h = Symbols(**hypers, peak_lr=_settings.peak_rate(group))
        self.rule, self.scalars, self.grads = rule.at(int(step), h), rule.scalars(h, int(step)), grads
        self._places.point(grads)
        names = (*self.scalars, *(slot.symbol for slot in rule.lane_slots))
        return [slot.key for slot in self.rule.active_slots] == self._keys and self._phase("measure", names) is not None

    def measure(self, lane: State) -> State:
        """Sums over the parameters; slots that are new already are changed in place."""
        found = self._phase("measure", (*self.scalars, *lane))
        assert found is not None
        if found[0].is_idle:
            return {}
        sums = found[0].run(self._places, found[1], {**self.scalars, **lane})
        return {name: torch.tensor(value, dtype=self._dtype) for name, value in sums.items()}

    def update(self, extra: State) -> bool:
        """Change parameters and slots in place, and say whether there is native code for it; if not, nothing has changed."""
        scalars = {**self.scalars, **extra}
        found = self._phase("update", tuple(scalars))
        if found is not None:
            found[0].run(self._places, found[1], scalars)
            torch.autograd.graph.increment_version(self.params)
        return found is not None

    def count(self) -> None:
        """One more step has been taken; its gradients are let go."""
        self._counts.add(1.0)
        self.grads = []

    def _phase(self, phase: str, names: tuple[str, ...]) -> "tuple[WholePhase, Any] | None":
        """Native code of a phase for all shapes of the group, with what it needs to know of them."""
        found = _native_whole.phase_of(type(self.rule), self.rule.key[1], phase, names, self._dtype)
        if found is None or found.is_idle:
            return None if found is None else (found, None)
        if found not in self._forms:
            self._forms[found] = _native_whole.forms_of(found, self._shapes)
        forms = self._forms[found]
        return None if forms is None else (found, forms)


def ready(
    kind: type[Rule], groups: Sequence[dict[str, Any]], state: Mapping[Tensor, dict[str, Any]], members: dict[str, Any]
) -> list[StandingGroup] | None:
    """All groups that have gradients, bound and prepared for the next step; None where one of them is not.

    Args:
        kind: of the rule.
        groups: settings and parameters.
        state: of the optimizer.
        members: of the optimizer, where the groups are kept between steps.
    """
    active = [group for group in groups if any(p.grad is not None for p in group["params"])]
    if not active or not all(map(is_native, active)):
        return None
    found: list[StandingGroup] | int = members.get("_bound_whole", 0)
    if not isinstance(found, int):
        if _are_ready(found, kind, active, state):
            return found
        found = 0
    if found == PATIENCE:
        return None
    made = _bind(kind, active, state)
    is_made = made is not None and _are_ready(made, kind, active, state)
    members["_bound_whole"] = made if is_made else found + 1
    return made if is_made else None


def _are_ready(
    found: Sequence[StandingGroup], kind: type[Rule], groups: Sequence[dict[str, Any]], state: Mapping[Tensor, dict[str, Any]]
) -> bool:
    same = len(found) == len(groups) and all(own.group is group for own, group in zip(found, groups, strict=True))
    return same and all(own.is_ready(kind, state) for own in found)


def survey(groups: Sequence[StandingGroup], lane: State) -> tuple[State, State]:
    """Measure all groups and conclude: the lane's next state, and further scalars for the updates.

    Args:
        groups: prepared; the first one's scalars are those of the lane.
        lane: the lane's own slots.
    """
    totals: State = {}
    for group in groups:
        add_up(totals, group.measure(lane))
    new, extra = groups[0].rule.conclude(Symbols(**totals), Symbols(**lane), Symbols(**groups[0].scalars))
    return lane | new, extra


def _bind(kind: type[Rule], groups: Sequence[dict[str, Any]], state: Mapping[Tensor, dict[str, Any]]) -> list[StandingGroup] | None:
    found = []
    for group in groups:
        rule = _settings.rule_of(kind, group, _settings.read(kind, group))
        if not _native_whole.is_whole(rule) or rule.granularity == "matrix" or rule.needs:
            return None
        params = [p for p in group["params"] if p.grad is not None]
        states = [state.get(p, {}) for p in params]
        if len({p.dtype for p in params}) > 1 or not all(map(_is_settled(rule), params, states)):
            return None
        found.append(StandingGroup(rule, group, params, states))
    return found


def is_native(group: Mapping[str, Any]) -> bool:
    """Whether a group's parameters and state are to be changed in place by native code, as they are kept."""
    return group["driver"] == "native" and Storage.of(group) == _state.PLAIN


def _is_settled(rule: Rule) -> Callable[[Tensor, Mapping[str, Any]], bool]:
    """Whether a parameter's state is complete, and lies beside it as native code wants it."""

    def is_settled(p: Tensor, state: Mapping[str, Any]) -> bool:
        count = state.get(_state.STEP)
        if not isinstance(count, Tensor) or count.dtype != torch.float32 or count.ndim or count.device.type != "cpu":
            return False
        if any(slot.key not in state for slot in rule.active_slots) or len(state) != 1 + len(rule.active_slots):
            return False
        return p.is_contiguous() and _native_whole.fields(p, p, _state.kept(state, rule), rule.active_slots, is_row=False) is not None

    return is_settled
