"""A race on a surface: who enters, at which rates, and what came of it."""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ravine.base._checks import count, number
from ravine.base.errors import InputError
from ravine.fleet import Lane
from ravine.records.surfaces import SurfacePath, SurfaceRace, SurfaceView, TriedRate
from ravine.rules import registry
from ravine.schedules import Constant
from ravine.surfaces.functions import Point, Surface, create
from ravine.surfaces.measures import Measured, details, measure
from ravine.surfaces.paths import Walk
from ravine.surfaces.tuning import GRID, best_rate, sentence

STEPS = 200
MOST_POSITIONS = 20_000_000
"""Of all paths together, which hold 16 bytes each and are worked on in several copies."""

DRAWN = 221
"""Points along each side of the grid of heights."""

ALL = "all"
LABELS = "it draws labels from a model's output, and a surface has none"


@dataclass(frozen=True)
class Entrant:
    """An optimiser as it was entered.

    Attributes:
        label: what tables call it.
        rates: that are tried, ascending.
        settings: hypers by symbol and flags by name, without the rate.
    """

    label: str
    rates: tuple[float, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def lane(self, lane: int, rate: float, seed: int) -> Lane:
        """One lane of it."""
        rule, hypers = registry.resolve(_base(self.label), {**self.settings, "lr": rate})
        return Lane(lane, rule, hypers, Constant(), seed)


def race(
    surface: Surface | str,
    optimizers: Sequence[str] | Mapping[str, Mapping[str, Any]],
    *,
    lr: float | Sequence[float] | None = None,
    steps: int | None = None,
    start: Point | None = None,
    noise: float = 0.0,
    seeds: Sequence[int] = (0,),
) -> SurfaceRace:
    """Let optimisers race over a surface, in float64.

    Args:
        surface: what `create` returns, or a text for it: "rosenbrock", "ravine:condition=100", "x**2 + 3*y**2".
        optimizers: names, or ["all"]; or name -> settings by the rule's symbols, where "lr" is a rate of its own and a name may
            come again as "momentum#2".
        lr: one rate that all share, or the rates that each is tuned on; a grid of seven decades if None.
        steps: of each path; 200 if None.
        start: where paths begin; the surface's own place if None.
        noise: standard deviation of what is added to both entries of every gradient, the same for all optimisers.
        seeds: of the noise; a rate is chosen by the median over them.

    Returns:
        a path for every optimiser and seed, at its rate.

    Raises:
        InputError: an unknown name or setting, or a number out of range; all that is wrong with one argument in one sentence.

    Example:
        >>> found = race("bowl", {"sgd": {"lr": 1.0}}, steps=3)
        >>> found.paths[0].steps_to_minimum, found.paths[0].overshoot
        (1, 0.0)
    """
    surface = _placed(create(surface) if isinstance(surface, str) else surface, start)
    steps, noise = count("steps", STEPS if steps is None else steps), number("noise", noise, at_least=0, below=math.inf)
    seeds = _seeds(seeds)
    rates, left_out = _rates(lr), dict[str, str]()
    entrants = [_entrant(label, settings, rates) for label, settings in _entered(optimizers, left_out).items()]
    places = _places(entrants, len(seeds))
    total = sum(map(np.size, places))
    if (steps + 1) * total > MOST_POSITIONS:
        given = f"{steps:,} steps of {total:,} paths (optimisers x rates x seeds) have {steps * total:,} positions"
        raise InputError(f"{given}: at most {MOST_POSITIONS:,}. Take fewer steps, optimisers or rates.", given=steps)
    lanes = [entrant.lane(0, rate, seed) for entrant in entrants for rate in entrant.rates for seed in seeds]
    found = measure(surface, Walk(surface, steps, noise).positions(lanes), floor=_lowest(surface), is_noisy=noise > 0)
    is_tuned = any(len(entrant.rates) > 1 for entrant in entrants)
    paths = [
        path
        for entrant, own in zip(entrants, places, strict=True)
        for path in _chosen(surface, entrant, own, found, seeds, is_noisy=noise > 0)
    ]
    grid = rates if is_tuned else tuple(sorted({path.lr for path in paths}))
    shown = sentence(surface, grid, steps, is_tuned=is_tuned, is_noisy=noise > 0)
    tried = tuple(_tried(entrant, own, found, seeds) for entrant, own in zip(entrants, places, strict=True))
    every = tuple(row for rows in tried for row in rows)
    return SurfaceRace(_view(surface, found.floor), tuple(paths), every, steps, noise, is_tuned, grid, shown, left_out)


def _placed(surface: Surface, start: Point | None) -> Surface:
    return surface if start is None else dataclasses.replace(surface, start=(float(start[0]), float(start[1])))


def _seeds(given: Sequence[int]) -> tuple[int, ...]:
    if isinstance(given, int) or not isinstance(given, Iterable) or not given:
        raise InputError(f"seeds={given!r}: must be a list of whole numbers. Write it like (0, 1, 2).", given=given)
    found = tuple(count("seed", seed, at_least=0) for seed in given)
    if len(set(found)) < len(found):
        raise InputError(f"seeds={given!r}: each must be there once. Leave the repeats out.", given=given)
    return found


def _rates(lr: float | Sequence[float] | None) -> tuple[float, ...]:
    if lr is None:
        return GRID
    given: tuple[object, ...] = tuple(lr) if isinstance(lr, Iterable) else (lr,)
    found = sorted({number("lr", rate, above=0, below=math.inf, do="Leave it out to tune each optimiser.") for rate in given})
    if not found:
        raise InputError("lr=[]: must hold at least one rate. Leave it out to tune each optimiser.", given=lr)
    return tuple(found)


def _entered(optimizers: Sequence[str] | Mapping[str, Mapping[str, Any]], left_out: dict[str, str]) -> dict[str, Mapping[str, Any]]:
    """Settings by label; `left_out` is told why one of "all" is missing."""
    if isinstance(optimizers, str) or not isinstance(optimizers, Iterable) or not optimizers:
        offered = repr(optimizers.split(",")) if isinstance(optimizers, str) and optimizers else "['sgd', 'adam']"
        raise InputError(f"optimizers={optimizers!r}: must be a list of names. Write {offered}.", given=optimizers)
    if isinstance(optimizers, Mapping):
        return {label: dict(settings) for label, settings in optimizers.items()}
    listed = list(optimizers)
    if listed == [ALL]:
        left_out.update({name: LABELS for name in registry.names() if _needs_labels(name, {})})
        listed = [name for name in registry.names() if name not in left_out]
    if ALL in listed:
        raise InputError(f"optimizers={listed!r}: 'all' stands for every name, and alone. Leave the others out.", given=listed)
    repeated = next((name for place, name in enumerate(listed) if name in listed[:place]), None)
    if repeated is not None:
        raise InputError(f"{repeated!r} is entered twice: each optimiser runs one path. Leave one out.", given=repeated)
    return {name: {} for name in listed}


def _entrant(label: str, settings: Mapping[str, Any], rates: tuple[float, ...]) -> Entrant:
    """Checked, so that what is wrong is told before anything runs."""
    own = dict(settings)
    if "lr" in own:
        rates = (number("lr", own.pop("lr"), above=0, below=math.inf, where=repr(label)),)
    registry.resolve(_base(label), own)
    if _needs_labels(_base(label), own):
        raise InputError(f"{label!r} cannot run on a surface: {LABELS}. Leave it out, or take 'sophia_h'.", given=label)
    return Entrant(label, rates, own)


def _base(label: str) -> str:
    return label.partition("#")[0] if isinstance(label, str) else label


def _needs_labels(name: str, settings: Mapping[str, Any]) -> bool:
    return "labels" in registry.resolve(name, settings)[0].needs


def _places(entrants: Sequence[Entrant], num_seeds: int) -> list[np.ndarray]:
    """Of each entrant's lanes, (rates, seeds)."""
    found, first = [], 0
    for entrant in entrants:
        last = first + len(entrant.rates) * num_seeds
        found.append(np.arange(first, last).reshape(len(entrant.rates), num_seeds))
        first = last
    return found


def _chosen(
    surface: Surface, entrant: Entrant, places: np.ndarray, found: Measured, seeds: Sequence[int], *, is_noisy: bool
) -> list[SurfacePath]:
    """An entrant's paths at the rate that it is shown at."""
    best = best_rate(found, places, is_noisy=is_noisy)
    is_edge = len(entrant.rates) > 1 and best in (0, len(entrant.rates) - 1)
    return [
        SurfacePath(
            entrant.label,
            entrant.rates[best],
            seed,
            found.positions[:, place],
            found.heights[:, place],
            **details(surface, found, place),
            at_grid_edge=is_edge,
        )
        for seed, place in zip(seeds, places[best], strict=True)
    ]


def _tried(entrant: Entrant, places: np.ndarray, found: Measured, seeds: Sequence[int]) -> list[TriedRate]:
    rows = []
    for rate, own in zip(entrant.rates, places, strict=True):
        for seed, place in zip(seeds, own, strict=True):
            steps, lost = found.arrived[place], int(found.diverged_at[place])
            height = None if lost else float(found.final_heights[place])
            rows.append(TriedRate(entrant.label, rate, seed, int(steps) if math.isfinite(steps) else None, height, lost or None))
    return rows


def _lowest(surface: Surface) -> float | None:
    """The lowest height that is drawn, from which heights are counted where no minimum is known."""
    if surface.minima:
        return None
    heights = surface(_grid(surface)[2])
    return float(np.min(heights[np.isfinite(heights)], initial=math.inf)) if np.isfinite(heights).any() else None


def _grid(surface: Surface) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x, y = (np.linspace(low, high, DRAWN) for low, high in surface.domain)
    return x, y, np.stack(np.meshgrid(x, y), axis=-1)


def _view(surface: Surface, floor: float) -> SurfaceView:
    x, y, points = _grid(surface)
    heights = surface(points) - floor
    return SurfaceView(
        surface.name, surface.formula.text, surface.domain, surface.minima, surface.start, surface.tolerance, floor, x, y, heights
    )
