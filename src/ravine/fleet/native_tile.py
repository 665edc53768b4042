"""A tile whose lanes run one after the other in native code, each through a whole block of steps."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.fleet.data import gather, size, slices
from ravine.fleet.gradients import stacked_metrics
from ravine.fleet.lanes import Lane
from ravine.fleet.native import (
    WORTH,
    Feed,
    Functions,
    LaneJob,
    LaneMemory,
    Place,
    Unsupported,
    Workspace,
    apart,
    evaluation,
    leaves,
    rows_at_a_time,
    run_lanes,
    scratch,
)
from ravine.fleet.stacking import split_state
from ravine.fleet.stepping import in_float32
from ravine.fleet.tiles import Tile, Training, weighted_mean
from ravine.tasks.functional import functional_call


@final
class NativeTile(Tile):
    """Lanes in flat memory: parameters laid end to end, then each optimiser slot in the same layout.

    No lane knows of another, so a lane that has ended costs nothing and the bits of the rest cannot change.

    Args:
        lanes: arranged lanes; of one seed if the model draws random numbers.
        models: seed -> objective, freshly built under that seed.
        training: what all tiles share.
        functions: native functions of the fleet.

    Raises:
        Unsupported: the model or a rule has no native code.
    """

    def __init__(self, lanes: Sequence[Lane], models: Mapping[int, nn.Module], training: Training, functions: Functions) -> None:
        super().__init__(lanes, training)
        for model in models.values():
            for name in training.support.unused:
                model.get_parameter(name).requires_grad_(False)
        self._module = models[self.lanes[0].seed].train()
        self._alive = np.ones(len(self.lanes), dtype=bool)
        self._library = functions
        self._functions = functions.gradient(example(training))
        self._names = [tuple(group.scalars(0, 1, training.horizon)) for group in self.groups]
        updates = [functions.update(group.rule, names, self._functions) for group, names in zip(self.groups, self._names, strict=True)]
        self._memory = self._lay_out({seed: split_state(model) for seed, model in models.items()})
        whole_data = training.batch_size >= size(training.train)
        self._space = Workspace(self._memory, self._functions, updates, gathers=not whole_data)
        self._feed = Feed(self._space, [len(names) for names in self._names], self._orders, training.horizon)
        self._jobs = [
            LaneJob(self._space, self._feed, Place(group.start + member, index, member, self.lanes[group.start + member].seed))
            for index, group in enumerate(self.groups)
            for member in range(group.size)
        ]

    def _lay_out(self, states: Mapping[int, tuple[Mapping[str, Tensor], Mapping[str, Tensor]]]) -> LaneMemory:
        """Memory of all lanes at their start."""
        rows = {seed: torch.cat([tensor.reshape(-1) for tensor in trainable.values()]) for seed, (trainable, _) in states.items()}
        parameters = torch.stack([rows[lane.seed] for lane in self.lanes])
        slots = []
        for group in self.groups:
            block = torch.zeros((group.size, len(group.rule.active_slots), parameters.shape[1]), dtype=parameters.dtype)
            for at, slot in enumerate(group.rule.active_slots):
                if slot.copies:
                    block[:, at] = parameters[group.start : group.stop]
                if slot.fill:
                    block[:, at] += torch.as_tensor(group.hypers[slot.fill], dtype=parameters.dtype)[:, None]
            slots.append(block)
        names = self._functions.state
        state = {name: torch.stack([states[lane.seed][1][name] for lane in self.lanes]).contiguous() for name in names}
        return LaneMemory(parameters, slots, state, leaves(self._training.train), self._training.batch_size)

    def run(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Tile.run`."""
        losses = np.full((num_steps, len(self.lanes)), np.nan, dtype=self._feed.losses.dtype)
        finite = np.zeros((num_steps, len(self.lanes)), dtype=bool)
        first = 0
        while first < num_steps:
            count = min(num_steps - first, self._feed.steps)
            self._fill(count)
            running = np.flatnonzero(self._alive)
            taken = run_lanes([self._jobs[position] for position in running], count)
            for position, steps in zip(running, taken, strict=True):
                # The step that failed has a loss.
                tried = min(count, steps + 1)
                losses[first : first + tried, position] = self._feed.losses[position, :tried]
                finite[first : first + steps, position] = True
            self._alive[running] = taken == count
            self.done += count
            first += count
        return in_float32(torch.from_numpy(losses)).numpy(), finite

    def _fill(self, count: int) -> None:
        """Hand the next steps their batches, scalars (cast last) and random numbers."""
        for group, block in zip(self.groups, self._feed.scalars, strict=True):
            for at, values in enumerate(group.scalars(self.done, count, self._training.horizon).values()):
                block[:, :count, at] = values.T
        for seed, order in self._orders.items():
            if self._space.gathers:
                self._feed.rows[seed][:count] = order.take(count)
        for offset in range(count if self._feed.draws else 0):
            self._seed_step(offset)
            for target, draw in zip(self._feed.draws, self._functions.draws, strict=True):
                target[offset] = draw.make()

    def freeze(self, position: int) -> None:
        """See `Tile.freeze`."""
        self._alive[position] = False

    def metrics(self, split: Any, rows: int) -> dict[str, np.ndarray]:
        """See `Tile.metrics`."""
        alive = np.flatnonzero(self._alive)
        if not len(alive):
            return self._nowhere(split)
        columns = self._native_metrics(split, alive)
        if columns is None:
            columns = self._torch_metrics(split, rows, alive)
        result = {name: np.full(len(self.lanes), np.nan) for name in columns}
        for name, column in columns.items():
            result[name][alive] = column
        return result

    def _native_metrics(self, split: Any, alive: np.ndarray) -> dict[str, np.ndarray] | None:
        """Means of the lanes that still run, in native code; None if it has none, or too little to do."""
        total = size(split)
        if total * self._functions.length < WORTH or self._training.support.evaluates_with_gradients:
            return None
        parts = []
        for piece, count in slices(pytree.tree_map(Tensor.contiguous, split), rows_at_a_time(total)):
            try:
                function = evaluation(self._library, piece)
            except Unsupported:
                return None
            memory, place = scratch(function.scratch_bytes)
            found = []
            for position in alive:
                state = [tensor[position] for tensor in self._memory.state.values()]
                found.append(function.evaluate(apart(self._memory.parameters[position], self._functions), state, piece, place))
            del memory
            parts.append(({name: torch.tensor([values[name] for values in found], dtype=torch.float64) for name in function.names}, count))
        return weighted_mean(parts)

    def _torch_metrics(self, split: Any, rows: int, alive: np.ndarray) -> dict[str, np.ndarray]:
        support = self._training.support
        self._module.eval()
        try:
            with torch.set_grad_enabled(support.evaluates_with_gradients):
                pieces = slices(split, rows, copy=support.writes_input)
                return weighted_mean([(self._evaluate(piece, alive), count) for piece, count in pieces])
        finally:
            self._module.train()

    def _nowhere(self, split: Any) -> dict[str, np.ndarray]:
        """Metrics of a tile without a lane that still runs: NaN under every name."""
        piece = pytree.tree_map(lambda leaf: leaf[:1], split)
        self._module.eval()
        with torch.no_grad():
            names = self._module(piece, evaluate=True)
        self._module.train()
        return {name: np.full(len(self.lanes), np.nan) for name in names}

    def _evaluate(self, piece: Any, alive: np.ndarray) -> dict[str, Tensor]:
        if self._training.support.stackable:
            places = torch.from_numpy(alive)
            whole = len(alive) == len(self.lanes)
            parameters, state = (
                {name: stack if whole else stack[places] for name, stack in part.items()} for part in (self._named(), self._memory.state)
            )
            return stacked_metrics(self._module)(parameters, dict(state), piece)
        found: list[dict[str, Tensor]] = []
        for position in alive:
            named = {name: stack[position] for part in (self._named(), self._memory.state) for name, stack in part.items()}
            found.append(functional_call(self._module, named, (piece,), {"evaluate": True}))
        return {name: torch.stack([values[name].detach() for values in found]) for name in found[0]}

    def _named(self) -> dict[str, Tensor]:
        """Parameters of all lanes as views: name -> (L, ...)."""
        flat, length = self._memory.parameters, len(self.lanes)
        offsets = self._functions.offsets
        return {name: flat[:, start : start + int(np.prod(shape))].view(length, *shape) for name, (start, shape) in offsets.items()}

    def parameters(self, position: int) -> dict[str, Tensor]:
        """See `Tile.parameters`."""
        unused = {name: self._memory.state[name] for name in sorted(self._training.support.unused)}
        return {name: stack[position].clone() for name, stack in (self._named() | unused).items()}

    def save(self) -> dict[str, Tensor]:
        """See `Tile.save`."""
        slots = {f"slots.{index}": block for index, block in enumerate(self._memory.slots)}
        state = {f"state.{name}": tensor for name, tensor in self._memory.state.items()}
        alive = torch.from_numpy(self._alive.copy())
        return {"done": torch.tensor(self.done), "alive": alive, "parameters": self._memory.parameters} | slots | state

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """See `Tile.restore`."""
        for name, tensor in self.save().items():
            tensor.copy_(saved[name])
        self._alive = saved["alive"].numpy().astype(bool).copy()
        self._go_to(int(saved["done"]))


def example(training: Training) -> Any:
    """A batch of the right shape."""
    count = size(training.train)
    if training.batch_size >= count:
        return training.train
    return gather(training.train, torch.arange(training.batch_size))
