"""Schedules on an optimizer: torch's `LRScheduler` over pure functions of the step.

What torch's own schedulers remember from step to step, this one computes anew: it holds a step count and nothing else.
"""

import dataclasses
import functools
import re
import warnings
import weakref
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from ravine.base._checks import count, unknown_name
from ravine.base.errors import InputError
from ravine.schedules import Between, Plateau, PlateauState, Schedule

Scheduled: TypeAlias = Schedule | Between
Plan: TypeAlias = Mapping[str, Scheduled]
"""Key of a param group, such as "lr" or "betas[0]" -> its schedule."""

KEY = re.compile(r"(\w+)(?:\[(\d+)\])?")

CHANGED = (
    "lr of group {index} was {set!r} and is {found!r}: something else has changed it, and the schedule sets it anew. "
    "For a change that lasts, change group['initial_lr']; after loading the optimizer's state, load the scheduler's as well."
)
OTHER = "the state was saved under {saved} and goes on under {own}. Make the scheduler as it was made when saving."


class LRScheduler(torch.optim.lr_scheduler.LRScheduler):
    """A drop-in `torch.optim.lr_scheduler.LRScheduler`: at step t a group's rate is `initial_lr * schedule(t)`.

    Rates follow from the step alone. Resuming needs the step only, nothing drifts, and whoever steps twice as often or
    jumps back finds the same rate at the same step. Rates that are tensors are filled in place, so that a compiled step
    is not compiled again. A group that is added later has its rate at once; its own `lr` is its peak, as it is for
    the others. Call `step` after each step of the optimizer.

    Departures. From torch's: a rate that something else changed is set anew at the next step, with a warning, since
    every rate is a function of the step; change `group["initial_lr"]` for a change that lasts.

    Args:
        optimizer: any `torch.optim.Optimizer`.
        schedule: of the rate; or a dictionary of schedules by key of the param groups ("lr", "weight_decay",
            "momentum", "betas[0]"); or a list of either, one a group. A multiplier multiplies what the group began with,
            a `Between` sets the value itself.
        last_epoch: steps taken before, less one, as in torch; -1 at the start.
        horizon: of schedules that were made without one.
        plateau: multiplies the rate as well and looks at what `observe` is given.

    Raises:
        InputError: no optimizer, a key that a group does not have, a list of another length, or no horizon.

    Example:
        >>> import torch
        >>> from ravine import optim, schedules
        >>> optimizer = optim.AdamW([torch.zeros(3, requires_grad=True)], lr=3e-4)
        >>> scheduler = optim.LRScheduler(optimizer, schedules.Cosine(horizon=10_000).warmup(500))
        >>> optimizer.step(), scheduler.step(), scheduler.get_last_lr()
        (None, None, [1.2e-06])
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        schedule: Scheduled | Plan | Sequence[Scheduled | Plan],
        last_epoch: int = -1,
        *,
        horizon: int | None = None,
        plateau: Plateau | None = None,
    ) -> None:
        _check_optimizer(optimizer)
        count("last_epoch", last_epoch, at_least=-1, do="It is the number of steps taken before, less one.")
        self.schedule = _plans(schedule)
        self.horizon = horizon
        self.plateau = plateau
        self.plateau_state = PlateauState()
        self.optimizer = optimizer
        self._last_lr: list[float | Tensor] = []
        self._prepare()
        super().__init__(optimizer, last_epoch)
        self._watch_groups()

    def get_lr(self) -> list[float | Tensor]:
        """The rate of every group at the present step; a tensor where the group's is one."""
        rates: list[float | Tensor] = []
        for group, plan in self._pairs():
            rate = self._value("lr", plan["lr"], group) if "lr" in plan else group["lr"]
            rates.append(rate.clone() if isinstance(rate, Tensor) else rate)
        return rates

    def step(self, epoch: int | None = None) -> None:
        """Go on by one step; call it after `optimizer.step()`.

        Args:
            epoch: torch's deprecated way to go to a step; `seek` is the one without a warning.
        """
        self._prepare()
        self._look_for_changes()
        super().step(epoch)
        self._apply(but="lr")

    def seek(self, step: int) -> None:
        """Go to a step: every setting is as it would be after so many calls of `step`."""
        self.last_epoch = count("step", step, at_least=0)
        self._step_count = step + 1
        self._prepare()
        self._apply()

    def observe(self, value: float) -> None:
        """Hand the plateau the metric of an evaluation; the rate follows at once.

        Raises:
            InputError: there is no plateau.
        """
        if self.plateau is None:
            raise InputError("this scheduler has no plateau to look at the value. Give plateau=ravine.schedules.Plateau().", given=value)
        self.plateau_state = self.plateau.after(self.plateau_state, value)
        self._apply()

    def state_dict(self) -> dict[str, Any]:
        """The step, under torch's `last_epoch`, the plateau's state, and what the schedules were, for comparison."""
        plateau = None if self.plateau is None else dataclasses.asdict(self.plateau_state)
        return {"last_epoch": self.last_epoch, "schedule": self._described(), "plateau": plateau}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go to the step that was saved; of a state of torch's own schedulers that is all that is read.

        Warns where other schedules were saved; the own ones hold.

        Raises:
            InputError: no step in it, or no state for the plateau.
        """
        if "last_epoch" not in state_dict:
            raise InputError(f"the state has {sorted(state_dict)}: must have 'last_epoch'. Load a scheduler's.", given=state_dict)
        if self.plateau is not None and "schedule" in state_dict:
            self.plateau_state = self.plateau.restored(state_dict.get("plateau") or {})
        own = self._described()
        saved = state_dict.get("schedule", own)
        if saved != own:
            warnings.warn(OTHER.format(saved=saved, own=own), UserWarning, stacklevel=2)
        self.seek(state_dict["last_epoch"])

    def _described(self) -> Any:
        plans = [{key: _plain({"name": part.name, **part.settings}) for key, part in plan.items()} for plan in self.schedule]
        return {"plans": plans, "horizon": self.horizon, "plateau": None if self.plateau is None else dataclasses.asdict(self.plateau)}

    def _pairs(self) -> list[tuple[dict[str, Any], Plan]]:
        """Every group with what is scheduled in it."""
        groups = self.optimizer.param_groups
        if len(self.schedule) == 1:
            return [(group, self.schedule[0]) for group in groups]
        if len(self.schedule) != len(groups):
            given = f"{len(self.schedule)} schedules for {len(groups)} groups"
            remedy = "Append to scheduler.schedule before adding a group."
            raise InputError(f"{given}: must be one for all or one for each. {remedy}", given=given)
        return list(zip(groups, self.schedule, strict=True))

    def _prepare(self) -> None:
        """Note in every group what it begins with, where it has not been noted."""
        for index, (group, plan) in enumerate(self._pairs()):
            for key in ("lr", *plan):
                name, place = _parsed(key)
                if f"initial_{name}" in group and place is None:
                    continue
                known = group.get(name)
                if known is None or (place is not None and not (isinstance(known, (tuple, list)) and place < len(known))):
                    names = [each for each in group if each not in ("params", "param_names")]
                    raise unknown_name(f"setting of param group {index}", key, names, do='Parts are written like "betas[0]".')
                group.setdefault(f"initial_{name}", known.clone() if isinstance(known, Tensor) else known)

    def _value(self, key: str, schedule: Scheduled, group: Mapping[str, Any]) -> Any:
        number = schedule(self.last_epoch, self.horizon)
        if key == "lr" and self.plateau is not None:
            number *= self.plateau(self.plateau_state)
        if schedule.is_value:
            return number
        name, place = _parsed(key)
        initial = group[f"initial_{name}"]
        return (initial if place is None else initial[place]) * number

    def _apply(self, *, but: str = "") -> None:
        for group, plan in self._pairs():
            for key, schedule in plan.items():
                if key != but:
                    _set(group, key, self._value(key, schedule, group))
        groups = self.optimizer.param_groups
        self.base_lrs = [_copied(group["initial_lr"]) for group in groups]
        self._last_lr = [_copied(group["lr"]) for group in groups]

    def _look_for_changes(self) -> None:
        """Warn of rates that are not what was set last; tensors are not read, which would wait for the device."""
        for index, ((group, plan), last) in enumerate(zip(self._pairs(), self._last_lr, strict=False)):
            found = group["lr"]
            if "lr" in plan and not isinstance(found, Tensor) and not isinstance(last, Tensor) and found != last:
                warnings.warn(CHANGED.format(index=index, set=last, found=found), UserWarning, stacklevel=3)

    def _watch_groups(self) -> None:
        """Let groups that are added later have their settings at once."""
        add, own = self.optimizer.add_param_group, weakref.ref(self)

        def add_param_group(param_group: dict[str, Any]) -> None:
            add(param_group)
            scheduler = own()
            if scheduler is not None:
                scheduler._prepare()
                scheduler._apply()

        self.optimizer.add_param_group = add_param_group  # type: ignore[method-assign]


def _check_optimizer(given: object) -> None:
    if not isinstance(given, torch.optim.Optimizer):
        name = type(given).__name__
        raise InputError(f"optimizer is {name}: must be a torch.optim.Optimizer. Give the optimizer itself.", given=given)


def _plans(given: Any) -> list[Plan]:
    """What was given as a list of dictionaries: one for all groups, or one a group."""
    listed = list(given) if isinstance(given, (list, tuple)) else [given]
    plans: list[Plan] = []
    for part in listed:
        plan = {"lr": part} if isinstance(part, Scheduled) else part
        if not isinstance(plan, Mapping) or not plan or not all(isinstance(one, Scheduled) for one in plan.values()):
            allowed = "must be a schedule, a dictionary of schedules by key, or a list of these, one a group"
            raise InputError(f"schedule={part!r}: {allowed}. Make one with ravine.schedules.", given=part)
        plans.append(dict(plan))
    if not plans:
        raise InputError("schedule=[]: must hold one schedule a group.", given=given)
    return plans


@functools.cache
def _parsed(key: str) -> tuple[str, int | None]:
    """The key "betas[0]" as ("betas", 0)."""
    match = KEY.fullmatch(key)
    if match is None:
        raise InputError(f"{key!r}: must be a key of a param group, such as 'weight_decay' or 'betas[0]'.", given=key)
    return match[1], None if match[2] is None else int(match[2])


def _set(group: dict[str, Any], key: str, value: Any) -> None:
    """A setting of a group; tensors are filled, for compiled steps and CUDA graphs hold on to them."""
    name, place = _parsed(key)
    current = group[name] if place is None else group[name][place]
    if isinstance(current, Tensor):
        current.copy_(value) if isinstance(value, Tensor) else current.fill_(value)
    elif place is None:
        group[name] = value
    else:
        parts = list(group[name])
        parts[place] = value
        group[name] = type(group[name])(parts)


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


def _plain(value: Any) -> Any:
    """Tuples as lists, which they become in JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (tuple, list)) else value
