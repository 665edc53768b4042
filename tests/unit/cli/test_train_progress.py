"""Progress of a training from its events."""

import io

from rich.console import Console

from ravine.cli import train_progress
from ravine.cli.train_progress import Speed, TrainingBars, TrainingLines, watching
from ravine.trainer import Began, Ended, Evaluated, Noted, Skipped, Stepped
from ravine.trainer.events import unobserved

EVENTS = [
    Noted("look"),
    Began(1000, 0, 2410, ("adamw [at] lr 0.1",)),
    Stepped(1, 2.5, 0.75, 0.1, 64),
    Skipped(1, 512.0),
    Stepped(2, 2.25, 0.5, 0.1, 64),
    Evaluated(2, "validation", {"loss": 2.0, "accuracy": 0.5}, True),
]


def console(*, terminal=False):
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, color_system=None)


def test_lines_say_what_is_set_and_every_evaluation():
    lines = TrainingLines(console())
    for event in [*EVENTS, Ended(2, "patience"), Evaluated(2, "test", {"loss": 3.0}, False)]:
        lines(event)
    written = lines._console.file.getvalue().splitlines()
    assert written[:4] == [
        "note: look",
        "set: adamw [at] lr 0.1",
        "train: 2,410 parameters, 1,000 steps",
        "step     2  training loss 2.25  validation loss 2  accuracy 0.5  best",
    ]
    assert written[4].startswith("train: patience ran out after 2 steps, ")
    assert written[4].endswith(" examples/s, 1 steps left out for overflow")
    assert written[5] == "test: loss 3"


def test_a_bar_has_loss_norm_rate_and_speed():
    bars = TrainingBars(console(terminal=True))
    page = console(terminal=True)
    page.print(bars.render())
    for event in EVENTS:
        bars(event)
    page.print(bars.render())
    bars(Ended(2, "steps"))
    page.print(bars.render())
    shown = page.file.getvalue()
    for part in ("loading the task", "2 of 1,000 steps,", "loss 2.25", "gradient norm 0.5", "lr 0.1", "examples/s", "evaluating"):
        assert part in shown


def test_speed_is_that_of_the_last_seconds(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(train_progress.time, "perf_counter", lambda: now[0])
    speed = Speed()
    for second in range(20):
        now[0] += 1.0
        speed.take(10 if second < 10 else 50)
    assert speed.per_second == 50.0
    assert speed.examples == 600


def test_quiet_is_silent_and_files_get_lines(capsys):
    with watching(quiet=True) as observer:
        assert observer is unobserved
    with watching(quiet=False) as observer:
        observer(Noted("x"))
    assert capsys.readouterr().err == "note: x\n"
