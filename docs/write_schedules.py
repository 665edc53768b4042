"""Write the table of docs/schedules.md and its picture from the registry."""

from pathlib import Path

from ravine.report.schedules import gallery_figure, view_schedule
from ravine.schedules import REGISTRY, Schedule, settings_of

PAGE = Path(__file__).with_name("schedules.md")
PICTURE = PAGE.parent / "images" / "schedules.png"
BEGIN, END = "<!-- TABLE BEGIN: make schedules-page -->\n", "<!-- TABLE END -->\n"


def table() -> str:
    """One line a schedule."""
    head = "| name | class | multiplier | settings |\n|---|---|---|---|\n"
    return f"\n{head}{''.join(map(line, REGISTRY.values()))}\n"


def line(kind: type[Schedule]) -> str:
    """One schedule."""
    settings = [f"`{name}={value}`" for name, value in settings_of(kind).items() if not name.startswith("warmup")]
    return f"| `{kind.name}` | `{kind.__name__}` | `{kind.formula}` | {', '.join(settings)} |\n"


def page() -> str:
    """The page with its table as it is now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    gallery_figure([view_schedule(kind(), 400) for kind in REGISTRY.values()], PICTURE)
