"""What goes on inside lanes at a step: predictions, norms of gradient, update and moments; looking changes no bit of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import vmap

from ravine.base._seeds import derive
from ravine.fleet import Fleet
from ravine.fleet.data import BatchOrder, duplicate, gather, rewrap, size
from ravine.fleet.gradients import single_gradient, stacked_gradient
from ravine.fleet.lanes import Group
from ravine.fleet.stacked_tile import StackedTile
from ravine.fleet.stacking import Stack
from ravine.fleet.tile_run import quiet_threads
from ravine.fleet.tiles import Tile, seed_streams
from ravine.lab.curves import Subject
from ravine.tasks.functional import functional_call

FIRST_MOMENTS = ("exp_avg", "momentum_buffer")
SECOND_MOMENTS = ("exp_avg_sq", "square_avg", "sum", "exp_inf", "max_exp_avg_sq")
"""torch's names of the slots that hold them, the first that a rule has."""

INSIDE = ("gradient_norm", "update_norm", "m_norm", "v_norm", "effective_lr", "lr")
MODEL = "model."


@dataclass(slots=True)
class Look:
    """Lanes after a step.

    Attributes:
        step: the step.
        predictions: (L, G) float32.
        inside: name of `INSIDE` -> (L,) float64; NaN where there is no such thing.
    """

    step: int
    predictions: np.ndarray
    inside: dict[str, np.ndarray] = field(default_factory=dict)


def nothing_seen(step: int, num_lanes: int, points: int) -> Look:
    """A look that shows nothing yet."""
    return Look(step, np.full((num_lanes, points), np.nan, dtype=np.float32), {name: np.full(num_lanes, np.nan) for name in INSIDE})


