"""A race on a surface as text: a row for each path, and the protocol under them."""

import math
from textwrap import fill

from ravine.records.surfaces import SurfacePath, SurfaceRace
from ravine.report.tables import WIDTH, empty_table, rendered
from ravine.report.wording import listed, rate

NONE = "-"


def surface_text(race: SurfaceRace, *, width: int = WIDTH) -> str:
    """The paths as a table, what its columns mean, and how rates were chosen."""
    surface = race.surface
    several = len({path.seed for path in race.paths}) > 1
    titles = [
        "optimiser",
        *(["seed"] if several else []),
        "lr",
        "steps to the minimum",
        "final distance",
        "overshoot",
        "path length",
        "turns",
    ]
    table = empty_table(titles, numeric=range(1, len(titles)))
    for path in race.paths:
        table.add_row(path.optimizer, *([str(path.seed)] if several else []), *_cells(path))
    head = f"{surface.name}: {surface.formula}" if surface.name != surface.formula else surface.formula
    noise = f", gradient noise {race.noise:g}" if race.noise else ""
    first = f"{head}, from ({surface.start[0]:g}, {surface.start[1]:g}){noise}"
    return "\n".join([fill(first, width), rendered(table, width), *(fill(line, width) for line in notes(race))])


def notes(race: SurfaceRace) -> list[str]:
    """Sentences under the table."""
    found = [f"Protocol: {race.protocol}."]
    if race.surface.minima:
        found.append(
            "Overshoot: the furthest point beyond the minimum, as a share of the distance from the start to it. "
            "Turns: steps that go back on the one before."
        )
    else:
        found.append(
            "No minimum is known inside the picture, so heights are counted from the lowest that was seen. Turns: steps that go back."
        )
    edges = list(dict.fromkeys(path.optimizer for path in race.paths if path.at_grid_edge))
    if edges:
        which = f"The rate of {edges[0]} is" if len(edges) == 1 else f"The rates of {listed(edges)} are"
        found.append(f"{which} at an end of the grid: a better one may lie beyond it.")
    found += [f"{name} is left out: {why}." for name, why in race.left_out.items()]
    return found


def steps_words(path: SurfacePath) -> str:
    """When a path arrived, in as few words as a picture has room for; where no minimum is known, how low it came."""
    if path.diverged_at is not None:
        return f"diverged at step {path.diverged_at:,}"
    if path.final_distance is None:
        return f"height {_number(path.final_height)} at the end"
    return "not reached" if path.steps_to_minimum is None else f"{path.steps_to_minimum:,} steps"


def _cells(path: SurfacePath) -> list[str]:
    steps = NONE if path.steps_to_minimum is None else f"{path.steps_to_minimum:,}"
    if path.diverged_at is not None:
        steps = f"diverged at step {path.diverged_at:,}"
    shares = NONE if path.overshoot is None else f"{path.overshoot:.0%}"
    return [rate(path.lr), steps, _number(path.final_distance), shares, _number(path.length), f"{path.turns:,}"]


def _number(value: float | None) -> str:
    return NONE if value is None or not math.isfinite(value) else f"{value:.3g}"
