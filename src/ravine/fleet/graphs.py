"""CUDA graphs: one step of a stacked tile recorded once, then replayed with a single launch.

A step of a small model is a few hundred kernels of a few microseconds each, which Python launches slower than the
GPU runs them. A recorded step reads everything that changes between steps from buffers that stay where they are: the
state (changed in place), the lanes that still run, and blocks of scalars and batch indices for the next
`BLOCK_STEPS` steps, of which a counter on the device picks the row. It writes its losses into such a block too, so
that nothing is fetched, and the host waits for nothing, before the block is full.

Shapes: T steps of a block, L lanes, B rows of a batch, S seeds.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ravine.fleet.assembly import Assembly
from ravine.fleet.stepping import in_float32, keep_frozen
from ravine.fleet.tiles import BatchRows, Training, pick

BLOCK_STEPS = 64
"""Steps between two fetches of losses: a launch every ten microseconds or so hides one copy in 64."""

WARM_UPS = 2
"""Runs before the recording, in which libraries pick their algorithms and take their workspaces."""

Record = Callable[[Callable[[], None], torch.device], Callable[[], None]]
"""(body, device) -> what replays it."""


def cuda_graph(body: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """Record `body` as a CUDA graph.

    A last warm-up runs with synchronisations forbidden: it finds a forward that waits for the device (`.item()`, a
    tensor made from Python numbers) by an ordinary exception. Found during the recording, it would leave the stream
    and its random generator in a state of which torch promises nothing.

    Args:
        body: reads and writes tensors that stay where they are; it is run `WARM_UPS + 1` times.
        device: a CUDA device.

    Returns:
        What runs the body's kernels again, on the stream that is current then.
    """
    stream, caller = torch.cuda.Stream(device), torch.cuda.current_stream(device)  # type: ignore[no-untyped-call]
    stream.wait_stream(caller)
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            body()
        with _no_synchronisation():
            body()
    caller.wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, stream=stream):
            body()
    except BaseException:
        # A recording that fails leaves its stream the current one, and the generator believing that it goes on.
        torch.cuda.set_stream(caller)
        generator = torch.cuda.default_generators[stream.device_index]
        generator.graphsafe_set_state(generator.clone_state())
        raise
    return graph.replay


@contextmanager
def _no_synchronisation() -> Iterator[None]:
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        # torch says at the first use that the mode may miss something; the recording would then fail, with its reason.
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(before)


@dataclass(slots=True)
class _Buffers:
    """What a recorded step reads and writes besides the state.

    Attributes:
        scalars: for each group, (T, scalars, lanes of the group).
        indices: (T, B) or (T, S, B), as in `BatchRows`; None where one batch holds all rows.
        counter: (1,), the row of the next step.
        alive_L: lanes that still change.
        losses_TL, finite_TL: what steps gave.
    """

    scalars: list[Tensor]
    indices: Tensor | None
    counter: Tensor
    alive_L: Tensor
    losses_TL: Tensor
    finite_TL: Tensor


@final
class RecordedStep:
    """One step of an assembly, recorded.

    Args:
        live: the assembly; its state is changed in place from now on.
        scalars: for each group (steps, scalars, lanes), for their shapes.
        rows: batches, for their shapes.
        training: what all tiles share.
        record: records a function.
    """

    def __init__(self, live: Assembly, scalars: Sequence[Tensor], rows: BatchRows, training: Training, record: Record) -> None:
        self._live, self._leaves = live, _leaves(live)
        device, num_lanes = live.alive_L.device, len(live.positions)
        self._buffers = _Buffers(
            [block.new_zeros((BLOCK_STEPS, *block.shape[1:])) for block in scalars],
            None if rows.indices is None else rows.indices.new_zeros((BLOCK_STEPS, *rows.indices.shape[1:])),
            torch.zeros(1, dtype=torch.int64, device=device),
            # Nobody is alive while the body warms up: every lane keeps its state, bit for bit.
            torch.zeros(num_lanes, dtype=torch.bool, device=device),
            torch.zeros(BLOCK_STEPS, num_lanes, device=device),
            torch.zeros(BLOCK_STEPS, num_lanes, dtype=torch.bool, device=device),
        )
        # Kept, since a recording reads the memory of tensors and does not hold them: it would outlive `rows.per_lane`.
        self._body = self._make_body(live, BatchRows(self._buffers.indices, rows.per_lane), training)
        self._replay = record(self._body, device)

    def fits(self, live: Assembly) -> bool:
        """Whether this is the recorded assembly, with its state where it was: compaction and a restored state move it."""
        return live is self._live and all(a is b for a, b in zip(self._leaves, _leaves(live), strict=True))

    def run(self, scalars: Sequence[Tensor], rows: BatchRows, before_step: Callable[[int], None]) -> tuple[Tensor, Tensor]:
        """Take steps.

        Args:
            scalars: for each group (steps, scalars, lanes).
            rows: batches of those steps.
            before_step: called with each step's offset before it; seeds random streams.

        Returns:
            losses in float32 and finiteness, (steps, L), on the device.
        """
        held, live, num_steps = self._buffers, self._live, len(scalars[0])
        held.alive_L.copy_(live.alive_L)
        losses, finite = [], []
        for first in range(0, num_steps, BLOCK_STEPS):
            count = min(BLOCK_STEPS, num_steps - first)
            held.counter.zero_()
            for target, block in zip(held.scalars, scalars, strict=True):
                target[:count].copy_(block[first : first + count])
            if held.indices is not None and rows.indices is not None:
                held.indices[:count].copy_(rows.indices[first : first + count])
            for offset in range(first, first + count):
                before_step(offset)
                self._replay()
            losses.append(held.losses_TL[:count].clone())
            finite.append(held.finite_TL[:count].clone())
        live.alive_L = held.alive_L.clone()
        return torch.cat(losses), torch.cat(finite)

    def _make_body(self, live: Assembly, rows: BatchRows, training: Training) -> Callable[[], None]:
        held = self._buffers

        def body() -> None:
            with torch.no_grad():
                packed = [block.index_select(0, held.counter)[0] for block in held.scalars]
                batch = pick(training, rows, held.counter)
                loss_L, keep_L = _in_place(live, packed, held.alive_L, batch)
                held.losses_TL.index_copy_(0, held.counter, in_float32(loss_L)[None])
                held.finite_TL.index_copy_(0, held.counter, keep_L[None])
                held.alive_L.copy_(keep_L)
                held.counter.add_(1)

        return body


@final
class Recorder:
    """Keeps the recorded step of a tile, and why there is none.

    Attributes:
        reason: why steps are not recorded, as half a sentence; empty while they are.

    Args:
        training: what all tiles share.
        record: records a function.
    """

    def __init__(self, training: Training, record: Record = cuda_graph) -> None:
        self.reason = "" if training.support.is_mixable else "its forward looks at values of the batch"
        self._training, self._record = training, record
        self._recorded: RecordedStep | None = None

    def step(self, live: Assembly, scalars: Sequence[Tensor], rows: BatchRows) -> RecordedStep | None:
        """The recorded step of an assembly, recorded now if need be; None where that is impossible."""
        phased = next((group.rule.name for group in live.groups if group.rule.is_phased), "")
        self.reason = self.reason or (f"{phased} does not do the same at every step" if phased else "")
        if self.reason or (self._recorded is not None and self._recorded.fits(live)):
            return None if self.reason else self._recorded
        # The old recording holds a step's memory; a new one beside it might not fit.
        self._recorded = None
        try:
            self._recorded = RecordedStep(live, scalars, rows, self._training, self._record)
        except Exception as error:  # whatever a forward does that cannot be recorded: launched one by one its kernels still run
            line = next((part.strip() for part in str(error).splitlines() if part.strip()), "")
            self.reason = f"{type(error).__name__}: {line[:160]}"
        return self._recorded


def _leaves(live: Assembly) -> list[Tensor]:
    state = live.state
    return pytree.tree_leaves((state.parameters, state.buffers, state.slots))


def _in_place(live: Assembly, packed: Sequence[Tensor], alive_L: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
    if live.compiled is not None:
        return live.compiled(live.state, packed, alive_L, batch)
    new, loss_L, keep_L = live.functional(live.state, packed, alive_L, batch)
    kept = keep_frozen(keep_L, live.groups, new, live.state)
    values = pytree.tree_leaves((kept.parameters, kept.buffers, kept.slots))
    # One launch for all of them, where copying one by one takes as many as there are tensors.
    torch._foreach_copy_(_leaves(live), values)
    return loss_L, keep_L
