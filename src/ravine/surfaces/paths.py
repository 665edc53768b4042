"""Paths over a surface: a fleet whose model is two numbers, stepped together in float64, every position kept.

The step is the fleet's own (`ravine.fleet.tracing.functional_step`), so a path runs the one text of its rule. Lanes that
have come to no number leave the stack. T steps, L lanes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from ravine.base._seeds import derive
from ravine.fleet.assembly import Assembly, take
from ravine.fleet.lanes import Lane, group_lanes
from ravine.fleet.memory import Footprint
from ravine.fleet.stacking import Replicas, Stack, stack_models
from ravine.fleet.stepping import evaluated
from ravine.fleet.support import Support
from ravine.fleet.tiles import Training
from ravine.fleet.tracing import functional_step, unpack
from ravine.surfaces.curvature import PlaneCurvature
from ravine.surfaces.functions import Surface
from ravine.tasks.kinds import parameter_kinds

BLOCK = 16
"""Steps between two looks at which lanes have ended."""

POSITION = "position"


class Position(nn.Module):
    """The model: a place on a surface, and its height there plus the slope that noise adds.

    Args:
        surface: gives height and start.
    """

    def __init__(self, surface: Surface) -> None:
        super().__init__()
        self._formula = surface.formula
        self.position = nn.Parameter(torch.tensor(surface.start, dtype=torch.float64))

    def forward(self, noise: Tensor) -> Tensor:
        """The loss at its own position."""
        return self.loss(self.position, noise)

    def loss(self, positions: Tensor, noise: Tensor) -> Tensor:
        """Heights (...) at positions (..., 2), plus noise times position: what that adds to the gradient is the noise itself."""
        return self.heights(positions) + (noise * positions).sum(-1)

    def heights(self, positions: Tensor) -> Tensor:
        """Heights (...) at positions (..., 2)."""
        return self._formula(positions[..., 0], positions[..., 1])

    def gradient(self, parameters: Stack, buffers: Stack, noise: Tensor) -> tuple[Stack, Tensor, Stack]:
        """See `StackedGradient`: lanes are elements of one tensor here, which costs a fifth of stacking modules."""
        with torch.enable_grad():
            positions = parameters[POSITION].detach().requires_grad_()
            loss_L = self.loss(positions, noise)
            (found,) = torch.autograd.grad(loss_L.sum(), positions)
        return {POSITION: found}, loss_L.detach(), buffers


@dataclass(frozen=True)
class Walk:
    """How paths are run.

    Attributes:
        surface: what they go over, and from where.
        steps: of each.
        noise: standard deviation of what is added to both entries of every gradient.
    """

    surface: Surface
    steps: int
    noise: float = 0.0

    def positions(self, lanes: Sequence[Lane]) -> np.ndarray:
        """Every lane's position before the first step and after each, (T + 1, L, 2); NaN where a lane has come to no number.

        Weights that a rule averages are shown where it averages: the path is that of the weights one would keep.

        Args:
            lanes: any order.
        """
        order = sorted(range(len(lanes)), key=lambda place: (lanes[place].rule.key, place))
        stack = _Stack(self, [lanes[place] for place in order])
        found = np.full((self.steps + 1, len(lanes), 2), np.nan)
        found[0] = self.surface.start
        for first in range(0, self.steps, BLOCK):
            stack.shrink()
            if not stack.members:
                break
            block = stack.run(min(BLOCK, self.steps - first))
            found[first + 1 : first + 1 + len(block), [order[member] for member in stack.members]] = block
        return found


@dataclass
class _Stack:
    """Lanes that step together.

    Attributes:
        walk: how.
        lanes: arranged by rule.
        members: those still in the stack, by place among `lanes`.
    """

    walk: Walk
    lanes: Sequence[Lane]
    members: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._model = Position(self.walk.surface)
        self._kinds = parameter_kinds(self._model)
        self._training = Training(
            train=torch.zeros(1, 2, dtype=torch.float64),
            batch_size=1,
            horizon=self.walk.steps,
            race_seed=0,
            support=Support(stackable=True, reason="", draws_random=False, footprint=Footprint(0, 0, 0, 0, 1)),
        )
        self._done = 0
        self._noise = {seed: self._draws(seed) for seed in sorted({lane.seed for lane in self.lanes})}
        self.members = list(range(len(self.lanes)))
        state = stack_models(self.lanes, group_lanes(self.lanes), dict.fromkeys(self._noise, self._model))
        self._assembly = self._assembled(state, torch.ones(len(self.lanes), dtype=torch.bool))

    def shrink(self) -> None:
        """Lanes that have ended leave the stack."""
        old = self._assembly
        if bool(old.alive_L.all()):
            return
        places = old.alive_L.nonzero().flatten().tolist()
        self.members = [self.members[place] for place in places]
        if self.members:
            self._assembly = self._assembled(take(old.groups, old.state, places), old.alive_L[places])

    def run(self, count: int) -> np.ndarray:
        """Positions after each of the next steps, (count, members, 2)."""
        assembly, horizon = self._assembly, self.walk.steps
        scalars = [group.scalars(self._done, count, horizon) for group in assembly.groups]
        packed = [torch.from_numpy(np.stack(list(values.values()), axis=1)) for values in scalars]
        batches = self._batches(count)
        found = []
        with torch.no_grad():
            for offset in range(count):
                assembly.advance([block[offset] for block in packed], batches[offset], self._done + offset + 1)
                kept = self._kept(scalars, packed, offset)
                found.append(torch.where(assembly.alive_L[:, None], kept, torch.nan))
        self._done += count
        return torch.stack(found).numpy()

    def _kept(self, scalars: Sequence[Mapping[str, np.ndarray]], packed: Sequence[Tensor], offset: int) -> Tensor:
        """The weights that each lane would keep now."""
        assembly = self._assembly
        if not any(group.rule.is_averaging for group in assembly.groups):
            return assembly.state.parameters[POSITION]
        values = unpack([tuple(names) for names in scalars], [block[offset] for block in packed])
        return evaluated(assembly.groups, assembly.state, values, self._kinds)[POSITION]

    def _draws(self, seed: int) -> Tensor:
        """Noise of every step, (T, 2), the same for every optimiser of a seed."""
        stream = np.random.Generator(np.random.PCG64(derive(seed, "surface noise")))
        return torch.from_numpy(self.walk.noise * stream.standard_normal((self.walk.steps, 2)))

    def _batches(self, count: int) -> Tensor:
        """What lanes read at each of the next steps, (count, 2), or (count, members, 2) where they have several seeds."""
        rows = slice(self._done, self._done + count)
        if len(self._noise) == 1:
            return next(iter(self._noise.values()))[rows]
        return torch.stack([self._noise[self.lanes[member].seed][rows] for member in self.members], dim=1)

    def _assembled(self, state: Replicas, alive_L: Tensor) -> Assembly:
        lanes = [self.lanes[member] for member in self.members]
        groups, shares = group_lanes(lanes), len(self._noise) == 1
        names = [tuple(group.scalars(0, 1, self.walk.steps)) for group in groups]
        curvature = PlaneCurvature(self._model.heights, POSITION, lanes, self._training)
        step = functional_step(self._model.gradient, groups, names, self._kinds, shares_batch=shares, curvature=curvature)
        return Assembly(tuple(self.members), groups, state, alive_L, step)
