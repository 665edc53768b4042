"""Textbook claims about optimisers as experiments: what would decide each is fixed before it runs, and the run says what it says."""

from ravine.lessons._criterion import Judged, Part, Sample, Verdict, exact, median_over_seeds, over_seeds, share_of_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._registry import get, names
from ravine.lessons._running import Outcome, run, run_all

__all__ = [
    "Judged",
    "Lesson",
    "Measured",
    "Outcome",
    "Part",
    "Sample",
    "Verdict",
    "exact",
    "get",
    "median_over_seeds",
    "names",
    "over_seeds",
    "run",
    "run_all",
    "share_of_seeds",
]
