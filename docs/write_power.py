"""Write docs/power.md and docs/images/power.png from simulated races: how often a true difference is found with so many seeds."""

import sys
from pathlib import Path

from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from simulated_races import share_and_seeds, share_told_apart

PAGE = Path(__file__).with_name("power.md")
IMAGE = Path(__file__).with_name("images") / "power.png"
LEAST, MOST, EARLY_RACES = 3, 20, 200
FACTORS, SEEDS, RACES = (1.0, 1.15, 1.3, 1.5, 2.0, 3.0), (3, 5, 8, 12, 20), 400

INTRODUCTION = """# How many seeds a difference needs

Two optimisers race; the slower one truly takes 1.15, 1.3, 1.5, 2 or 3 times as many steps. The table says in how many of {races} simulated
races the faster one is ranked first *and* told apart, by the very functions that rank a real race. Each seed's time and its final value
scatter by 25 % (one standard deviation of their logarithm), every evaluation by 2 %, and both entrants end equally good: only the time
tells them apart. Of {races} races a share is known to about 5 percentage points.

Read it before a race: with five seeds a factor of two is found half of the time, and a factor of 1.3 once in twelve. Read it after
one: a tie with few seeds does not mean that two optimisers are equally fast. With more than two entrants every share is lower, since Holm's
adjustment divides the same certainty among more pairs. The first column is a race between equals, where whatever is found is a mistake:
the two can be told apart in either direction in at most 5 % of races, so each direction has half of that.

![Share of races in which the faster of two optimisers is told apart, against the true factor, by number of seeds](images/power.png)

"""
EARLY = """
## Races that end by themselves

With `--min-seeds {least} --max-seeds {most}` the seeds come in waves, and the race ends once [more of them cannot change the
recommendation](protocol.md#the-final). The same two optimisers, {races} races each: how often the faster one is told apart, and after how
many seeds the race ended on average. Compare the row of {most} seeds above.

"""
ENDING = """
This page is written by `make power-page`; a test simulates two of its numbers again.
"""


def shares() -> dict[int, list[float]]:
    """Seeds -> the share found at each of `FACTORS`."""
    return {seeds: [share_told_apart(seeds, factor, races=RACES) for factor in FACTORS] for seeds in SEEDS}


def early() -> list[tuple[float, float]]:
    """For each of `FACTORS`, the share found by races that end by themselves, and their mean number of seeds."""
    return [share_and_seeds(LEAST, MOST, factor, races=EARLY_RACES) for factor in FACTORS]


def page(found: dict[int, list[float]], ended: list[tuple[float, float]]) -> str:
    """The whole page."""
    titles = f"{' | '.join('equal' if factor == 1 else f'{factor:g} times' for factor in FACTORS)} |\n|{'---|' * (len(FACTORS) + 1)}\n"
    lines = (f"| {seeds} | {' | '.join(percent(share) for share in row)} |\n" for seeds, row in found.items())
    told = f"| told apart | {' | '.join(percent(share) for share, _ in ended)} |\n"
    used = f"| seeds | {' | '.join(f'{seeds:.1f}' for _, seeds in ended)} |\n"
    second = EARLY.format(least=LEAST, most=MOST, races=EARLY_RACES) + f"| | {titles}" + told + used
    return INTRODUCTION.format(races=RACES) + f"| seeds | {titles}" + "".join(lines) + second + ENDING


def percent(share: float) -> str:
    """A share as the page shows it."""
    return f"{100 * share:.0f} %"


def draw(found: dict[int, list[float]]) -> None:
    """Write the figure."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    for (seeds, row), colour in zip(found.items(), ("#cc79a7", "#d55e00", "#009e73", "#0072b2", "#1a1a1a"), strict=True):
        axes.plot(FACTORS, [100 * share for share in row], marker="o", markersize=4, color=colour, label=f"{seeds} seeds")
    axes.set_xscale("log")
    axes.set_xticks(FACTORS, ["equal", *(f"{factor:g}" for factor in FACTORS[1:])])
    axes.minorticks_off()
    axes.set(xlabel="true factor between the two times", ylabel="told apart, % of races", ylim=(-3, 103))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(IMAGE, dpi=110, metadata={"Software": None})


def main() -> None:
    """Write both."""
    found = shares()
    draw(found)
    PAGE.write_text(page(found, early()), encoding="utf-8")


if __name__ == "__main__":
    main()
