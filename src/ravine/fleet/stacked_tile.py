"""A tile whose lanes are stacked: one call computes every lane's loss, gradient and update."""

import time
from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.fleet.assembly import Assembly, join, same_bits, take
from ravine.fleet.compaction import PROOF_STEPS, Compactor, Proof, Trial, shape_of
from ravine.fleet.curvature import StackedCurvature
from ravine.fleet.data import duplicate, gather, rewrap, size, slices
from ravine.fleet.devices import send
from ravine.fleet.gradients import stacked_gradient, stacked_metrics
from ravine.fleet.graphs import Recorder
from ravine.fleet.lanes import Group, Lane, group_lanes
from ravine.fleet.stacking import Replicas, compute_dtype, stack_models
from ravine.fleet.stepping import evaluated, in_float32
from ravine.fleet.tiles import Tile, Training, weighted_mean
from ravine.fleet.tracing import Step, compile_step, functional_step, unpack
from ravine.tasks.kinds import parameter_kinds


@final
class StackedTile(Tile):
    """Lanes as a leading dimension.

    Lanes that have ended leave the stack when enough of them have (`ravine.fleet.compaction`); their positions, their
    last finite state and everything that callers see stay as they are.

    Args:
        lanes: arranged lanes; of one seed if the model draws random numbers.
        models: seed -> objective, freshly built under that seed.
        training: what all tiles share.
    """

    def __init__(self, lanes: Sequence[Lane], models: Mapping[int, nn.Module], training: Training) -> None:
        super().__init__(lanes, training)
        for model in models.values():
            for name in training.support.unused:
                model.get_parameter(name).requires_grad_(False)
        self._module = models[self.lanes[0].seed].train()
        self._kinds = parameter_kinds(self._module)
        self._gradient = stacked_gradient(self._module, shared_batch=self.shares_batch)
        state = stack_models(self.lanes, self.groups, models)
        self._dtype = reduce(torch.promote_types, (compute_dtype(p) for p in state.parameters.values()), torch.float32)
        self._live = self._assemble(
            tuple(range(len(self.lanes))), state, torch.ones(len(self.lanes), dtype=torch.bool, device=self._device)
        )
        self._parked: list[tuple[tuple[int, ...], Replicas]] = []
        self._trial: Trial | None = None
        self._compactor = Compactor(self.groups)
        self._proofs: dict[int, Proof] = {}
        self._known: dict[Any, Step] = {}
        self._step_seconds = 0.0
        self._recorder = Recorder(training) if self._device.type == "cuda" else None

    @property
    def state(self) -> Replicas:
        """Parameters, buffers and slots of all lanes; a copy once lanes have left the stack."""
        live = self._live
        return join(self.lanes, [*self._parked, (live.positions, live.state)]) if self._parked else live.state

    @state.setter
    def state(self, state: Replicas) -> None:
        """Replace the state of all lanes; every lane is stacked again."""
        alive_L = self._alive_L
        if self._parked:
            self._live, self._parked = self._assemble(tuple(range(len(self.lanes))), state, alive_L), []
            self._live.compiled = self._known.get((shape_of(self.groups), self.shares_batch))
        self._live.state, self._trial = state, None

    @property
    def weights(self) -> dict[str, Tensor]:
        """The weights at which lanes are evaluated, of all lanes: those that are trained, unless a rule says otherwise."""
        return self._weights(self.groups, self.state)

    @property
    def _alive_L(self) -> Tensor:
        """Lanes that still change, bool, for every lane of the tile."""
        alive_L = torch.zeros(len(self.lanes), dtype=torch.bool, device=self._device)
        alive_L[list(self._live.positions)] = self._live.alive_L
        return alive_L

    @_alive_L.setter
    def _alive_L(self, alive_L: Tensor) -> None:
        self._live.alive_L, self._trial = alive_L[list(self._live.positions)], None

    def compile(self, known: dict[Any, Step]) -> float:
        """Replace the eager step by a compiled one.

        Args:
            known: compiled steps of earlier tiles by signature; used and extended.

        Returns:
            Seconds spent; 0 if a step for the same shapes was known.
        """
        self._known = known
        return self._compile(self._live)

    def run(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """See `Tile.run`."""
        losses = np.full((num_steps, len(self.lanes)), np.nan, dtype=np.float32)
        finite = np.zeros((num_steps, len(self.lanes)), dtype=bool)
        first = 0
        while first < num_steps:
            if not bool(self._live.alive_L.any()):
                self.done += num_steps - first
                break
            self._compact()
            count = num_steps - first if self._trial is None else min(self._trial.proof.missing, num_steps - first)
            columns = list(self._live.positions)
            losses[first : first + count, columns], finite[first : first + count, columns] = self._segment(count)
            first += count
        return losses, finite

    def _segment(self, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
        """Steps of the lanes in the stack, and beside them those of a smaller stack on trial."""
        started, live, trial = time.perf_counter(), self._live, self._trial
        losses, finite, second = [], [], []
        scalars, rows = self._scalars(live, num_steps), self._rows(num_steps, live.positions)
        recorded = self._recorder.step(live, scalars, rows) if self._recorder and trial is None else None
        if recorded is not None:
            losses_TL, finite_TL = recorded.run(scalars, rows, self._seed_step)
            result = losses_TL.cpu().numpy(), finite_TL.cpu().numpy()
            self.done += num_steps
            self._step_seconds = (time.perf_counter() - started) / num_steps
            return result
        others = self._scalars(trial.small, num_steps) if trial else []
        with torch.no_grad():
            for offset, batch in enumerate(self._each(rows, num_steps)):
                spare = self._for_trial(trial, batch) if trial else None
                losses.append(live.advance([block[offset] for block in scalars], batch, self.done + offset + 1))
                finite.append(live.alive_L)
                if trial:
                    self._seed_step(offset)
                    second.append(trial.small.advance([block[offset] for block in others], spare, self.done + offset + 1))
        self.done += num_steps
        result = in_float32(torch.stack(losses)).cpu().numpy(), torch.stack(finite).cpu().numpy()
        if trial is None:
            self._step_seconds = (time.perf_counter() - started) / num_steps
        else:
            self._judge(trial, agrees=trial.agrees(live, losses, second), num_steps=num_steps)
        return result

    @property
    def remark(self) -> str:
        """See `Tile.remark`."""
        reason = self._recorder.reason if self._recorder else ""
        return f"steps are launched kernel by kernel, which is slower than a CUDA graph: {reason}" if reason else ""

    def freeze(self, position: int) -> None:
        """See `Tile.freeze`."""
        for assembly in (self._live, *([self._trial.small] if self._trial else [])):
            assembly.freeze(position)

    def metrics(self, split: Any, rows: int) -> dict[str, np.ndarray]:
        """See `Tile.metrics`."""
        self._module.eval()
        try:
            with torch.no_grad():
                pieces = slices(split, rows, copy=self._training.support.writes_input)
                means = weighted_mean([(self._evaluate(piece), count) for piece, count in pieces])
        finally:
            self._module.train()
        return {name: self._at_positions(column) for name, column in means.items()}

    def _at_positions(self, column: np.ndarray) -> np.ndarray:
        result = np.full(len(self.lanes), np.nan)
        result[list(self._live.positions)] = column
        return result

    def parameters(self, position: int) -> dict[str, Tensor]:
        """See `Tile.parameters`."""
        positions, state = next(
            (held, state) for held, state in [(self._live.positions, self._live.state), *self._parked] if position in held
        )
        unused = {name: state.buffers[name] for name in sorted(self._training.support.unused)}
        return {name: stack[positions.index(position)].clone() for name, stack in (state.parameters | unused).items()}

    def save(self) -> dict[str, Tensor]:
        """See `Tile.save`."""
        return {"done": torch.tensor(self.done), "alive": self._alive_L} | _named(self.state)

    def restore(self, saved: Mapping[str, Tensor]) -> None:
        """See `Tile.restore`."""
        self.state = self.state
        for name, tensor in _named(self.state).items():
            tensor.copy_(saved[name])
        self._alive_L = saved["alive"].to(self._device, copy=True)
        self._go_to(int(saved["done"]))

    def _compact(self) -> None:
        """Put a smaller stack on trial, where enough lanes have ended."""
        live = self._live
        if self._trial is not None or bool(live.alive_L.all()):
            return
        if live.compiled is None:
            places = self._compactor.plain(live)
        else:
            known = [shape for shape, shares_batch in self._known if shares_batch == self.shares_batch]
            places = self._compactor.compiled(live, known, self._step_seconds, self._training.horizon - self.done)
        if places is None:
            return
        positions = tuple(live.positions[place] for place in places)
        small = self._assemble(positions, take(live.groups, live.state, places), live.alive_L[places])
        try:
            if live.compiled is not None:
                self._compile(small)
        except Exception:  # a compiler that fails on one shape must not end the run: the stack stays as it is
            self._compactor.refuse(small)
            return
        self._trial = Trial(small)

    def _judge(self, trial: Trial, *, agrees: bool, num_steps: int) -> None:
        trial.proof.add(agrees, num_steps)
        if trial.proof.has_failed:
            self._trial = None
            self._compactor.refuse(trial.small)
        elif trial.proof.is_complete:
            old, self._live, self._trial, self._proofs = self._live, trial.small, None, {}
            places = [place for place, position in enumerate(old.positions) if position not in trial.small.positions]
            self._parked.append((tuple(old.positions[place] for place in places), take(old.groups, old.state, places)))

    def _assemble(self, positions: tuple[int, ...], state: Replicas, alive_L: Tensor) -> Assembly:
        groups = group_lanes([self.lanes[position] for position in positions])
        names = [tuple(group.scalars(0, 1, self._training.horizon)) for group in groups]
        lanes = [self.lanes[position] for position in positions]
        curvature = StackedCurvature(self._module, lanes, self._training, shares_batch=self.shares_batch)
        step = functional_step(self._gradient, groups, names, self._kinds, shares_batch=self.shares_batch, curvature=curvature)
        return Assembly(positions, groups, state, alive_L, step)

    def _compile(self, assembly: Assembly) -> float:
        signature = (shape_of(assembly.groups), self.shares_batch)
        seconds = 0.0
        if signature not in self._known:
            packed = [block[0] for block in self._scalars(assembly, 1)]
            example = (packed, assembly.alive_L, self._peek(len(assembly.positions)))
            self._known[signature], seconds = compile_step(assembly.functional, assembly.groups, assembly.state, example)
        assembly.compiled = self._known[signature]
        return seconds

    def _evaluate(self, piece: Any) -> dict[str, Tensor]:
        """Metrics of the lanes in the stack; a smaller stack must give the bits of the whole one here as well."""
        evaluate, live = stacked_metrics(self._module), self._live
        proof = self._proofs.setdefault(size(piece), Proof()) if self._parked else Proof(PROOF_STEPS)
        if proof.is_complete:
            return evaluate(self._weights(live.groups, live.state), live.state.buffers, piece)
        # A plain piece is read in place twice: a copy might begin elsewhere in a cache line, and give other bits.
        spare, whole = duplicate(piece) if self._training.support.writes_input else piece, self.state
        found = evaluate(self._weights(self.groups, whole), whole.buffers, spare)
        values = {name: column[list(live.positions)] for name, column in found.items()}
        if not proof.has_failed:
            others = evaluate(self._weights(live.groups, live.state), live.state.buffers, piece)
            proof.add(all(same_bits(values[name], others[name]) for name in values))
        return values

    def _weights(self, groups: Sequence[Group], state: Replicas) -> dict[str, Tensor]:
        """The weights at which lanes are evaluated."""
        if not any(group.rule.is_averaging for group in groups):
            return state.parameters
        own = [group.scalars(max(0, self.done - 1), 1, self._training.horizon) for group in groups]
        blocks = [send(torch.from_numpy(np.concatenate(list(values.values()))), self._device, self._dtype) for values in own]
        return evaluated(groups, state, unpack([tuple(values) for values in own], blocks), self._kinds)

    def _scalars(self, assembly: Assembly, num_steps: int) -> list[Tensor]:
        """For each group its scalars for the next steps: (steps, scalars, lanes), cast last."""
        return [
            send(
                torch.from_numpy(np.stack(list(group.scalars(self.done, num_steps, self._training.horizon).values()), axis=1)),
                self._device,
                self._dtype,
            )
            for group in assembly.groups
        ]

    def _for_trial(self, trial: Trial, batch: Any) -> Any:
        """What the lanes of the smaller stack read of a batch that is not used yet."""
        if self.shares_batch:
            return duplicate(batch) if self._training.support.writes_input else rewrap(batch)
        places = torch.tensor([self._live.positions.index(position) for position in trial.small.positions], device=self._device)
        return pytree.tree_map(lambda leaf: leaf.index_select(0, places), batch)

    def _peek(self, num_lanes: int | None = None) -> Any:
        """A batch of the right shape that does not advance the order of batches."""
        train, rows = self._training.train, self._training.batch_size
        if rows >= size(train):
            return train
        shape = (rows,) if self.shares_batch else (len(self.lanes) if num_lanes is None else num_lanes, rows)
        return gather(train, torch.zeros(shape, dtype=torch.int64, device=self._device))


def _named(state: Replicas) -> dict[str, Tensor]:
    slots = {
        f"slot.{index}.{symbol}.{name}": tensor
        for index, held in enumerate(state.slots)
        for symbol, stack in held.items()
        for name, tensor in stack.items()
    }
    parameters = {f"parameter.{name}": tensor for name, tensor in state.parameters.items()}
    return parameters | {f"buffer.{name}": tensor for name, tensor in state.buffers.items()} | slots
