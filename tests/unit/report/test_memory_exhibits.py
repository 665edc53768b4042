"""Memory as tables and bars."""

import json

import pytest

from ravine.exhibits import Model, Plan, counted, every_optimizer, memory_of
from ravine.exhibits.memory import USUAL
from ravine.report.memory_exhibits import memory_figure, memory_summary, memory_text, optimizers_text, plans_text, size

NUMBER = counted(124e6)


def cells(text, first):
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [first])


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (999_600, "1 MB"), (1.984e9, "1.98 GB"), (5e17, "500 PB")]
)
def test_sizes_in_words(value, text):
    assert size(value) == text


def test_one_plan():
    text = memory_text(memory_of(NUMBER, Plan("adamw")))
    assert text.splitlines()[0] == "124,000,000 parameters: adamw, fp32"
    assert cells(text, "together") == ["together", "16", "1.98", "GB"]
    assert "give a TASK" in text
    shared = memory_text(memory_of(NUMBER, Plan("adamw", "mixed", zero=1, shards=8)))
    assert "for each of 8 processes" in shared
    assert cells(shared, "master") == ["master", "weights", "0.5", "62", "MB"]


def test_every_optimiser_the_least_first():
    lines = optimizers_text(every_optimizer(NUMBER, Plan())).splitlines()
    assert lines[0] == "124,000,000 parameters: fp32"
    rows = [line.split() for line in lines if line.split()[-1:] == ["GB"] or line.split()[-1:] == ["MB"]]
    assert rows[0] == ["sgd", "0", "8", "992", "MB"]
    totals = [float(row[2]) for row in rows]
    assert totals == sorted(totals)


def test_several_plans_have_the_columns_that_any_of_them_needs():
    text = plans_text([memory_of(NUMBER, plan) for plan in USUAL])
    assert "autocast" not in text
    assert "with ZeRO for each process" in text
    assert cells(text, "lion,") == ["lion,", "fp32", "4", "4", "4", "1.49", "GB"]
    assert max(map(len, text.splitlines())) <= 100


def test_what_was_measured_is_said():
    model = Model("m: Net", 1000, activations={"bf16": 5000}, rows=32, tensors=(("matrix", (10, 100)),))
    text = memory_text(memory_of(model, Plan("sgd", "bf16")))
    assert "one batch of 32" in text
    assert "autocast's copies of the weights" in text.replace("\n", " ")
    assert cells(text, "activations") == ["activations", "5", "5", "kB"]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_bars_are_the_components_end_to_end(theme, tmp_path):
    memories = [memory_of(NUMBER, plan) for plan in USUAL]
    axes = memory_figure(memories, tmp_path / "m.png", theme=theme).axes[0]
    assert (tmp_path / "m.png").stat().st_size > 1000
    widths = dict.fromkeys(range(len(memories)), 0.0)
    for bar in axes.patches:
        row = round(bar.get_y() + bar.get_height() / 2)
        assert bar.get_x() == pytest.approx(widths[row]), "each begins where the one before ends"
        widths[row] += bar.get_width()
    assert list(widths.values()) == pytest.approx([sum(one.per_parameter.values()) for one in memories])
    assert len({bar.get_hatch() for bar in axes.patches}) == 4, "told apart without colours"
    assert [text.get_text() for text in axes.texts][4] == "16 · 1.98 GB"
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[5] == "adamw, fp32, 8-bit state"


def test_a_precision_that_all_share_is_not_repeated():
    axes = memory_figure([memory_of(NUMBER, Plan(name)) for name in ("sgd", "adam")]).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["sgd", "adam"]


def test_a_summary_is_plain():
    found = json.loads(json.dumps(memory_summary([memory_of(NUMBER, Plan("sgd"))]), allow_nan=False))
    assert (found["schema"], found["figure"], found["model"]["trainable"]) == (1, "memory", 124_000_000)
    assert found["plans"][0]["bytes_per_parameter"]["total"] == 8
