"""Write the table of optimisers in docs/optimisers.md from the registry."""

import math
from pathlib import Path

from ravine.optim.creating import CLASSES
from ravine.rules import REGISTRY, WRAPPERS
from ravine.rules.registry import Entry, resolve

PAGE = Path(__file__).with_name("optimisers.md")
BEGIN, END = "<!-- TABLE BEGIN: make optimisers-table -->\n", "<!-- TABLE END -->\n"
MATRIX = (1024, 1024)
"""State is quoted for a float32 weight of this shape."""


def table() -> str:
    """Both tables, of rules and of wrappers."""
    head = "| name | class | paper | state | gradients a step | rates that a race searches |\n|---|---|---|---|---|---|\n"
    rows = "".join(map(line, REGISTRY.values()))
    wrappers = "".join(f"| `{name}` | {kind.citation} |\n" for name, kind in WRAPPERS.items())
    return f"\n{head}{rows}\n| wrapper | paper |\n|---|---|\n{wrappers}\n"


def line(entry: Entry) -> str:
    """One optimiser."""
    rule, _ = resolve(entry.name, {})
    slots = rule.part("matrix").active_slots
    kept = 4 * sum(math.prod(slot.shape_for(MATRIX)) for slot in slots) / math.prod(MATRIX)
    grid = entry.grid()
    names = f"`{entry.name}` | `{CLASSES[entry.rule].__name__}`"
    figures = f"{kept:.2g} | {rule.gradients_per_step:.3g} | {grid[0]:.3g} to {grid[-1]:.3g}"
    return f"| {names} | {entry.rule.citation} | {figures} |\n"


def page() -> str:
    """The page with its table as it is now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
