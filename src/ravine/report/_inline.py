"""A figure as an `<svg>` element inside a page: its colours are the page's own, its text is text, and it is described."""

import re
from html import escape

from matplotlib.figure import Figure

from ravine.report._styles import theme_named
from ravine.report.drawing import rendered

_LIGHT, _DARK = theme_named("light"), theme_named("dark")
LARGEST = 1.3
"""Times its natural width that a figure may grow to."""
_ROLES = ("paper", "ink", "faint", "grid")

_FONTS = (
    "'DejaVu Sans', 'Bitstream Vera Sans', 'Computer Modern Sans Serif', 'Lucida Grande', 'Verdana', 'Geneva', 'Lucid', 'Arial', "
    "'Helvetica', 'Avant Garde', sans-serif"
)
"""What matplotlib repeats at every text."""
_FONT = "'DejaVu Sans', Verdana, sans-serif"
_LONG = 300
"""Letters from which a path is a curve, for which a tenth of a point is enough."""
_UNTURNED = re.compile(r' transform="rotate\(-?0 [^"]*"')


def inline(figure: Figure, name: str, label: str) -> str:
    """The element; figures with the same content give the same text.

    Args:
        figure: drawn in the light theme.
        name: unique on the page: identifiers inside the element begin with it.
        label: what the figure shows, for who does not see it.
    """
    text = rendered(figure, "svg", outlines=False).decode()
    text = text[text.index("<svg") :]
    # Metadata are not HTML, and a style element inside an SVG holds for the whole page.
    text = re.sub(r"\s*<(metadata|style)\b.*?</\1>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<!--.*?-->|\s*<defs>\s*</defs>", "", text, flags=re.DOTALL)
    # A hundredth of a point is less than a screen shows. What stands between tags is text, and stays.
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), text)
    text = re.sub(r'(?<= d=")[^"]*', lambda path: _short(path[0]), re.sub(r">\s+<", "><", text))
    text = text.replace(f"font-family: {_FONTS}; ", "").replace(_FONTS, _FONT).replace("xlink:href=", "href=")
    text = re.sub(r'(?<= style=")[^"]*', lambda style: re.sub(r"([:;]) ", r"\1", style[0]), _UNTURNED.sub("", text))
    text = _flat(_own_identifiers(text, name))
    for color, variable in _variables().items():
        text = re.sub(f"{color}(?![0-9a-f])", f"var(--{variable})", text, flags=re.IGNORECASE)
    opening = re.sub(r' (xmlns(:xlink)?|version|width|height)="[^"]*"', "", text[: text.index(">")])
    root = f"max-width: {LARGEST * _width(text):.0f}px; font-family: {_FONT}"
    return f'{opening} role="img" aria-label="{escape(label)}" style="{root}"{text[text.index(">") :].rstrip()}'


def _short(path: str) -> str:
    """A path in fewer letters: a curve's points as steps from the one before, in tenths."""
    close = re.sub(r"\s*([A-Za-z])\s*", r"\1", " ".join(path.split()))
    if len(close) <= _LONG:
        return close
    if not re.fullmatch(r"[MLz\d. -]+", close):
        return re.sub(r"(\d\.\d)\d", r"\1", close)
    # Steps are between rounded places, so that no error adds up.
    found, x, y, kind, last = list[str](), 0, 0, "", ""
    for letter, numbers in re.findall(r"([MLz])([^MLz]*)", close):
        if letter == "z":
            found.append("z")
            kind = letter
            continue
        across, down = (round(10 * float(number)) for number in numbers.split())
        first, second = (_tenths(across), _tenths(down)) if letter == "M" else (_tenths(across - x), _tenths(down - y))
        steps = _joined(first, second)
        found.append(_joined(last, steps)[len(last) :] if letter == kind == "L" else letter.replace("L", "l") + steps)
        x, y, kind, last = across, down, letter, second
    return "".join(found)


def _flat(text: str) -> str:
    """Groups that say nothing dropped, and lines or marks of one kind that follow each other styled together."""
    before = ""
    while text != before:
        before, text = text, re.sub(r"<g>((?:(?!</?g\b).)*)</g>", r"\1", text, flags=re.DOTALL)
    for mark in (r'<use href="[^"]*" x="[^"]*" y="[^"]*"', r'<path d="[^"]*"'):
        run = rf'{mark}((?: clip-path="[^"]*")? style="[^"]*")/>(?:{mark}\1/>)+'
        text = re.sub(run, lambda found: f"<g{found[1]}>{found[0].replace(found[1], '')}</g>", text)
    return text


def _tenths(number: int) -> str:
    """A number of tenths, without a nought before its point."""
    whole, tenth = divmod(abs(number), 10)
    text = f"{whole or ''}.{tenth}" if tenth else str(whole)
    return f"-{text}" if number < 0 else text


def _joined(before: str, number: str) -> str:
    """Two numbers: a minus needs no space before it, nor does a point behind a number that has one."""
    return before + ("" if number[0] == "-" or (number[0] == "." and "." in before) else " ") + number


def palette(name: str) -> str:
    """Style declarations of the variables that figures refer to, in the theme `name`."""
    theme = theme_named(name)
    known = {role: getattr(theme, role) for role in _ROLES} | {
        f"curve-{index}": color for index, color in enumerate(theme.colors) if color != "ink"
    }
    return " ".join(f"--{variable}: {color};" for variable, color in known.items())


def _variables() -> dict[str, str]:
    """The light theme's colours and what they are called."""
    roles = {getattr(_LIGHT, role): role for role in _ROLES}
    return roles | {color: f"curve-{index}" for index, color in enumerate(_LIGHT.colors) if color != "ink"}


def _own_identifiers(text: str, name: str) -> str:
    """Drop identifiers that nothing refers to and make the others unique on the page."""
    used = list(dict.fromkeys(re.findall(r'(?:href="#|url\(#)([^")]+)', text)))
    short = {one: f"{name}-{place}" for place, one in enumerate(used)}
    text = re.sub(r' id="([^"]+)"', lambda found: f' id="{short[found[1]]}"' if found[1] in short else "", text)
    return re.sub(r'(href="#|url\(#)([^")]+)', lambda found: f"{found[1]}{short[found[2]]}", text)


def _width(text: str) -> float:
    """Natural width in CSS pixels."""
    found = re.search(r'viewBox="0 0 ([\d.]+)', text)
    assert found is not None
    return float(found[1]) * 96 / 72
