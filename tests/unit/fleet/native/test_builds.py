"""Builds wait for each other in threads, and say beforehand how long they take."""

import pytest

from ravine.fleet.native import builds, toolchain
from ravine.fleet.native.builds import BYTE_S, LIBRARY_S, Build, together
from ravine.fleet.native.values import Unsupported


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(toolchain, "compiler", lambda: "/bin/true")
    monkeypatch.setattr(toolchain, "_machine", lambda: b"here")
    return tmp_path


def test_a_build_forecasts_what_is_left_of_it(cache):
    build = Build("int x;" * 100)
    assert build.seconds == pytest.approx(LIBRARY_S + 600 * BYTE_S)
    assert Build("int x;", 7.0).seconds == 7.0
    toolchain.library_path(build.source).touch()
    assert build.seconds == 0.0


def test_builds_share_the_cores(cache, monkeypatch):
    monkeypatch.setattr(builds.os, "cpu_count", lambda: 2)
    assert together([Build(str(n), 3.0) for n in range(4)]) == 6.0
    assert together([Build("a", 5.0), Build("b", 1.0)]) == 5.0
    assert together([]) == 0.0


def test_a_library_is_built_once_whether_begun_or_not(monkeypatch):
    made = []
    monkeypatch.setattr(toolchain, "build", lambda source: made.append(source) or source.upper())
    begun = Build("a")
    begun.begin()
    begun.begin()
    assert [begun.library, begun.library, Build("b").library] == ["A", "A", "B"]
    assert sorted(made) == ["a", "b"]


def test_a_failure_reaches_who_asks(monkeypatch):
    def fail(source):
        raise Unsupported("no C++ compiler was found")

    monkeypatch.setattr(toolchain, "build", fail)
    build = Build("a")
    build.begin()
    with pytest.raises(Unsupported, match="no C"):
        _ = build.library
