"""How much memory a fleet will need, forecast before it starts."""

import functools
import math
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from ravine.fleet.data import duplicate, size
from ravine.fleet.gradients import single_gradient, stacked_gradient, stacked_metrics
from ravine.fleet.lanes import Lane
from ravine.fleet.shrinking import is_out_of_memory
from ravine.fleet.stacking import compute_dtype, split_state
from ravine.rules import Rule
from ravine.tasks.kinds import Kind, parameter_kinds

EVALUATION_BYTES = 64 * 2**20
"""Activations that an evaluation may hold at once."""

STACKS = ("stacked", "compiled")
"""Modes in which all lanes of a tile step at once."""

SLACK = 1.6
"""What the process holds for each byte of a tile's tensors: freed blocks of other sizes stay with the C library's
allocator (measured 1.4 to 1.8 once it has settled, glibc 2.36)."""

FIRST_USE_BYTES = 64 * 2**20
"""What torch loads and keeps when a model is first probed and stepped: kernels, their caches, vmap (measured 10 to 100 MiB)."""

PROCESS_BYTES = 256 * 2**20
"""A worker process before it has a fleet: Python and torch."""

COMPILER_BYTES = 128 * 2**20
"""What Inductor itself takes in the process that compiles a step: its modules, graphs and caches (torch 2.13: 60 to 86 MiB
beyond the peak of the same lanes uncompiled, and up to 190 MiB where the rest of the forecast was short)."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes that one lane needs.

    Attributes:
        parameters: trainable tensors.
        buffers: buffers and frozen parameters.
        slot_unit: one slot for every parameter, in the compute dtype.
        activations: tensors that one batch's forward saves for the backward pass.
        examples: batch size that `activations` was measured with.
        batch: one batch.
        alone: most that forward and backward hold at once beyond the state, gradients included, for one module.
        stacked: the same for each lane of a stack; 0 if the model cannot be stacked.
        evaluation: most that the evaluation of one example holds for each lane.
        tensors: kind and shape of every trainable tensor, for optimisers whose state is not the parameters' size.
    """

    parameters: int
    buffers: int
    slot_unit: int
    activations: int
    examples: int
    batch: int = 0
    alone: int = 0
    stacked: int = 0
    evaluation: int = 0
    tensors: tuple[tuple[Kind, tuple[int, ...]], ...] = ()

    def slots(self, rule: Rule) -> float:
        """How many numbers a rule keeps for each parameter, on average over the model."""
        if not self.tensors:
            return len(rule.active_slots)
        kept = sum(math.prod(slot.shape_for(shape)) for kind, shape in self.tensors for slot in rule.part(kind).active_slots)
        return kept / max(1, sum(math.prod(shape) for _, shape in self.tensors))

    def lane(self, num_slots: float) -> int:
        """Bytes that one lane's step touches: state, gradient, proposed state and activations."""
        return 2 * self.state(num_slots) + self.parameters + self.activations

    def state(self, num_slots: float) -> int:
        """Bytes of one lane at rest."""
        return self.parameters + self.buffers + math.ceil(num_slots * self.slot_unit)

    def peak(self, num_slots: float, *, stacked: bool) -> int:
        """Most bytes that one lane holds at once while it steps.

        First the activations and the gradients that they end in, then gradients beside the proposed state, whose
        parameters exist twice for a moment: group by group and put together, or laid end to end.
        """
        gradient = (self.stacked or self.alone) if stacked else self.alone
        update = 3 * self.parameters + self.buffers + math.ceil(num_slots * self.slot_unit)
        return self.state(num_slots) + max(gradient, self.activations + self.parameters, update)


def measure(objective: nn.Module, batch: Any) -> Footprint:
    """Count the bytes of a model's state and of what it holds during one batch; the module is as before afterwards."""
    trainable, fixed = split_state(objective)
    parameters = [p for p in objective.parameters() if p.requires_grad]
    return Footprint(
        parameters=sum(p.nbytes for p in trainable.values()),
        buffers=sum(b.nbytes for b in fixed.values()),
        slot_unit=sum(p.numel() * compute_dtype(p).itemsize for p in trainable.values()),
        activations=saved_bytes(objective, batch),
        examples=size(batch),
        batch=sum(leaf.nbytes for leaf in pytree.tree_leaves(batch)),
        alone=_alone(lambda: single_gradient(objective, parameters, duplicate(batch))),
        stacked=_per_lane(stacked_gradient(objective, shared_batch=False), objective, batch),
        evaluation=_evaluation(objective, batch) // size(batch),
        tensors=tuple((kind, tuple(trainable[name].shape)) for name, kind in parameter_kinds(objective).items() if name in trainable),
    )


def _alone(run: Callable[[], Any]) -> int:
    """Most that a call of one module holds at once; 0 if the module refuses to be watched, as compiled parts of it may."""
    try:
        return peak_bytes(run)
    except Exception as error:  # it has run unwatched before, so whatever is raised here is about the watching
        if is_out_of_memory(error):
            raise
        return 0


