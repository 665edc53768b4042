"""Why a stage runs as it does, in plain text: what was measured, what was not tried, and how good the forecast was."""

import math

from ravine.cli._tally import duration, size
from ravine.fleet import Choice
from ravine.fleet.calibration import Trial


def explanation(choice: Choice, memory_bytes: int) -> list[str]:
    """Lines for `--explain`.

    Args:
        choice: how the stage is run.
        memory_bytes: its forecast of memory.
    """
    if not choice.trials:
        return [f"  runs {choice.mode}, as it was begun; nothing was measured again"]
    measured = sorted((trial for trial in choice.trials if trial.total_s < math.inf), key=lambda trial: trial.total_s)
    lines = [f"  {'mode':9} {'us per lane-step':>16} {'lanes':>6} {'built in':>9} {'one process':>12}"]
    lines += [_row(trial, is_chosen=trial.mode == choice.mode) for trial in measured]
    lines += [f"  {trial.mode:9} not tried: {trial.why_not}" for trial in choice.trials if trial.why_not]
    processes = "this process alone" if choice.num_workers == 1 else f"{choice.num_workers} worker processes"
    lines.append(f"  {choice.mode}, tiles of up to {choice.tile}, {processes}, {size(memory_bytes)}: forecast {duration(choice.seconds)}")
    return lines


def _row(trial: Trial, *, is_chosen: bool) -> str:
    built = duration(trial.build_s) if trial.build_s >= 0.05 else "-"
    mark = "  <- chosen" if is_chosen else ""
    return f"  {trial.mode:9} {trial.step_s * 1e6:16.4g} {trial.tile:6d} {built:>9} {duration(trial.total_s):>12}{mark}"


def hindsight(choice: Choice, took_s: float, diverged: int) -> str:
    """How good the forecast was."""
    early = f"; {diverged} lanes diverged and ended early" if diverged else ""
    return f"  forecast {duration(choice.seconds)}, took {duration(took_s)} ({choice.seconds / max(took_s, 1e-9):.2f} of it{early})"
