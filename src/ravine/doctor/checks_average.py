"""An average of the weights that is evaluated in place of the trained ones: whether it follows them, and its statistics with it."""

import math
from collections.abc import Iterator

import numpy as np

from ravine.doctor.evaluated import followed, stale
from ravine.doctor.loop_log import LoopLog
from ravine.records.findings import Finding, Severity

LOADING = "loading"
STALE, BEHIND = "averaged weights are evaluated with old statistics", "averaged weights do not follow the trained ones"
WAY = 0.5
"""Share of the way of the trained weights that an average must have gone, in the median of the late evaluations."""
HALF = 0.5
"""Share of the fall of the training loss that validation must have made once; of an average that follows it always has."""
_WEIGHT_AVERAGING = "PyTorch documentation, weight averaging"


def averages(log: LoopLog) -> Iterator[Finding]:
    """What is wrong with it.

    Args:
        log: of the run so far.
    """
    yield from _stale(log)
    yield from _behind(log)


def _stale(log: LoopLog) -> Iterator[Finding]:
    evaluations = stale(log.evaluated)
    if not evaluations:
        return
    remedy = "Before each evaluation: torch.optim.swa_utils.update_bn(loader, averaged); or average with "
    remedy += "torch.optim.swa_utils.AveragedModel, which takes over the buffers."
    measured = f"running means and variances of {log.evaluated[-1].layers} layers stayed the same over {evaluations} evaluations, "
    measured += "while the weights moved, and the statistics of the trained model"
    yield _found("error", STALE, measured, "statistics that move with the weights", remedy)


def _behind(log: LoopLog) -> Iterator[Finding]:
    way, dtype = followed(log.evaluated), log.evaluated[-1].dtype if log.evaluated else ""
    if not way < WAY or not _lags(log, unknown=bool(dtype)):
        return
    kept = f"; it is kept in {dtype}" if dtype else ""
    measured = f"went {max(way, 0.0):.0%} of the way of the trained weights since the first evaluation{kept}"
    remedy = "Average after every optimizer.step(), with a decay whose memory, 1 / (1 - decay) steps, is well below the length of the run."
    if dtype:
        remedy = f"Keep the average in the type of the trained weights, for in {dtype} small steps are lost in rounding: "
        remedy += "copy.deepcopy(model); cast a copy of it where it is evaluated."
    yield _found("warning", BEHIND, measured, f"{WAY:.0%}", remedy)


def _lags(log: LoopLog, *, unknown: bool) -> bool:
    """Whether validation has not made half of the training's fall; `unknown` where no loss says so."""
    seen = [values["loss"] for _, values in log.validations if math.isfinite(values.get("loss", math.nan))]
    if not seen or log.broken is not None:
        return unknown and not seen
    start, end = float(np.mean(log.losses[:3])), float(np.mean(log.losses[-max(1, len(log.losses) // 10) :]))
    return end <= HALF * start and min(seen) > start - HALF * (start - end)


def _found(severity: Severity, title: str, measured: str, threshold: str, remedy: str) -> Finding:
    return Finding(severity, LOADING, title, measured, threshold, _WEIGHT_AVERAGING, "the evaluated model", remedy)
