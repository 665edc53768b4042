"""Argument checks whose errors say what was given, what is allowed and what to do."""

import difflib
import math
from collections.abc import Callable, Iterable

from ravine.base.errors import InputError, UnknownNameError


def nearest(name: object, known: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """Names of `known` that resemble `name`, best first, at most `count`; none resembles what is no text."""
    if not isinstance(name, str):
        return ()
    choices = list(known)
    lowered = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(name.lower(), list(lowered), n=count, cutoff=0.5)
    matches = [lowered[match] for match in found]
    matches += [choice for choice in choices if name and choice.startswith(name) and choice not in matches]
    return tuple(matches[:count])


def unknown_name(kind: str, name: str, known: Iterable[str], *, do: str = "") -> UnknownNameError:
    """Build the error for a name that no registry holds.

    Args:
        kind: what was looked up, e.g. "optimizer".
        name: what was given.
        known: every registered name.
        do: what else the reader can do; the nearest names, or all of them, are always offered.
    """
    choices = sorted(known)
    close = nearest(name, choices)
    offer = " or ".join(repr(choice) for choice in close) if close else ", ".join(choices)
    question = f"did you mean {offer}?" if close else f"known: {offer}."
    return UnknownNameError(f"no {kind} is called {name!r}; {question}{' ' + do if do else ''}", given=name, nearest=close)


def number(
    name: str,
    value: object,
    *,
    at_least: float | None = None,
    above: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    where: str = "",
    do: str = "",
) -> float:
    """Return `value` as a float inside the given interval, or raise `InputError`."""
    place = f" for {where}" if where else ""
    ending = f" {do}" if do else ""
    bounds: list[tuple[float | None, str, Callable[[float, float], bool]]] = [
        (at_least, "at least", lambda x, bound: x >= bound),
        (above, "above", lambda x, bound: x > bound),
        (below, "below", lambda x, bound: x < bound),
        (at_most, "at most", lambda x, bound: x <= bound),
    ]
    words = ["finite" if bound == math.inf else f"{word} {bound:g}" for bound, word, _ in bounds if bound is not None]
    allowed = " and ".join(words)
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name}={value!r}{place}: must be a number{', ' + allowed if allowed else ''}.{ending}", given=value) from None
    if math.isnan(result) or any(bound is not None and not holds(result, bound) for bound, _, holds in bounds):
        raise InputError(f"{name}={value!r}{place}: must be {allowed or 'a number'}.{ending}", given=value)
    return result


def count(name: str, value: object, *, at_least: int = 1, at_most: int | None = None, do: str = "") -> int:
    """Return `value` as a whole number of at least `at_least` (and at most `at_most`), or raise `InputError`."""
    ending = f" {do}" if do else ""
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least or (at_most is not None and value > at_most):
        limit = f" and at most {at_most}" if at_most is not None else ""
        raise InputError(f"{name}={value!r}: must be a whole number, at least {at_least}{limit}.{ending}", given=value)
    return value
