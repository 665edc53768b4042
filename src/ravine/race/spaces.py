"""What is tuned besides the rate: the space of each entrant, and the configurations that are tried of it.

All entrants have the same budget. With C configurations of R rates each it is C R lanes of one gradient a step, and an entrant

- with something to tune has its defaults and points of a scrambled Sobol sequence, the same points of the unit cube for all;
- with nothing to tune has C grids of rates, each shifted against the next by a C-th of a half-decade (as has any point
  that comes up more than once, for batch sizes are few);
- with more than one gradient a step has as many fewer configurations, the first ones of its sequence.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ravine.base._checks import count, unknown_name
from ravine.base._seeds import derive
from ravine.base.errors import InputError, PlanError
from ravine.race.entrants import WARMUP, Configuration, Entrant, Values
from ravine.race.stage import BATCH_SIZE
from ravine.rules import registry
from ravine.rules._search import Dimension, dimension
from ravine.tasks import Task

RATE = "lr"

DEFAULT_CONFIGURATIONS = 8
"""A power of two, as Sobol's sequence is balanced at these; and 8 of 12 rates are 96 lanes, of the order at which the Deep
Learning Tuning Playbook (Godbole et al., 2023) advises to tune more than the rate and the first moment."""

LARGEST_RATIO = 4
"""Of a batch size that is tried to the task's own, either way: beyond, it is another problem."""

LONGEST_WARMUP = 0.1
"""Of the horizon: what needs more should rather train longer (Deep Learning Tuning Playbook)."""

HALF_DECADE = math.sqrt(10.0)


def check_tuned(given: object, configurations: object, *, is_shared_lr: bool) -> tuple[str, ...]:
    """The names to tune, in the order given; none where that is the rate alone, which always is.

    Args:
        given: what `--tune` lists; None if it was left out.
        configurations: of them, for each optimiser; None if it was left out.
        is_shared_lr: whether nothing is tuned.

    Raises:
        PlanError: it is no list of names, one stands in it twice, or an option would change nothing.
    """
    if given is not None and (isinstance(given, str) or not isinstance(given, Iterable)):
        example = given.split(",") if isinstance(given, str) else [RATE, "weight_decay"]
        raise PlanError([f"tune={given!r}: must be a list of names. Write {example!r}."])
    names = [] if given is None else list(given)
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise PlanError([f"--tune names {', '.join(twice)} more than once: name each once."])
    if given is not None and not names:
        raise PlanError(["--tune names nothing: leave it out to tune the rate alone, or name more, such as lr,weight_decay."])
    if names and is_shared_lr:
        raise PlanError(["--tune has no effect with --shared-lr, which tunes nothing: leave one out."])
    if configurations is not None and not set(names) - {RATE}:
        raise PlanError(
            [f"--configurations {configurations} has no effect without --tune: name what is tuned besides the rate, or leave it out."]
        )
    return tuple(names) if set(names) - {RATE} else ()


