"""docs/figures.md is what its writer says, every picture is there, and every command is one that ravine takes."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ravine.cli.figure import COMMANDS

DOCS = Path(__file__).parents[2] / "docs"
SMALL = 300_000


def load_writer():
    spec = importlib.util.spec_from_file_location("write_gallery", DOCS / "write_gallery.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["write_gallery"] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


WRITER = load_writer()


def test_the_page_is_the_writer_s():
    assert WRITER.PAGE.read_text(encoding="utf-8") == WRITER.page(), "run `make gallery`"


@pytest.mark.parametrize("shown", WRITER.FIGURES, ids=lambda shown: shown.name)
def test_every_picture_is_there_and_small(shown):
    path = WRITER.IMAGES / f"{shown.name}.png"
    assert path.stat().st_size < SMALL
    with Image.open(path) as picture:
        assert max(picture.size) <= 2000


def test_every_figure_of_the_command_is_shown():
    assert [name for name in COMMANDS if not any(shown.command.startswith(f"ravine figure {name}") for shown in WRITER.FIGURES)] == []


def test_shrinking_keeps_an_optimiser_s_colour(tmp_path):
    colors = [(0, 114, 178), (213, 94, 0), (0, 158, 115)]
    picture = Image.new("RGB", (1200, 60), "white")
    for place, color in enumerate(colors):
        picture.paste(color, (100 * place, 10, 100 * place + 80, 50))
    picture.save(tmp_path / "a.png")
    WRITER.shrink(tmp_path / "a.png", tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as small:
        assert small.width == WRITER.WIDEST
        held = {tuple(pixel) for pixel in np.asarray(small.convert("RGB")).reshape(-1, 3).tolist()}
    for color in colors:
        assert any(max(abs(a - b) for a, b in zip(color, other, strict=True)) <= WRITER.STEP // 2 for other in held)
