"""The compiler and the cache of libraries, in every state that a machine may be in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ravine.fleet.native import Unsupported, toolchain

SOURCE = '#include "kernels.h"\nextern "C" __attribute__((visibility("default"))) long answer() {{ return {}; }}\n'
pytestmark = pytest.mark.skipif(toolchain.compiler() is None, reason="no C++ compiler was found")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test, under a folder with a space in its name, and nothing remembered."""
    folder = tmp_path / "a cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    _forget()
    yield folder / "ravine" / f"native-{toolchain.INTERFACE}"
    monkeypatch.undo()
    _forget()


def _forget():
    for function in (toolchain.compiler, toolchain._machine, toolchain._temporary_folder):
        function.cache_clear()


def libraries(folder):
    return sorted(folder.glob("*.so"))


def script(folder, text, name="compiler"):
    """A program that stands where the compiler should."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_a_text_is_compiled_once_and_then_found(cache, monkeypatch):
    assert toolchain.build(SOURCE.format(1)).answer() == 1
    before = libraries(cache)
    assert len(before) == 1
    monkeypatch.setattr(toolchain, "_compile", lambda *arguments: pytest.fail("it was compiled again"))
    assert toolchain.build(SOURCE.format(1)).answer() == 1
    assert [path.name for path in cache.iterdir()] == [before[0].name], "no lock and no half-written file stays"


def test_what_decides_a_library_decides_its_name(monkeypatch, cache):
    names = [toolchain.library_path(SOURCE.format(1)), toolchain.library_path(SOURCE.format(2))]
    monkeypatch.setattr(toolchain, "FLAGS", (*toolchain.FLAGS, "-O1"))
    names.append(toolchain.library_path(SOURCE.format(1)))
    monkeypatch.setattr(toolchain, "_headers", lambda: {"kernels.h": b"other"})
    names.append(toolchain.library_path(SOURCE.format(1)))
    monkeypatch.setattr(toolchain, "_machine", lambda: b"another processor or compiler")
    names.append(toolchain.library_path(SOURCE.format(1)))
    assert len(set(names)) == 5
    monkeypatch.setattr(toolchain, "INTERFACE", toolchain.INTERFACE + 1)
    assert toolchain.cache_folder() != cache


@pytest.mark.parametrize("keep", [0, 100, -1, -5000])
def test_a_library_that_was_cut_short_is_built_again(keep):
    path = toolchain.library_path(SOURCE.format(3))
    subprocess.run([sys.executable, "-c", _build(SOURCE.format(3))], check=True, env=os.environ | {"PYTHONPATH": _source()})
    path.write_bytes(path.read_bytes()[:keep])
    assert toolchain.build(SOURCE.format(3)).answer() == 3


def _build(source):
    return f"from ravine.fleet.native import toolchain; print(toolchain.build({source!r}).answer())"


def _source():
    return str(Path(toolchain.__file__).parents[3])


def test_processes_that_want_the_same_library_build_it_once(tmp_path, cache, monkeypatch):
    log = tmp_path / "log"
    counting = script(tmp_path, f'[ "$1" = --version ] || echo run >> "{log}"\nexec {shutil.which("g++") or "clang++"} "$@"')
    environment = os.environ | {"CXX": counting, "PYTHONPATH": _source()}
    command = [sys.executable, "-c", _build(SOURCE.format(4))]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) for _ in range(4)]
    assert [process.communicate()[0] for process in processes] == ["4\n"] * 4
    assert log.read_text() == "run\n"
    assert len(libraries(cache)) == 1


@pytest.mark.parametrize(("text", "reason"), [
    ('echo "step.cpp:1: error: no luck" >&2; exit 1', "the C\\+\\+ compiler failed: step.cpp:1: error: no luck"),
    ("exit 3", "the C\\+\\+ compiler failed: no message"),
    ("kill -9 $$", "the C\\+\\+ compiler failed"),
    ("exit 0", "could not be built or loaded"),
])  # fmt: skip
def test_a_compiler_that_fails_is_a_reason_and_leaves_nothing(tmp_path, cache, monkeypatch, text, reason):
    monkeypatch.setenv("CXX", script(tmp_path, f'[ "$1" = --version ] && exit 0\n{text}'))
    with pytest.raises(Unsupported, match=reason):
        toolchain.build(SOURCE.format(5))
    assert list(cache.iterdir()) == []


def test_a_compiler_that_cannot_be_run_is_a_reason(tmp_path, monkeypatch):
    path = tmp_path / "broken"
    path.write_bytes(b"\x7fELF nothing")
    path.chmod(0o755)
    monkeypatch.setenv("CXX", str(path))
    with pytest.raises(Unsupported, match="could not be built or loaded"):
        toolchain.build(SOURCE.format(6))


def test_a_compiler_that_never_ends_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", script(tmp_path, '[ "$1" = --version ] && exit 0\nexec sleep 60'))
    monkeypatch.setattr(toolchain, "LONGEST_S", 0.2)
    with pytest.raises(Unsupported, match="took longer than"):
        toolchain.build(SOURCE.format(7))


def test_without_a_compiler_the_reason_is_a_sentence(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(Unsupported, match="no C\\+\\+ compiler was found"):
        toolchain.build(SOURCE.format(8))


def test_where_the_cache_cannot_be_made_a_temporary_folder_serves(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(toolchain.tempfile, "tempdir", None)
    assert toolchain.build(SOURCE.format(9)).answer() == 9
    assert toolchain.cache_folder().is_relative_to(tmp_path)


def test_where_the_cache_cannot_be_written_a_temporary_folder_serves(cache, monkeypatch):
    cache.mkdir(parents=True)
    # For root every folder is writable, so the answer is given by hand.
    monkeypatch.setattr(toolchain.os, "access", lambda path, mode: False)
    assert toolchain.cache_folder() != cache


def test_where_there_is_no_home_a_temporary_folder_serves(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(toolchain.Path, "home", homeless)
    assert toolchain.cache_folder().name.startswith("ravine-native-")