def batch_sizes(own: int, available: int) -> tuple[int, ...]:
    """Batch sizes around a task's own by powers of two, ascending, each a multiple of it or contained in it.

    Args:
        own: rows of a step of the task.
        available: rows that there are to train on.
    """
    powers = (LARGEST_RATIO // 2, LARGEST_RATIO)
    smaller, larger = [own // power for power in powers if own % power == 0], [own * power for power in powers if own * power <= available]
    return tuple(sorted({own, *smaller, *larger}))


def dimensions(entrant: Entrant, sizes: Sequence[int] = ()) -> dict[str, Dimension]:
    """Everything besides the rate that an entrant can be tuned in, by name.

    Args:
        entrant: an optimiser.
        sizes: batch sizes, the task's own in the middle or not; without any, the batch size is the task's.
    """
    entry = registry.get(entrant.optimizer)
    found = (dimension(hyper, entry.defaults[hyper.symbol]) for hyper in entry.rule.hypers)
    known = {one.name: one for one in found if one is not None}
    known |= {WARMUP: Dimension(WARMUP, "", 0.0, 0.0, LONGEST_WARMUP, "linear")}
    return known | ({BATCH_SIZE: Dimension(BATCH_SIZE, "", sizes[0], min(sizes[1:]), max(sizes[1:]), "powers of 2")} if sizes[2:] else {})


def with_spaces(
    entrants: Sequence[Entrant], tune: Sequence[str], *, configurations: int | None, race_seed: int, has_own_rates: bool, task: Task
) -> tuple[Entrant, ...]:
    """The entrants with their spaces and the configurations that are tried.

    Args:
        entrants: in the order of the race.
        tune: names, from `check_tuned`.
        configurations: of an entrant with one gradient a step; `DEFAULT_CONFIGURATIONS` if None.
        race_seed: of the race, which scrambles the sequence.
        has_own_rates: whether the user gave the rates, which are then left alone.
        task: what is trained.

    Raises:
        PlanError: for each name that no entrant has.
    """
    most = DEFAULT_CONFIGURATIONS if configurations is None else configurations
    count("configurations", most, do="A power of two suits Sobol's sequence.")
    own = (task.rows_per_step, *batch_sizes(task.rows_per_step, task.data.sizes["train"])) if BATCH_SIZE in tune else ()
    spaces = {entrant.label: dimensions(entrant, own) for entrant in entrants}
    known = {RATE, BATCH_SIZE, *(name for space in spaces.values() for name in space)}
    unknown = [_unknown(name, entrants, known) for name in tune if name not in known]
    if unknown:
        raise PlanError([str(error) for error in unknown])
    result = []
    for entrant in entrants:
        # Where a task has no other size, that is so for everyone: nothing to tune, and nothing to refuse.
        space = tuple(spaces[entrant.label][name] for name in tune if name in spaces[entrant.label])
        number = max(1, math.floor(most / registry.get(entrant.optimizer).rule.gradients_per_step))
        points = _points(space, number, race_seed)
        tried = (
            tuple(Configuration(point, entrant.grid) for point in dict.fromkeys(points)) if has_own_rates else _spread(points, entrant.grid)
        )
        result.append(replace(entrant, space=space, configurations=tried))
    return tuple(result)


def _unknown(name: Any, entrants: Sequence[Entrant], known: Iterable[str]) -> InputError:
    hypers = {hyper.symbol for entrant in entrants for hyper in registry.get(entrant.optimizer).rule.hypers}
    if name in hypers:
        able = ", ".join(sorted(known))
        return InputError(f"--tune {name}: there is no declared range to look for it in. Of those raced can be tuned: {able}.", given=name)
    return unknown_name("hyper of those raced that can be tuned", name, known)


def _points(space: Sequence[Dimension], number: int, race_seed: int) -> list[Values]:
    """The defaults, and points of the sequence behind its first; nothing so many times where there is nothing to tune."""
    if not space:
        return [()] * number
    from scipy.stats import qmc  # noqa: PLC0415 - its import takes longer than a short race, and most tune the rate alone

    sequence = qmc.Sobol(len(space), scramble=True, seed=derive(race_seed, "configurations") % 2**32)
    shares = sequence.random_base2(max(1, math.ceil(math.log2(max(number, 2)))))[1:number]
    rows = [[one.default for one in space], *([one.at(float(share)) for one, share in zip(space, row, strict=True)] for row in shares)]
    return [tuple(zip((one.name for one in space), row, strict=True)) for row in rows]


def _spread(points: Sequence[Values], grid: tuple[float, ...]) -> tuple[Configuration, ...]:
    """Each point with the grid; one that stands there k times with a grid k times as fine, in as many parts."""
    times, seen = Counter(points), Counter[Values]()
    found = []
    for point in points:
        shift = HALF_DECADE ** (seen[point] / times[point])
        found.append(Configuration(point, tuple(lr * shift for lr in grid) if seen[point] else grid))
        seen[point] += 1
    return tuple(found)


def as_json(entrants: Sequence[Entrant], tune: Sequence[str]) -> dict[str, Any] | None:
    """The spaces for a record; None where the rate alone was tuned."""
    if not tune:
        return None
    return {
        "tuned": list(tune),
        "optimizers": {
            entrant.label: {
                "dimensions": {one.name: one.as_json() for one in entrant.space},
                "without": [name for name in tune if name != RATE and name not in {one.name for one in entrant.space}],
                "configurations": [dict(configuration.values) for configuration in entrant.tried],
                "rates": sum(len(configuration.grid) for configuration in entrant.tried),
            }
            for entrant in entrants
        },
    }


def coarseness(entrants: Sequence[Entrant], rows: int) -> int:
    """What a race's steps must be multiples of, so that every lane's are whole: the largest batch over the task's own.

    Args:
        entrants: with their spaces.
        rows: of a step of the task.
    """
    largest = [int(one.high) for entrant in entrants for one in entrant.space if one.name == BATCH_SIZE]
    return max([1, *(size // rows for size in largest)])
