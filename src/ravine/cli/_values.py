"""What options mean as text: numbers, lists of rates and names.

typer would convert numbers itself, but its errors then depend on its version and do not say what was given.
"""

import math

import typer

from ravine.base.errors import InputError


def whole_number(text: str) -> int:
    """`text` as a whole number; which of them are allowed is for the plan to say."""
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a whole number. Give one, such as 5.") from None


def number(text: str) -> float:
    """`text` as a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise typer.BadParameter(f"{text!r} is not a number. Give one, such as 0.01 or 1e-2.")
    return value


def rates(text: str) -> list[float] | None:
    """Learning rates separated by commas; None for "auto", each optimiser's own range."""
    if text == "auto":
        return None
    try:
        return [number(part) for part in text.split(",") if part.strip()]
    except typer.BadParameter:
        message = f"--lrs {text}: must be auto, or numbers above 0 separated by commas. Write them like 1e-3,1e-2."
        raise InputError(message, given=text) from None


def workers(text: str) -> int | str:
    """A number of processes, or "auto"."""
    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise InputError(f"--workers {text}: must be auto or a whole number. Give a number such as 2.", given=text) from None


def names(text: str | None) -> list[str] | None:
    """Names separated by commas; None where nothing was given."""
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]
