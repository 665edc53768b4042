"""The learning-rate range test over several seeds at once.

References:
    Smith (2017), Cyclical learning rates for training neural networks, arXiv:1506.01186, section 3.3.
"""

import numpy as np

from ravine.base._checks import count, number
from ravine.base.errors import InputError
from ravine.doctor import trials
from ravine.doctor.curves import Ramp, ramp, smoothed
from ravine.fleet import Fleet
from ravine.records.sweeps import RangeTest
from ravine.rules import get
from ravine.schedules import create
from ravine.tasks import Task

BELOW, ABOVE = 1e-4, 1e3
"""The ramp, relative to the centre of the optimiser's own search."""
QUIET = 0.1
"""Share of the steps, the first, whose rates are taken to do nothing."""
FEWEST, USUAL = 50, 200
"""Steps."""


def range_test(
    task: Task,
    *,
    optimizer: str = "adamw",
    seeds: int = 3,
    steps: int | None = None,
    from_lr: float | None = None,
    to_lr: float | None = None,
    race_seed: int = 0,
) -> RangeTest:
    """Raise the rate exponentially from step to step, on several seeds side by side.

    Args:
        task: what is trained.
        optimizer: registry name.
        seeds: lanes.
        steps: of the ramp; 200 if None.
        from_lr: first rate; 4 decades below the optimiser's usual rate if None.
        to_lr: last rate; 3 decades above it if None.
        race_seed: seed of everything random.

    Raises:
        InputError: a value outside its interval.
        TaskError, DataError: the task cannot be trained.
    """
    usual = get(optimizer).search_lr
    count("seeds", seeds, at_most=64, do="3 to 5 show the spread.")
    length = USUAL if steps is None else count("steps", steps, at_least=FEWEST, do="The loss must have time to follow the rate.")
    low = usual * BELOW if from_lr is None else number("from_lr", from_lr, above=0, below=float("inf"))
    high = usual * ABOVE if to_lr is None else number("to_lr", to_lr, above=0, below=float("inf"))
    if high < 10 * low:
        given = f"from_lr={low:g} and to_lr={high:g}"
        raise InputError(f"{given}: the ramp must rise by a decade or more. Give a smaller from_lr, or a larger to_lr.", given=high)
    schedule = create("exponential", gamma=high / low)
    lanes = trials.lanes_of(optimizer, [low], list(range(seeds)), schedule=schedule)
    losses = trials.train(Fleet(task, race_seed=race_seed), lanes, length).losses
    rates = low * np.asarray(schedule(np.arange(length), length))
    found = [ramp(losses[:, lane], quiet=max(5, int(QUIET * length))) for lane in range(seeds)]
    return RangeTest(task.name, optimizer, rates, losses, smoothed(losses), *_bounds(found, rates))


def _bounds(found: list[Ramp], rates: np.ndarray) -> tuple[tuple[float | None, ...], tuple[float | None, ...]]:
    last = len(rates) - 1
    descents = tuple(None if one.descent is None else float(rates[one.descent]) for one in found)
    return descents, tuple(None if one.divergence is None else float(rates[min(one.divergence, last)]) for one in found)
