"""The wheel holds the package, its type marker and its licence, and nothing else."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_it_is_typed_and_licensed(names):
    assert "ravine/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith("entry_points.txt") for name in names)


def test_it_holds_every_module(names):
    modules = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "ravine").rglob("*.py")}
    assert modules <= set(names)


def test_it_holds_nothing_else(names):
    assert [name for name in names if not name.startswith(("ravine/", "ravine-"))] == []
    assert [name for name in names if name.endswith((".pyc", ".ravine")) or re.search(r"(^|/)(conf)?tests?[_/.]", name)] == []