def saved_bytes(objective: nn.Module, batch: Any) -> int:
    """Bytes of what autograd saves for the backward pass, each storage once."""
    trainable, fixed = split_state(objective)
    own = {tensor.untyped_storage().data_ptr() for tensor in [*trainable.values(), *fixed.values(), *pytree.tree_leaves(batch)]}
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = objective(batch)
    except RuntimeError:  # torch.func inside the user's own step forbids such hooks: all that its forward holds counts instead
        return _alone(lambda: objective(duplicate(batch)))
    del loss
    return sum(saved.values())


def _evaluation(objective: nn.Module, batch: Any) -> int:
    metrics, was_training = stacked_metrics(objective), objective.training
    objective.eval()
    try:
        with torch.no_grad():
            # Lanes share what they are evaluated on.
            return _per_lane(lambda parameters, buffers, stack: metrics(parameters, buffers, _first(stack)), objective, batch)
    finally:
        objective.train(was_training)


def _per_lane(run: Callable[[Any, Any, Any], Any], objective: nn.Module, batch: Any) -> int:
    """What a second lane adds to the peak of a stacked call; 0 if the model cannot be stacked."""
    peaks = []
    for lanes in (1, 2):
        trainable, fixed = ({name: _copies(t, lanes) for name, t in part.items()} for part in split_state(objective))
        stack = pytree.tree_map(lambda leaf, lanes=lanes: _copies(leaf, lanes), batch)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                peaks.append(peak_bytes(functools.partial(run, trainable, fixed, stack)))
        except MemoryError:
            raise
        except Exception:  # whatever a user's module raises under vmap: what cannot be stacked needs no forecast of it
            return 0
    return max(0, peaks[1] - peaks[0])


def _copies(tensor: Tensor, number: int) -> Tensor:
    return torch.stack([tensor] * number)


def _first(stack: Any) -> Any:
    first: Any = pytree.tree_map(lambda leaf: leaf[0], stack)
    return first


def peak_bytes(run: Callable[[], Any]) -> int:
    """Most bytes of tensors that a call holds at once, its result included; what it is given does not count."""
    with _Watch() as watch:
        result = run()
    del result
    peak: int = watch.peak
    return peak


@final
class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch annotates none of it
    """Adds up the storages alive after each operation, each counted when it comes and when it goes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = self._now = 0
        self._given, self._held = set[int](), dict[int, weakref.ref[torch.UntypedStorage]]()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = [leaf for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self._given |= {leaf.untyped_storage()._cdata for leaf in given} - self._held.keys()
        result = func(*args, **(kwargs or {}))
        for leaf in pytree.tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._hold(leaf.untyped_storage())
        self.peak = max(self.peak, self._now)
        return result

    def _hold(self, storage: torch.UntypedStorage) -> None:
        key, number = storage._cdata, storage.nbytes()
        if key not in self._given and key not in self._held:
            self._now += number
            # torch keeps a storage's Python object as long as the storage itself.
            self._held[key] = weakref.ref(storage, lambda _: self._let_go(key, number))

    def _let_go(self, key: int, number: int) -> None:
        del self._held[key]
        self._now -= number


def evaluation_rows(footprint: Footprint, num_lanes: int) -> int:
    """Examples that so many lanes evaluate at a time."""
    per_example = max(1, 2 * footprint.activations // footprint.examples) * num_lanes
    return max(1, EVALUATION_BYTES // per_example)


def tile_bytes(footprint: Footprint, tile: Sequence[Lane], mode: str, *, evaluated: int) -> int:
    """Most bytes that a tile holds at once, while it steps or is evaluated.

    A stack's lanes are all at work at once. In the native mode all are held, and one is at work; else one is held.

    Args:
        footprint: of one lane.
        tile: its lanes.
        mode: how they are run.
        evaluated: examples of the largest split that is evaluated.
    """
    stacked = mode in STACKS
    slots = [footprint.slots(lane.rule) for lane in tile]
    # One seed's lanes share a batch; others are gathered a lane each, beside the one that is in use.
    batches = footprint.batch * (len(tile) if stacked and len({lane.seed for lane in tile}) > 1 else 1)
    peaks = [footprint.peak(number, stacked=stacked) for number in slots]
    held = sum(map(footprint.state, slots)) if stacked or mode == "native" else 0
    steps = sum(peaks) if stacked else held + max(peaks)
    rows = min(evaluated, evaluation_rows(footprint, len(tile)))
    return max(steps + batches, held + (len(tile) if stacked else 1) * rows * footprint.evaluation)


def held_bytes(footprint: Footprint, lanes: Sequence[Lane]) -> int:
    """Bytes of lanes at rest, every one of them held."""
    return int(SLACK * sum(footprint.state(footprint.slots(lane.rule)) for lane in lanes))


def forecast(footprint: Footprint, tiles: Sequence[Sequence[Lane]], data_bytes: int, mode: str, *, evaluated: int = 0) -> int:
    """Peak bytes of a run beyond the process as it is: the data set, the largest tile (one is alive at a time), the compiler."""
    peaks = [tile_bytes(footprint, tile, mode, evaluated=evaluated) for tile in tiles]
    compiler = COMPILER_BYTES if mode == "compiled" else 0
    return data_bytes + int(SLACK * max(peaks, default=0)) + FIRST_USE_BYTES + compiler
