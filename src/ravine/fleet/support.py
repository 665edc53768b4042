"""What the engine may do with a model, found out by running it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.base.errors import TaskError
from ravine.fleet import habits
from ravine.fleet.data import duplicate
from ravine.fleet.memory import Footprint, measure
from ravine.fleet.reads import first_read
from ravine.fleet.stacking import split_state
from ravine.fleet.trial import OTHER_NUMBERS, Copy, Single, alone, is_mixable, obstacle
from ravine.tasks._randomness import isolated
from ravine.tasks.functional import functional_call


@dataclass(frozen=True, slots=True)
class Support:
    """What the engine may do with a model.

    Attributes:
        stackable: whether copies can run as one.
        reason: why not, as half a sentence; empty when stackable.
        draws_random: whether a training forward draws random numbers, from torch or otherwise.
        footprint: bytes of one lane.
        is_mixable: whether stacked copies may read a batch each; if not, lanes of one tile must share their batch, and
            the step must not be traced, since Python code looks at the batch's values.
        writes_input: whether a forward writes into its batch.
        evaluates_with_gradients: whether an evaluation needs gradients to be recorded.
        accumulates: whether gradients must go through `.grad`.
        unused: names of parameters that the training loss does not use. They stay as they are, as under torch.optim:
            not even weight decay may touch them, for an evaluation may use them.
        traceable: whether the training step of one copy is a fixed sequence of tensor operations on parameters, buffers,
            batch and torch's random stream, so that a trace of one step may stand for all steps of all lanes. It may be
            although the model cannot be stacked, where torch lacks a rule for stacking.
    """

    stackable: bool
    reason: str
    draws_random: bool
    footprint: Footprint
    is_mixable: bool = True
    writes_input: bool = False
    evaluates_with_gradients: bool = False
    accumulates: bool = False
    unused: frozenset[str] = frozenset()
    traceable: bool = False

    @property
    def by_seed(self) -> bool:
        """Whether lanes of one tile must have one seed."""
        return self.draws_random or not self.is_mixable


def probe(
    objective: nn.Module, batch: Any, other: nn.Module | None = None, *, second: Any = None, build: Callable[[], nn.Module] | None = None
) -> Support:
    """Run batches through the model in every way the fleet would.

    The caller's random generators, the module and the batches are left as they were.

    Args:
        objective: freshly built, in training mode.
        batch: one training batch.
        other: the same model built under another seed, to find out whether weights and buffers are all that differs.
        second: another batch of the same shape; `batch` in reverse order when left out.
        build: builds `objective` afresh with the same weights, for models that cannot be copied.

    Raises:
        TaskError: the model is one that no engine here can train.
    """
    fresh = _copies(objective, build)
    _check_storages(objective)
    accumulates = any(habits.accumulate_hooks(p) for p in objective.parameters())
    single = alone(fresh, batch, 0, accumulate=accumulates)
    _check_layouts(single)
    torch_draws, other_draws = habits.draws(fresh().train(), batch)
    with isolated(0):
        footprint = measure(fresh().train(), duplicate(batch))
    batches = [batch, pytree.tree_map(lambda leaf: leaf.flip(0), batch) if second is None else second]
    seeds = (0, 1, 2) if torch_draws else (0,)
    hidden = "its forward draws from Python's or numpy's random stream" if other_draws else ""
    hidden = hidden or _hidden(objective, fresh, batches, other, draws=torch_draws)
    coarsest = habits.coarsest_dtype(fresh(), batch)
    reason = hidden or obstacle(fresh, batches, seeds, coarsest)
    mixable = bool(reason) or is_mixable(fresh, batches, coarsest)
    return Support(
        not reason,
        reason,
        torch_draws or other_draws,
        footprint,
        is_mixable=mixable,
        writes_input=habits.writes_input(fresh(), batch),
        evaluates_with_gradients=habits.evaluates_with_gradients(fresh(), batch),
        accumulates=accumulates,
        unused=single.unused,
        traceable=mixable if not reason else not hidden and reason != OTHER_NUMBERS and _is_fixed(fresh, batches, seeds),
    )


def _hidden(objective: nn.Module, fresh: Copy, batches: list[Any], other: nn.Module | None, *, draws: bool) -> str:
    """What would give wrong numbers without an error, as half a sentence."""
    hooked = habits.backward_hook(objective)
    if hooked:
        return f"its {hooked} has a hook on the backward pass, which would not run"
    written = habits.written_parameter(fresh(), batches[0])
    if written:
        return f"its forward writes into a parameter ({written})"
    changed = habits.changed_attribute(fresh, [*batches, _repeated(batches[0])])
    if changed:
        return f"its forward changes Python state (attribute {changed})"
    if other is not None and not _same_function(fresh(), other, batches[0]):
        return "its forward uses a value that differs by seed and is neither parameter nor buffer (register_buffer makes it one)"
    if draws and _read(fresh, batches[0], chance_only=True, unknown=""):
        return "its training forward takes a value out of a tensor that chance decides, so that chance decides what runs"
    return ""


def _is_fixed(fresh: Copy, batches: list[Any], seeds: Sequence[int]) -> bool:
    """Whether the same operations run whatever the batch and the draws, found out without stacking."""
    if any(_read(fresh, batch, chance_only=False, unknown="anything") for batch in batches):
        return False
    return len({alone(fresh, batch, seed).unused for batch in batches for seed in seeds}) == 1


def _read(fresh: Copy, batch: Any, *, chance_only: bool, unknown: str) -> str:
    try:
        return first_read(fresh(), batch, chance_only=chance_only)
    except Exception:  # not every module runs while its operators are watched
        return unknown


def _copies(objective: nn.Module, build: Callable[[], nn.Module] | None) -> Copy:
    try:
        copy.deepcopy(objective)
    except Exception as error:  # locks, open files, tensors that autograd computed: a user's module may hold anything
        if build is None:
            line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise TaskError(f"the model cannot be copied ({line}): give a factory that builds it.") from error
        return build
    return lambda: copy.deepcopy(objective)


def _check_storages(objective: nn.Module) -> None:
    spans = []
    for name, p in objective.named_parameters():
        if p.numel() and p.device.type != "meta":
            last = sum((length - 1) * stride for length, stride in zip(p.shape, p.stride(), strict=True))
            spans.append((p.data_ptr(), p.data_ptr() + (last + 1) * p.element_size(), name, p.requires_grad))
    spans.sort()
    for before, after in pairwise(spans):
        if after[0] < before[1] and (before[3] or after[3]):
            names = f"the parameters {before[2]} and {after[2]}"
            raise TaskError(f"{names} are two Parameters on the same memory: tie them by assigning one Parameter to both places.")


def _check_layouts(single: Single) -> None:
    for name, g in single.gradients.items():
        if g is not None and g.layout != torch.strided:
            raise TaskError(f"the gradient of {name} is sparse, which no optimiser here takes: build its layer with sparse=False.")


def _repeated(batch: Any) -> Any:
    """A batch of one example over and over: its means are others, which a batch in another order would not show."""
    return pytree.tree_map(lambda leaf: leaf[:1].expand_as(leaf).clone(), batch)


def _same_function(objective: nn.Module, other: nn.Module, batch: Any) -> bool:
    """Whether two seeds' modules give one loss from one state: a stack runs every lane through one module's code."""
    trainable, fixed = split_state(objective)
    losses: list[Tensor] = []
    for module in (objective, other):
        state = {name: p.clone().requires_grad_() for name, p in trainable.items()} | {name: b.clone() for name, b in fixed.items()}
        with isolated(0), torch.enable_grad():
            losses.append(functional_call(module.train(), state, (duplicate(batch),)).detach())
    return torch.equal(losses[0], losses[1]) or not bool(torch.isfinite(losses[0]).all())
