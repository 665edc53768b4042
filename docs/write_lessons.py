"""Write the table of docs/lessons.md from files of `ravine lessons run NAME --json` or `ravine lessons run --all --json`.

    ravine lessons run --all --json > quick.json
    ravine lessons run one-line-change --json > full.json
    python docs/write_lessons.py quick.json full.json

A file that is named later takes the place of an earlier one where both have a lesson.
"""

import json
import sys
from pathlib import Path
from typing import Any

from ravine.lessons import names

PAGE = Path(__file__).with_name("lessons.md")
BEGIN, END = "<!-- TABLE BEGIN: docs/write_lessons.py -->", "<!-- TABLE END -->"


def outcomes(paths: list[str]) -> dict[str, dict[str, Any]]:
    """What the files hold, by lesson."""
    found = {}
    for path in paths:
        content = json.loads(Path(path).read_text())
        found |= {one["lesson"]: one for one in content.get("lessons", [content])}
    return found


def table(found: dict[str, dict[str, Any]]) -> str:
    """One row a lesson, in the order of `ravine lessons`."""
    rows = ["| lesson | claim | verdict | form |", "|---|---|---|---|"]
    for name in names():
        one = found[name]
        rows.append(f"| `{name}` | {one['claim'].replace('|', '&#124;')} | **{one['verdict']}** | {one['form']} |")
    return "\n".join(rows)


def main(paths: list[str]) -> None:
    """Put the table in its place."""
    found = outcomes(paths)
    missing = [name for name in names() if name not in found]
    if missing:
        sys.exit(f"no outcome of {', '.join(missing)}: run them, and name the files")
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(found)}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main(sys.argv[1:])
