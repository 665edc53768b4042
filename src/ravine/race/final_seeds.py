"""How many fresh seeds the final may take: a given number, or as many between two as it needs."""

from typing import NamedTuple

from ravine.base._checks import count
from ravine.base.errors import InputError

DEFAULT_SEEDS = 5
LEAST_SEEDS = 3
"""Before the first look, unless told otherwise: two seeds tell nothing apart."""

MOST_SEEDS = 20
"""With so many, two entrants of which one takes half as many steps again are told apart 19 times in 20 (docs/power.md)."""


class FinalSeeds(NamedTuple):
    """Seeds of the final.

    Attributes:
        most: how many there are at most.
        least: before the first look at what they say; None where all are run.
    """

    most: int
    least: int | None


def final_seeds(seeds: int | None, min_seeds: int | None, max_seeds: int | None, *, shared_lr: float | None = None) -> FinalSeeds:
    """The seeds that a user asked for.

    Args:
        seeds: a fixed number; `DEFAULT_SEEDS` if nothing at all is given.
        min_seeds: the race may end early from here on.
        max_seeds: it ends here at the latest.
        shared_lr: of a race without tuning.

    Raises:
        InputError: a number that is too small, or options that exclude each other.
    """
    bounds = [f"--{end}-seeds {number}" for end, number in (("min", min_seeds), ("max", max_seeds)) if number is not None]
    if not bounds:
        return FinalSeeds(count("seeds", DEFAULT_SEEDS if seeds is None else seeds, do="Use --seeds 5 for intervals."), None)
    given = " and ".join(bounds)
    if seeds is not None:
        leaves = "leave" if len(bounds) > 1 else "leaves"
        raise InputError(f"--seeds {seeds} fixes how many seeds are run, and {given} {leaves} it open: give one or the other.", given=seeds)
    if shared_lr is not None:
        raise InputError(
            f"{given} ends a race once its recommendation stands, and --shared-lr {shared_lr:g} recommends nothing: use --seeds K.",
            given=shared_lr,
        )
    most = None if max_seeds is None else count("--max-seeds", max_seeds, at_least=3)
    least = min(LEAST_SEEDS, (most or MOST_SEEDS) - 1) if min_seeds is None else count("--min-seeds", min_seeds, at_least=2)
    most = max(MOST_SEEDS, least + 1) if most is None else most
    if least >= most:
        raise InputError(
            f"--min-seeds {least} must be below --max-seeds {most}: give more at most, or --seeds {least} for that very number.",
            given=least,
        )
    return FinalSeeds(most, least)
