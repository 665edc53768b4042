"""`ravine memory`: one plan, all optimisers, a task, JSON, and bad input in one sentence."""

import json

import pytest

from ravine.cli.main import main
from ravine.rules import names


def out(capsys, *arguments):
    assert main(["memory", *arguments]) == 0
    return capsys.readouterr().out


def numbers(capsys, *arguments):
    return json.loads(out(capsys, *arguments, "--json"))["plans"]


def test_adam_costs_sixteen_bytes_a_parameter(capsys):
    text = out(capsys, "--params", "124e6", "--optimizer", "adamw")
    assert text.startswith("124,000,000 parameters: adamw, fp32\n")
    assert ["together", "16", "1.98", "GB"] in [line.split() for line in text.splitlines()]
    (plan,) = numbers(capsys, "--params", "124e6", "--optimizer", "adamw")
    assert plan["bytes_per_parameter"] == {"parameters": 4, "gradients": 4, "state": 8, "total": 16}


def test_every_setting_is_taken(capsys):
    wanted = ("--optimizer", "lion", "--precision", "mixed", "--weights", "kahan", "--bits", "8", "--zero", "2", "--shards", "4")
    (plan,) = numbers(capsys, "--params", "1e9", *wanted)
    state = (1 + 4 / 256) / 4
    assert plan["bytes_per_parameter"] == pytest.approx(
        {"parameters": 2, "gradients": 0.5, "master": 0.5, "state": state, "total": 3 + state}
    )


def test_without_an_optimiser_all_are_listed(capsys):
    assert {plan["optimizer"] for plan in numbers(capsys, "--params", "1e6")} == set(names())
    text = out(capsys, "--params", "1e6", "--bits", "8")
    assert "prodigy" in text
    assert "muon" not in text, "its class keeps float32"


def test_a_task_s_activations_are_measured(capsys):
    text = out(capsys, "line", "--optimizer", "sgd", "--batch-size", "8")
    assert text.startswith("line: ")
    assert "one batch of 8" in text
    small, large = (numbers(capsys, "line", "--optimizer", "sgd", "--batch-size", rows)[0]["bytes"]["activations"] for rows in ("8", "16"))
    assert large == 2 * small


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "neither a TASK nor --params: must be one of them. Give --params 124e6, or a task such as digits."),
        (["line", "--params", "5"], "both the task line and --params: must be one of them"),
        (["--params", "-5"], "params=-5.0: must be at least 1 and at most 1e+18. Such as 124e6"),
        (["--params", "many"], "'many' is not a number"),
        (["--params", "5", "--batch-size", "2"], "--batch-size 2 has no effect on a number of parameters"),
        (["--params", "5", "--optimizer", "adm"], "no optimizer is called 'adm'; did you mean 'adam'"),
        (["--params", "5", "--precision", "fp12"], "no precision is called 'fp12'; did you mean 'fp32'"),
        (["--params", "5", "--bits", "7"], "bits=7: must be 8, 16 or 32"),
        (["--params", "5", "--zero", "1"], "zero=1 with shards=1: one process has nobody to share with"),
        (["--params", "5", "--shards", "8"], "shards=8 with zero=0: nothing is divided"),
        (["--params", "5", "--optimizer", "muon", "--bits", "8"], "bits=8 for 'muon': its class keeps state in float32"),
        (["line", "--batch-size", "0"], "batch size=0: must be a whole number, at least 1"),
        (["lin"], "no task is called 'lin'; did you mean 'line'"),
    ],
    ids=[
        *(
            "nothing",
            "both",
            "negative",
            "no-number",
            "batch",
            "optimizer",
            "precision",
            "bits",
            "one-shard",
            "no-stage",
            "muon",
            "no-rows",
        ),
        "task",
    ],
)
def test_bad_input_is_one_sentence(capsys, arguments, message):
    assert main(["memory", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert (captured.out, captured.err.count("\n")) == ("", 1)
