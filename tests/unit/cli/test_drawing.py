"""Where a figure goes is settled before it is computed."""

import json

import pytest

from ravine.base.errors import InputError
from ravine.cli._drawing import Delivery

NUMBERS = {"schema": 1, "p": [0.5]}


def drawn(path, theme):
    path.write_text(theme)


def deliver(out=None, *, force=False, is_dark=False, as_json=False):
    Delivery(out, force, is_dark, as_json).deliver(lambda: "a table", NUMBERS, drawn)


def test_without_a_file_the_table_is_printed(capsys):
    deliver()
    assert capsys.readouterr().out == "a table\n"
    deliver(as_json=True)
    assert json.loads(capsys.readouterr().out) == NUMBERS


def test_a_picture_is_drawn_in_the_theme_and_named(capsys, tmp_path):
    deliver(tmp_path / "a.png")
    deliver(tmp_path / "b.SVG", is_dark=True, as_json=True)
    captured = capsys.readouterr()
    assert [(tmp_path / name).read_text() for name in ("a.png", "b.SVG")] == ["light", "dark"]
    assert captured.out.startswith(f"a table\nfigure  {tmp_path / 'a.png'}\n")
    assert captured.err == f"figure  {tmp_path / 'b.SVG'}\n", "beside JSON a file is a message"


def test_numbers_go_into_a_file_of_their_own(tmp_path):
    deliver(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text()) == NUMBERS
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (None, {"force": True}, "--force has no effect without --out. Leave it out, or give --out."),
        (None, {"is_dark": True}, "--dark has no effect without --out"),
        ("a.gif", {}, r"a\.gif: a figure's name must end in \.json, \.pdf, \.png, \.svg; give such a name"),
        ("a.json", {"is_dark": True}, "--dark has no effect on the numbers in"),
        ("old.png", {}, r"old\.png exists; give --force to replace it"),
        ("nowhere/a.png", {}, "the folder .*nowhere does not exist"),
        (".", {}, "is a folder; give the name of a file in it"),
    ],
    ids=["force", "dark", "format", "dark-numbers", "exists", "nowhere", "folder"],
)
def test_bad_input(tmp_path, name, options, message):
    (tmp_path / "old.png").touch()
    with pytest.raises(InputError, match=message):
        deliver(None if name is None else tmp_path / name, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["old.png"]


def test_force_replaces(tmp_path):
    (tmp_path / "a.png").write_text("old")
    deliver(tmp_path / "a.png", force=True)
    assert (tmp_path / "a.png").read_text() == "light"
