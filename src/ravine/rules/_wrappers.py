"""Wrappers by name, and the check that one may stand around a rule."""

from collections.abc import Mapping
from types import MappingProxyType

from ravine.base._checks import unknown_name
from ravine.base.errors import InputError
from ravine.rules._rule import Rule
from ravine.rules._wrapping import Wrapper, wrap
from ravine.rules.agc import AGC
from ravine.rules.averaging import EMA
from ravine.rules.cautious import Cautious
from ravine.rules.centralised import Centralised
from ravine.rules.clip_history import ClipHistory
from ravine.rules.clipping import Clip, ClipValue
from ravine.rules.lookahead import Lookahead
from ravine.rules.sharpness import ASAM, SAM

_KINDS: tuple[type[Wrapper], ...] = (Clip, ClipValue, AGC, ClipHistory, Centralised, Cautious, Lookahead, EMA, SAM, ASAM)

WRAPPERS: Mapping[str, type[Wrapper]] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""Every wrapper by name."""


def wrapped(inner: type[Rule], wrapper: str, *, within: str) -> type[Wrapper]:
    """The rule inside one more wrapper.

    Args:
        inner: the rule.
        wrapper: its name.
        within: the whole name that was given, for errors.

    Raises:
        UnknownNameError: no such wrapper; the message offers the nearest ones.
        InputError: the wrapper is there already, or cannot stand around this rule.
    """
    if wrapper not in WRAPPERS:
        raise unknown_name(f"wrapper (in {within!r})", wrapper, WRAPPERS)
    kind = WRAPPERS[wrapper]
    if issubclass(inner, Wrapper) and kind in inner.layers:
        raise InputError(f"{within!r} names {wrapper!r} twice: a wrapper may stand around a rule once. Leave one out.", given=within)
    reason = kind.refusal(inner)
    if reason:
        remedy = f"Put {wrapper!r} further to the front, or leave one of the two out."
        raise InputError(f"{wrapper!r} cannot stand around {inner.name!r} (in {within!r}): {reason}. {remedy}", given=within)
    return wrap(kind, inner)
