"""`ravine surface`: table, JSON, pictures, and bad input in one sentence before any work."""

import json

import pytest

from ravine.cli import surface
from ravine.cli.main import main
from ravine.surfaces import race

FAST = ("--optimizers", "sgd,adam", "--lr", "0.01,0.1", "--steps", "20")


def out(capsys, *arguments):
    assert main(["surface", *arguments]) == 0
    return capsys.readouterr()


def refused(capsys, *arguments):
    assert main(["surface", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_a_table_with_its_protocol(capsys):
    text = out(capsys, "ravine", "--tuned", *FAST).out
    assert "best of the same 2 rates from 0.01 to 0.1" in " ".join(text.split())
    assert [line.split()[0] for line in text.splitlines() if line.startswith((" sgd", " adam"))] == ["sgd", "adam"]


def test_json_is_the_race(capsys):
    found = json.loads(out(capsys, "bowl", "--json", *FAST, "--noise", "0.5", "--seed", "3", "--start", "1,-1").out)
    wanted = race("bowl", ["sgd", "adam"], lr=(0.01, 0.1), steps=20, noise=0.5, seeds=(3,), start=(1.0, -1.0)).summary()
    assert found == json.loads(json.dumps(wanted))


def test_a_formula_with_its_own_domain(capsys):
    found = json.loads(out(capsys, "x^2 + 4*y^2", "--json", *FAST, "--domain", "-4,4,-2,2", "--start=3,1").out)
    assert found["surface"]["domain"] == [[-4.0, 4.0], [-2.0, 2.0]]
    assert found["surface"]["formula"] == "x^2 + 4*y^2"


@pytest.mark.parametrize("name", ["a.png", "a.svg", "a.json", "a.gif"])
def test_files(capsys, tmp_path, monkeypatch, name):
    from ravine.report import surface_animation

    monkeypatch.setattr(surface_animation, "FRAMES", 2)
    path = tmp_path / name
    assert f"figure  {path}" in out(capsys, "bowl", *FAST, "-o", str(path)).out
    assert path.stat().st_size > 1000
    assert "exists; give --force" in refused(capsys, "bowl", *FAST, "-o", str(path))


def test_the_dark_ground(capsys, tmp_path):
    for option in ([], ["--dark"]):
        out(capsys, "bowl", *FAST, *option, "-o", str(tmp_path / f"{len(option)}.png"))
    assert (tmp_path / "0.png").read_bytes() != (tmp_path / "1.png").read_bytes()


@pytest.fixture
def no_work(monkeypatch):
    """Whatever is refused is refused before anything runs."""

    def fail(*given, **options):
        raise AssertionError("work was begun")

    from ravine import surfaces
    from ravine.surfaces.paths import Walk

    monkeypatch.setattr(Walk, "positions", fail)
    monkeypatch.setattr(surfaces, "slice_around", fail)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["rosenbrok"], "no surface is called 'rosenbrok'; did you mean 'rosenbrock'?"),
        (["x**2 + z"], "'z' in the formula 'x**2 + z' is not known. Allowed are numbers, x, y, pi, e"),
        (["log(x)"], "has no finite height at its start (-3, 2). Give another start, such as --start 1,1."),
        (["bowl", "--optimizers", "adma"], "no optimizer is called 'adma'; did you mean 'adam"),
        (["bowl", "--lr", "abc"], "--lr abc: must be numbers separated by commas"),
        (["bowl", "--lr", "0"], "must be above 0"),
        (["bowl", "--tuned", "--lr", "0.1"], "--tuned and --lr 0.1 exclude each other"),
        (["bowl", "--start", "1"], "--start 1: must be 2 numbers separated by commas"),
        (["bowl", "--domain", "1,2,3"], "--domain 1,2,3: must be 4 numbers"),
        (["bowl", "--domain", "2,1,0,1"], "must ascend and be finite"),
        (["bowl", "--steps", "0"], "steps=0"),
        (["bowl", "--noise", "-1"], "noise=-1"),
        (["bowl", "-o", "nowhere/a.png"], "the folder nowhere does not exist"),
        (["bowl", "-o", "a.bmp"], "must end in .json, .pdf, .png, .svg, .gif, .mp4"),
        (["slice:digits", "-o", "a.gif"], "must end in .json, .pdf, .png, .svg;"),
        (["bowl", "--dark"], "--dark has no effect without --out"),
        (["bowl", "--points", "3"], "--points has no effect on a race on a surface"),
        (["slice:digits", "--lr", "0.1"], "--lr has no effect on a slice"),
    ],
)
@pytest.mark.usefixtures("no_work")
def test_bad_input(capsys, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *arguments)


@pytest.mark.usefixtures("no_work")
def test_an_mp4_without_ffmpeg_is_refused_first(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "ffmpeg" in refused(capsys, "bowl", "-o", str(tmp_path / "a.mp4"))


def test_endings_of_films_are_those_that_can_be_written():
    from ravine.report.surface_animation import SUFFIXES

    assert surface.FILMS == SUFFIXES
