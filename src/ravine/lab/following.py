"""A record that another process writes, followed: the server looks whether it has changed and never asks for the writer's lock."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

from ravine.base.errors import RecordError
from ravine.lab.answers import text
from ravine.lab.shelf import gone
from ravine.records import Record, open_record

PAUSE_S = 0.5
"""Seconds between two looks."""

QUIET_S = 15.0
"""Seconds after which a stream says that it is still there."""

Tell: TypeAlias = Callable[[str, dict[str, Any]], None]
"""Told "changed" with what the record says of itself, or at the end "gone" with a sentence."""


def watch(path: Path, tell: Tell, ending: threading.Event) -> None:
    """Look until `ending` is set or the record is gone; first tell how it stands.

    Args:
        path: the record.
        tell: called at every change.
        ending: set by another thread.
    """
    while not ending.is_set():
        try:
            with open_record(path) as record:
                _watch_open(record, tell, ending)
        except RecordError as error:
            tell("gone", {"error": str(error) if path.exists() else gone(path)})
            return


def _watch_open(record: Record, tell: Tell, ending: threading.Event) -> None:
    """Look until another file stands there under the record's name, or none."""
    same, version = _file(record.path), -1
    while not ending.is_set() and _file(record.path) == same:
        if (now := record.version) != version:
            version = now
            tell("changed", {"status": str(record.meta.get("status", "done")), "lanes": record.lane_counts()})
        ending.wait(PAUSE_S)


def _file(path: Path) -> tuple[int, int] | None:
    """Which file stands under a name."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_dev, about.st_ino


async def stream(path: Path, endings: set[threading.Event]) -> AsyncIterator[str]:
    """A record's changes as server-sent events, until it is gone.

    Args:
        path: the record.
        endings: of all streams; setting one ends its stream.
    """
    loop, said = asyncio.get_running_loop(), asyncio.Queue[tuple[str, dict[str, Any]] | None]()
    ending = threading.Event()

    def run() -> None:
        try:
            watch(path, lambda kind, data: hand((kind, data)), ending)
        finally:
            hand(None)

    def hand(told: tuple[str, dict[str, Any]] | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(said.put_nowait, told)

    endings.add(ending)
    threading.Thread(target=run, name=f"ravine-lab-{path.name}", daemon=True).start()
    number = 0
    try:
        while True:
            try:
                told = await asyncio.wait_for(said.get(), QUIET_S)
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if told is None:
                return
            number += 1
            yield f"id: {number}\nevent: {told[0]}\ndata: {text(told[1])}\n\n"
    finally:
        ending.set()
        endings.discard(ending)