class Spy:
    """Looks into one tile.

    Args:
        tile: whose lanes.
        fleet: that made it.
        subject: what is drawn.
    """

    def __init__(self, tile: Tile, fleet: Fleet, subject: Subject) -> None:
        self._tile, self._fleet, self._subject = tile, fleet, subject
        with quiet_threads():
            self._objective = fleet.model(tile.lanes[0].seed)
        self._stacked = tile if isinstance(tile, StackedTile) else None
        self._gradient = stacked_gradient(self._objective.train(), shared_batch=True) if self._stacked else None
        self._order = BatchOrder(size(fleet.train), fleet.batch_size, derive(fleet.race_seed, tile.lanes[0].seed, "order"))
        self._at = 0

    def look(self, step: int) -> Look:
        """The lanes as they are: predictions and moments."""
        with quiet_threads(), torch.no_grad():
            found = nothing_seen(step, len(self._tile.lanes), 0 if self._subject.grid is None else len(self._subject.grid))
            if self._subject.grid is not None:
                found.predictions[:] = self._subject.y.shown(self._predictions(self._subject.grid)).float().numpy()
            found.inside |= self._moments()
            return found

    def watched(self, count: int) -> tuple[np.ndarray, np.ndarray, Look]:
        """Take steps, and look at the last one: what `Tile.run` returns, and the look."""
        tile, losses, finite = self._tile, [], []
        if count > 1:
            block, flags = tile.run(count - 1)
            losses.append(block)
            finite.append(flags)
        before, step = self._parameters(), tile.done
        gradient = self._gradient_norms(before, step)
        block, flags = tile.run(1)
        after = self._parameters()
        update = _norms({name: after[name] - before[name] for name in before}, len(tile.lanes))
        found = self.look(tile.done)
        with np.errstate(all="ignore"):
            effective = np.where(gradient > 0, update / gradient, np.nan)
        rates = np.concatenate([np.broadcast_to(_rates(group, step, self._horizon), (group.size,)) for group in tile.groups])
        found.inside |= {"gradient_norm": gradient, "update_norm": update, "effective_lr": effective, "lr": rates}
        return np.concatenate([*losses, block]), np.concatenate([*finite, flags]), found

    @property
    def _horizon(self) -> int:
        return self._tile._training.horizon

    def _parameters(self) -> Stack:
        """Trained parameters of all lanes, copies that the next step leaves alone."""
        if self._stacked is not None:
            return {name: stack.clone() for name, stack in self._stacked.state.parameters.items()}
        lanes = [self._tile.parameters(position) for position in range(len(self._tile.lanes))]
        return {name: torch.stack([lane[name] for lane in lanes]) for name in lanes[0]}

    def _gradient_norms(self, parameters: Stack, step: int) -> np.ndarray:
        """Norm of the gradient that the step after `step` steps takes, of every lane."""
        fleet, support = self._fleet, self._fleet.support
        self._order.skip(step - self._at)
        self._at = step + 1
        if self._order.is_full_batch:
            batch = duplicate(fleet.train) if support.writes_input else rewrap(fleet.train)
        else:
            batch = gather(fleet.train, self._order.take(1)[0])
        if support.draws_random:
            seed_streams(derive(fleet.race_seed, self._tile.lanes[0].seed, "dropout") + step, fleet.device)
        if self._stacked is not None and self._gradient is not None:
            with torch.no_grad():
                gradients, _, _ = self._gradient(parameters, self._stacked.state.buffers, batch)
            return _norms(gradients, len(self._tile.lanes))
        return self._single_norm(parameters, batch)

    def _single_norm(self, parameters: Stack, batch: object) -> np.ndarray:
        named = {name: p for name, p in self._objective.train().named_parameters() if name in parameters}
        with torch.no_grad():
            for name, p in named.items():
                p.copy_(parameters[name][0])
        found, _ = single_gradient(self._objective, list(named.values()), batch, accumulate=self._fleet.support.accumulates)
        return _norms({str(place): g[None] for place, g in enumerate(found) if g is not None}, 1)

    def _predictions(self, grid: Tensor) -> Tensor:
        """Outputs of every lane on the grid, (L, G)."""
        assert self._stacked is not None, "curves are fitted by networks that can be stacked"
        model = cast(nn.Module, self._objective.model).eval()
        weights = {name.removeprefix(MODEL): stack for name, stack in self._stacked.weights.items()}
        return vmap(lambda own: functional_call(model, own, (grid,)))(weights)[:, :, 0]  # type: ignore[no-any-return]

    def _moments(self) -> dict[str, np.ndarray]:
        found = {name: np.full(len(self._tile.lanes), np.nan) for name in ("m_norm", "v_norm")}
        for index, group in enumerate(self._tile.groups):
            for name, keys in (("m_norm", FIRST_MOMENTS), ("v_norm", SECOND_MOMENTS)):
                symbol = next((slot.symbol for key in keys for slot in group.rule.active_slots if slot.key == key), None)
                if symbol is not None:
                    found[name][group.start : group.stop] = self._slot_norms(index, symbol, group.size)
        return found

    def _slot_norms(self, group: int, symbol: str, lanes: int) -> np.ndarray:
        if self._stacked is not None:
            return _norms(self._stacked.state.slots[group].get(symbol, {}), lanes)
        held = {name: tensor[None] for name, tensor in self._tile.save().items() if name.endswith(f".slot.{symbol}")}
        return _norms(held, 1)


def _norms(tensors: Mapping[str, Tensor], lanes: int) -> np.ndarray:
    """Norm of every lane's tensors together, (lanes,) float64; NaN where there are none."""
    if not tensors:
        return np.full(lanes, np.nan)
    squares = [tensor.detach().double().reshape(lanes, -1).square().sum(1) for tensor in tensors.values()]
    return torch.stack(squares).sum(0).sqrt().cpu().numpy()


def _rates(group: Group, step: int, horizon: int) -> np.ndarray:
    return np.asarray(group.hypers_at(np.arange(step, step + 1), horizon).lr).reshape(-1)
