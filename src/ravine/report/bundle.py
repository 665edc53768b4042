"""The lab's page as it was built: one script and one style sheet, served by the lab and inlined by the report."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).with_name("bundle")
"""Where `make web` puts it; a wheel carries it there."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A built page.

    Attributes:
        script: classic JavaScript, whole.
        style: its style sheet.
    """

    script: str
    style: str


def find() -> Bundle | None:
    """The bundle, read anew at each call; None where it has not been built, or only in part."""
    return _read("app")


def find_more() -> Bundle | None:
    """The pages that only the lab has, loaded when one of them is opened; None where they have not been built."""
    return _read("more")


def _read(name: str) -> Bundle | None:
    try:
        script, style = ((FOLDER / f"{name}.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    except FileNotFoundError:
        return None
    return Bundle(script, style)
