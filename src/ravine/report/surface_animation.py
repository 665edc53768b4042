"""A race on a surface as a film: the same picture, its lines growing step by step."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ravine.base.errors import InputError
from ravine.records.surfaces import SurfaceRace
from ravine.report._styles import theme_named
from ravine.report.surface_maps import Strand
from ravine.report.surfaces import drawn

SUFFIXES = (".gif", ".mp4")
FRAMES = 75
PER_SECOND = 15
HELD_S = 2.0
"""For how long the end stays."""
DOTS = 80
"""Of an inch: a quarter of the picture's bytes, and as sharp as a film on a page is shown."""


def surface_animation(race: SurfaceRace, path: str | os.PathLike[str], *, theme: str = "light") -> Path:
    """Write a film of a race on a surface.

    Early steps, which are the long ones, get as much time as the many late ones.

    Args:
        race: what to draw.
        path: where to write it, as GIF or MP4 by its suffix.
        theme: "light" or "dark".

    Raises:
        InputError: another suffix, no ffmpeg for an MP4, or the file cannot be written.
    """
    target, look = check_film(Path(path)), theme_named(theme)
    figure, strands = drawn(race, look)
    figure.set_dpi(DOTS)
    frames = list(_frames(figure.canvas, strands, _steps(race)))
    draft = target.with_name(f".{target.stem}.draft{target.suffix.lower()}")
    try:
        (_write_gif if target.suffix.lower() == ".gif" else _write_mp4)(draft, frames)
        draft.replace(target)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {error.returncode}"]
        raise InputError(f"{target} cannot be written by ffmpeg: {said[0]}; repair ffmpeg, or give a name in .gif.", given=path) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{target} cannot be written: {reason}; check the folder and its permissions.", given=path) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
    return target


def check_film(path: Path) -> Path:
    """The path, or `InputError` where its suffix is no film's, or what writes it is missing."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"{path}: a film's name must end in {' or '.join(SUFFIXES)}; give such a name.", given=path)
    if path.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise InputError(f"{path}: an MP4 is written by ffmpeg, which is not there; install it, or give a name in .gif.", given=path)
    return path


def _steps(race: SurfaceRace) -> list[int]:
    """Where the film stops: even steps of the square root."""
    return [int(step) for step in np.unique(np.round(np.linspace(0, race.steps**0.5, FRAMES) ** 2))]


def _frames(canvas: Any, strands: Sequence[Strand], steps: Sequence[int]) -> Iterator[np.ndarray]:
    """Pictures, (height, width, 3): what stands still is drawn once, what grows again and again, and at the end everything."""
    # Laid out once, with everything in it, or axes would breathe from frame to frame.
    canvas.figure.draw_without_rendering()
    canvas.figure.set_layout_engine("none")
    data = [np.asarray(strand.line.get_xydata()) for strand in strands]
    for strand in strands:
        for artist in (strand.line, *strand.marks):
            artist.set_visible(False)
    canvas.draw()
    still = canvas.copy_from_bbox(canvas.figure.bbox)
    for step in steps:
        canvas.restore_region(still)
        for strand, points in zip(strands, data, strict=True):
            strand.line.set_visible(True)
            strand.line.set_data(*points[: step + 1].T)
            assert strand.line.axes is not None
            strand.line.axes.draw_artist(strand.line)
        yield np.array(canvas.buffer_rgba())[..., :3]
    for strand in strands:
        for mark in strand.marks:
            mark.set_visible(True)
    canvas.draw()
    yield np.array(canvas.buffer_rgba())[..., :3]


def _write_gif(path: Path, frames: Sequence[np.ndarray]) -> None:
    # The colours of the last frame, which holds all there are, serve every one: no flicker, and fewer bytes.
    last = Image.fromarray(frames[-1]).quantize(256, dither=Image.Dither.NONE)
    images = [Image.fromarray(frame).quantize(palette=last, dither=Image.Dither.NONE) for frame in frames]
    each = round(1000 / PER_SECOND)
    images[0].save(path, save_all=True, append_images=images[1:], duration=[each] * (len(images) - 1) + [round(1000 * HELD_S)], loop=0)


def _write_mp4(path: Path, frames: Sequence[np.ndarray]) -> None:
    """By ffmpeg, which is handed plain pixels; players want even sides."""
    height, width = (side - side % 2 for side in frames[0].shape[:2])
    shown = [*frames, *[frames[-1]] * round(HELD_S * PER_SECOND)]
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(PER_SECOND), "-i", "-"]
    command = ["ffmpeg", "-y", "-loglevel", "error", *given, "-pix_fmt", "yuv420p", str(path)]
    pixels = b"".join(np.ascontiguousarray(frame[:height, :width]).tobytes() for frame in shown)
    subprocess.run(command, input=pixels, check=True, capture_output=True)
