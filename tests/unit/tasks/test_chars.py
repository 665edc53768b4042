import re

import pytest
import torch

from ravine.base.errors import DataError, InputError
from ravine.tasks import create, load
from ravine.tasks.chars import alphabet, chars, divided, encoded, read_text

TEXT = "The quick brown fox jumps over the lazy dog.\n" * 60 + "é" * 9


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def test_rows_and_targets_are_the_text(file):
    task = load(f"chars:{file},layers=1,heads=2,width=8,context=16")
    task.check()
    symbols = task.notes["symbols"]
    assert symbols == "\ufffd\n ." + "".join(sorted(set("Thequickbrownfoxjumpsoverthelazydog")))
    parts = divided(TEXT)
    assert "".join(parts) == TEXT
    assert [len(part) for part in parts] == [2709 - 2 * 135, 135, 135]
    for part, (x, y) in zip(parts, (task.data.train, task.data.validation, task.data.test), strict=True):
        expected = "".join(char if char in symbols else "\ufffd" for char in part)
        assert "".join(symbols[number] for number in x.flatten()) == expected[: x.numel()]
        assert "".join(symbols[number] for number in y.flatten()) == expected[1 : x.numel() + 1]
        assert x.shape[1] == 16
        assert len(expected) - 16 <= x.numel() + 1 <= len(expected) + 1


def test_the_standard_library_is_the_default():
    text = read_text("stdlib")
    assert len(text) == 4_000_000
    assert text == read_text("stdlib")
    # Its modules by name, without packages, tests and what the build of Python left there.
    places = [text.index(line) for line in ("class ArgumentParser(", "class HMAC:", "class Random(", "class TarFile(")]
    assert places == sorted(places)
    assert "import test.support" not in text
    task = create("chars")
    assert task.reference == "chars"
    assert len(task.notes["symbols"]) == 97
    assert task.describe()["parameters"] == 97 * 128 + 64 * 128 + 4 * (12 * 128 * 128 + 4 * 128) + 2 * 128


def test_held_out_parts_end_at_a_limit():
    assert [len(part) for part in divided("x" * 1_000_000)] == [1_000_000 - 65_536, 32_768, 32_768]


def test_rare_characters_are_one_symbol():
    symbols = alphabet("a" * 10 + "b" * 9 + "\ufffd" * 20)
    assert symbols == "\ufffda"
    assert encoded("ab\U0001f600a\ufffd", symbols).tolist() == [1, 0, 0, 1, 0]


def test_the_best_constant_output_is_known(file):
    task = create("chars", {"text": file, "context": 4, "width": 8, "heads": 1})
    shares = torch.bincount(task.data.train[1].flatten()).double()
    shares = shares[shares > 0] / shares.sum()
    assert task.baseline_loss() == pytest.approx(-(shares * shares.log()).sum().item())


def test_notes_tell_texts_apart(file, tmp_path):
    other = tmp_path / "b.txt"
    other.write_text(TEXT.replace("fox", "xof"), encoding="utf-8")
    first, second = (create("chars", {"text": path}).notes for path in (file, other))
    assert first["symbols"] == second["symbols"]
    assert first["text"] != second["text"]
    assert first["shape"] == [4, 4, 128, 64]


@pytest.mark.parametrize(
    ("options", "kind", "sentence"),
    [
        ({"width": 10, "heads": 4}, InputError, "width=10 with heads=4: every head takes an equal share of the width. Use a multiple."),
        ({"layers": 0}, InputError, "layers=0: must be a whole number, at least 1"),
        ({"context": 1}, InputError, "context=1: must be a whole number, at least 2"),
        ({"text": "no.txt"}, DataError, "text=no.txt cannot be read (No such file or directory). Give the path of a text file."),
        ({"text": "."}, DataError, "text=. cannot be read (Is a directory)"),
        ({"text": "short.txt"}, DataError, "text=short.txt holds 2,579 characters: must be 2,580 for a context of 64. Give a longer text"),
        ({"text": "latin.txt"}, DataError, "text=latin.txt: byte 1 is no UTF-8. Convert the file, as with: iconv -t UTF-8."),
    ],
)
def test_unusable_options(options, kind, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("x" * 2579)
    (tmp_path / "latin.txt").write_bytes("é".encode("latin-1").join([b"a", b"b"]))
    with pytest.raises(kind, match=re.escape(sentence)):
        chars(**options)


def test_a_python_without_its_modules_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    (tmp_path / "mine.py").write_text("x = 1\n" * 1000)
    with pytest.raises(DataError, match=r"text=stdlib holds no modules as files, for Python was installed without them\. Give text=FILE\."):
        chars()
