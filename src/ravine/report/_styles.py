"""Colours, dashes and marks: fixed per optimiser name, so that adam looks the same in every figure, told apart without colour vision."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from ravine.base._checks import unknown_name

# Okabe and Ito's colours without the yellow; "ink" stands for their black. On white, three of them are darker than theirs: lines need a
# contrast of 3 with the paper.
_COLORS = {
    "light": ("#0072B2", "#D55E00", "#009E73", "#C06A9B", "#A98600", "#2F93CF", "ink", "#8A8A8A"),
    "dark": ("#0A85CA", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "ink", "#8C8C8C"),
}
# A cross stands for divergence and a plain circle for a lane that ended early.
_MARKS = ("o", "s", "^", "D", "v", "P", "X", "h")
_DASHES: tuple[tuple[int, tuple[float, ...] | None], ...] = (
    (0, None),
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (6, 1.5, 1.2, 1.5)),
    (0, (9, 2)),
)
_KNOWN = ("adam", "sgd", "momentum", "rmsprop", "lion", "nesterov", "adamw", "adagrad")
# Pairs that often lie on top of each other get different dashes: adam and adamw, sgd and momentum.
_KNOWN_DASHES = (0, 0, 1, 2, 3, 2, 1, 3)


@dataclass(frozen=True, slots=True)
class Style:
    """How one optimiser is drawn.

    Attributes:
        color: a colour that matplotlib knows.
        dash: matplotlib's (offset, on-off sequence); None in place of the sequence is solid.
        mark: matplotlib's marker of a single point.
    """

    color: str
    dash: tuple[int, tuple[float, ...] | None]
    mark: str


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of a figure that are not an optimiser's.

    Attributes:
        paper: background.
        ink: text, and the curve whose colour is "ink".
        faint: axes and the target.
        grid: grid lines.
        colors: of the curves.
    """

    paper: str
    ink: str
    faint: str
    grid: str
    colors: tuple[str, ...]


_THEMES = {
    "light": Theme("#ffffff", "#1a1a1a", "#767676", "#ececec", _COLORS["light"]),
    "dark": Theme("#14171a", "#ececec", "#8f979e", "#2a2f34", _COLORS["dark"]),
}


def theme_named(name: str) -> Theme:
    """The theme called `name`, or an error that names the two."""
    if name not in _THEMES:
        raise unknown_name("theme", name, _THEMES)
    return _THEMES[name]


def styles(names: Sequence[str], theme: Theme) -> dict[str, Style]:
    """A style for each name, in the given order, no two alike while there are colours and dashes left.

    A name outside the usual ones takes its colour from its own letters, or the next one that is free in this figure.
    """
    taken: set[tuple[int, int]] = set()
    found = {}
    for name in sorted(names, key=lambda name: (name not in _KNOWN, name)):
        color, dash = _slot(name)
        is_usual = name.partition("#")[0] in _KNOWN
        # A usual name keeps its colour at any price; another one had rather have a colour of its own.
        if not is_usual:
            free = [turn for turn in range(len(_MARKS)) if (color + turn) % len(_MARKS) not in {used for used, _ in taken}]
            color = (color + min(free, default=0)) % len(_MARKS)
        dash = next((turned for turn in range(len(_DASHES)) if (color, turned := (dash + turn) % len(_DASHES)) not in taken), dash)
        taken.add((color, dash))
        found[name] = Style(theme.ink if theme.colors[color] == "ink" else theme.colors[color], _DASHES[dash], _MARKS[color])
    return {name: found[name] for name in names}


def series(names: Sequence[str], theme: Theme) -> dict[str, Style]:
    """Styles for what are no optimisers: colours, dashes and marks in their order, so that neighbours differ in all three."""
    found = {}
    for place, name in enumerate(names):
        color = theme.colors[place % len(theme.colors)]
        # The sixth is near the first in colour, so its dash must not be the first's.
        dash, mark = _DASHES[(place + place // len(_DASHES)) % len(_DASHES)], _MARKS[place % len(_MARKS)]
        found[name] = Style(theme.ink if color == "ink" else color, dash, mark)
    return found


def _slot(name: str) -> tuple[int, int]:
    # "adam#2" is adam entered again: adam's colour, another dash.
    base = name.partition("#")[0]
    if base in _KNOWN:
        index = _KNOWN.index(base)
        return index, _KNOWN_DASHES[index]
    digest = hashlib.blake2b(base.encode(), digest_size=2).digest()
    return digest[0] % len(_MARKS), digest[1] % len(_DASHES)
