import re

import pytest

from ravine.report._page_style import _DARK, _LIGHT, STYLE


def luminance(color):
    digits = color.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("theme", [_LIGHT, _DARK], ids=["light", "dark"])
def test_text_and_curves_stand_out_from_the_paper(theme):
    colors = dict(re.findall(r"--([\w-]+): (#\w+);", theme))
    for name in ("text", "quiet", "ink", "mark"):
        assert contrast(colors[name], colors["paper"]) >= 4.5, name
    curves = [name for name in colors if name.startswith("curve-")]
    assert len(curves) == 7
    for name in (*curves, "faint"):
        assert contrast(colors[name], colors["paper"]) >= 3, name
    assert contrast(colors["text"], colors["panel"]) >= 4.5


def test_both_themes_name_the_same_colours_and_paper_is_light():
    assert set(re.findall(r"--[\w-]+", _LIGHT)) == set(re.findall(r"--[\w-]+", _DARK))
    assert STYLE.count("@media (prefers-color-scheme: dark)") == 1
    assert _LIGHT in STYLE.partition("@media print")[2]


def test_every_colour_used_is_defined_and_nothing_is_fetched():
    used, known = set(re.findall(r"var\((--[\w-]+)\)", STYLE)), set(re.findall(r"(--[\w-]+):", STYLE))
    assert used <= known
    assert "url(" not in STYLE
    assert STYLE.count("{") == STYLE.count("}")
