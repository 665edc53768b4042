"""Films of races on surfaces: lines grow, the end holds everything, and a failure leaves no half file."""

import shutil
import stat
import subprocess

import numpy as np
import pytest
from PIL import Image

from ravine.base.errors import InputError
from ravine.report import surface_animation as films
from ravine.report._styles import theme_named
from ravine.report.surfaces import drawn
from surface_races import few


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("film") / "race.gif"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(films, "FRAMES", 12)
        patch.setattr(films, "DOTS", 40)
        films.surface_animation(few(), path)
    return path


def test_a_gif_of_growing_lines(film):
    with Image.open(film) as image:
        assert image.format == "GIF"
        assert image.n_frames >= 10
        images = []
        for frame in (0, image.n_frames // 2, image.n_frames - 1):
            image.seek(frame)
            images.append(np.asarray(image.convert("RGB"), dtype=int))
            held = image.info["duration"]
    changed = [np.abs(later - images[0]).sum() for later in images[1:]]
    assert 0 < changed[0] < changed[1]
    assert held == 1000 * films.HELD_S


def test_the_last_frame_is_the_picture():
    figure, strands = drawn(few(), theme_named("dark"))
    figure.set_dpi(40)
    *_, last = films._frames(figure.canvas, strands, [0, 30, few().steps])
    whole, _ = drawn(few(), theme_named("dark"))
    whole.set_dpi(40)
    whole.canvas.draw()
    np.testing.assert_array_equal(last, np.asarray(whole.canvas.buffer_rgba())[..., :3])


def test_stops_are_closer_together_where_steps_are_long():
    stops = films._steps(few())
    assert (stops[0], stops[-1]) == (0, 60)
    assert stops == sorted(set(stops))
    assert stops[1] - stops[0] <= stops[-1] - stops[-2]


def test_nothing_else_is_left(film):
    assert [path.name for path in film.parent.iterdir()] == ["race.gif"]


def test_an_mp4_goes_through_ffmpeg(tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\nfor last; do :; done\necho "$@" > "$last"\nwc -c >> "$last"\n')
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(films, "FRAMES", 3)
    monkeypatch.setattr(films, "DOTS", 20)
    films.surface_animation(few(), tmp_path / "race.mp4")
    command, size = (tmp_path / "race.mp4").read_text().splitlines()
    width, height = (int(side) for side in command.split("-s ")[1].split()[0].split("x"))
    assert width % 2 == height % 2 == 0
    assert int(size) == width * height * 3 * (3 + 1 + films.HELD_S * films.PER_SECOND)


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg, which writes an MP4, is not installed")
def test_an_mp4_that_ffmpeg_reads_again(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "FRAMES", 3)
    monkeypatch.setattr(films, "DOTS", 20)
    films.surface_animation(few(), tmp_path / "race.mp4")
    command = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "race.mp4"), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    pixels = np.frombuffer(subprocess.run(command, check=True, capture_output=True).stdout, dtype=np.uint8)
    figure, _ = drawn(few(), theme_named("light"))
    figure.set_dpi(20)
    width, height = (side - side % 2 for side in figure.canvas.get_width_height())
    film = pixels.reshape(-1, height, width, 3).astype(int)
    assert len(film) == len(films._steps(few())) + 1 + films.HELD_S * films.PER_SECOND
    figure.canvas.draw()
    last = np.asarray(figure.canvas.buffer_rgba())[:height, :width, :3].astype(int)
    assert np.abs(film[-1] - last).mean() < 5, "but for what compression loses, the last frame is the picture"
    assert np.abs(film[0] - last).sum() > np.abs(film[-1] - last).sum()


def test_an_mp4_without_ffmpeg_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"written by ffmpeg, which is not there; install it, or give a name in \.gif"):
        films.check_film(tmp_path / "race.mp4")


@pytest.mark.parametrize(("words", "said"), [("", "exit status 3"), ("echo a line >&2; echo no encoder >&2; ", "no encoder")])
def test_a_failing_ffmpeg_is_one_sentence(words, said, tmp_path, monkeypatch):
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{words}exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(films, "FRAMES", 2)
    monkeypatch.setattr(films, "DOTS", 20)
    with pytest.raises(InputError, match=rf"race.mp4 cannot be written by ffmpeg: {said}; repair ffmpeg, or give a name in \.gif\."):
        films.surface_animation(few(), tmp_path / "race.mp4")
    assert not (tmp_path / "race.mp4").exists()


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"must end in .gif or .mp4"):
        films.surface_animation(few(), tmp_path / "race.avi")


def test_a_folder_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "FRAMES", 2)
    monkeypatch.setattr(films, "DOTS", 20)
    with pytest.raises(InputError, match="cannot be written: No such file or directory"):
        films.surface_animation(few(), tmp_path / "gone" / "race.gif")
