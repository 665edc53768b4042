"""`ravine tasks`, `optimizers` and `schedules`."""

import pytest

from ravine import rules, schedules, tasks
from ravine.cli.main import main


def listed(capsys, command):
    assert main([command]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "names"),
    [("tasks", tasks.names()), ("optimizers", rules.names()), ("schedules", [*schedules.names(), *schedules.FEEDBACK])],
)
def test_every_name_has_a_paragraph(capsys, command, names):
    text = listed(capsys, command)
    assert [line for line in text.splitlines() if line and not line.startswith(" ") and " " not in line] == list(names)
    assert max(map(len, text.splitlines())) <= 120


def test_an_optimiser_has_paper_defaults_rates_and_state(capsys):
    paragraph = next(part for part in listed(capsys, "optimizers").split("\n\n") if part.startswith("adamw\n"))
    for part in ("Loshchilov, Hutter (2019)", "beta1=0.9", "weight_decay=0.01", "amsgrad=False", "12 rates from", "8 bytes per float32"):
        assert part in paragraph
    assert "lr=" not in paragraph


def test_tasks_have_their_options(capsys):
    text = listed(capsys, "tasks")
    assert "noise=0.2" in text
    assert "target=sine (or step, two-bumps, sawtooth)" in text
    # The default is not among the others, wherever it stands.
    assert "normalisation=layer (or none, rms, batch)" in " ".join(text.split())


def test_schedules_have_their_settings(capsys):
    text = listed(capsys, "schedules")
    assert "multiplier: floor + (1 - floor) (1 - x)\n    settings: floor=0.0\n" in text
    assert "take warmup=N (steps, or a share of the horizon) and warmup_kind=linear|exponential|constant" in text
    assert "in Python only: it looks at a metric" in text


def test_wrappers_are_listed_with_their_settings(capsys):
    text = " ".join(listed(capsys, "optimizers").split())
    assert all(f" +{name} " in text for name in rules.WRAPPERS)
    assert "+lookahead Every k steps, go back part of the way" in text
    assert "Defaults: lookahead_k=5, lookahead_alpha=0.5. Paper: Zhang, Lucas, Hinton, Ba (2019)" in text
