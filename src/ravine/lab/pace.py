"""How many steps to ask for, and when: the only place where the speed of a race meets the clock."""

import time
from dataclasses import dataclass

STRETCH_S = 0.02
"""Seconds that steps asked for together should take: short, so that a pause is felt at once."""

AHEAD = 2
"""Stretches that are asked for before the first has come, so that the training never waits for the server."""

MOST_AT_ONCE = 256
PATIENT_S = 0.25
"""Seconds of a speed that may be caught up on: a machine that cannot hold it goes on at its own."""


@dataclass(slots=True)
class Pace:
    """The pace of one session.

    Attributes:
        speed: steps a second; None for as many as possible.
        is_playing: whether steps are wanted without end.
        due: steps that are wanted besides, one by one.
        asked: stretches that are on their way.
        step_s: seconds of a step as measured.
        seconds: of all steps so far.
    """

    speed: float | None = None
    is_playing: bool = False
    due: int = 0
    asked: int = 0
    step_s: float = 5e-3
    seconds: float = 0.0
    _owed: float = 0.0
    _at: float = 0.0
    _last: float = 0.0

    def play(self) -> None:
        """Want steps without end."""
        self.is_playing, self._owed, self._at = True, 1.0, time.perf_counter()

    def stop(self) -> None:
        """Want no more steps."""
        self.is_playing, self.due = False, 0

    def forget(self) -> None:
        """Nothing is on its way any more."""
        self.asked, self.due, self._last = 0, 0, 0.0

    def next(self) -> int:
        """Steps to ask for now; 0 for none."""
        if self.asked >= AHEAD:
            return 0
        most = max(1, min(MOST_AT_ONCE, int(STRETCH_S / self.step_s)))
        if self.due:
            count = min(self.due, most)
            self.due -= count
        elif not self.is_playing:
            return 0
        elif self.speed is None:
            count = most
        else:
            count = self._earned(self.speed, most)
        if count:
            self.asked += 1
            self._last = self._last or time.perf_counter()
        return count

    def _earned(self, speed: float, most: int) -> int:
        now = time.perf_counter()
        self._owed = min(self._owed + speed * (now - self._at), max(1.0, speed * PATIENT_S))
        self._at = now
        count = min(int(self._owed), most)
        self._owed -= count
        return count

    def taken(self, steps: int) -> None:
        """Take in that a stretch has come."""
        now = time.perf_counter()
        spent = now - self._last if self._last else 0.0
        self.asked = max(0, self.asked - 1)
        self._last = now if self.asked else 0.0
        self.seconds += spent
        if steps:
            self.step_s += 0.3 * (max(spent / steps, 1e-6) - self.step_s)
