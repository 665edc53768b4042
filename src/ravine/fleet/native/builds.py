"""Libraries that are built at the same time: the compiler is a process of its own, and a thread waits for each."""

import ctypes
import functools
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import final

from ravine.fleet.native import toolchain

LIBRARY_S = 0.15
"""Seconds that the compiler takes for next to nothing: reading the headers, linking."""

BYTE_S = 3e-5
"""Seconds for each further character of generated text (measured on training steps of small networks)."""


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, "ravine-build")


@final
class Build:
    """One library, from its text to memory.

    Args:
        source: the text.
        seconds: what compiling it takes, where that does not follow from its length.
    """

    def __init__(self, source: str, seconds: float | None = None) -> None:
        self.source = source
        self._seconds = LIBRARY_S + BYTE_S * len(source) if seconds is None else seconds
        self._under_way: Future[ctypes.CDLL] | None = None

    @property
    def seconds(self) -> float:
        """Forecast of what is left to do: nothing if the library lies in the cache."""
        return 0.0 if toolchain.compiler() is None or toolchain.library_path(self.source).exists() else self._seconds

    def begin(self) -> None:
        """Start building, without waiting."""
        if self._under_way is None:
            self._under_way = _threads().submit(toolchain.build, self.source)

    @functools.cached_property
    def library(self) -> ctypes.CDLL:
        """The library, once it is built.

        Raises:
            Unsupported: there is no compiler, or it failed.
        """
        return toolchain.build(self.source) if self._under_way is None else self._under_way.result()


def together(builds: Iterable[Build]) -> float:
    """Forecast of the seconds that builds take at the same time."""
    seconds = [build.seconds for build in builds]
    return max(max(seconds, default=0.0), sum(seconds) / (os.cpu_count() or 1))
