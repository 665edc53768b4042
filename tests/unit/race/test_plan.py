"""Options checked as a whole, and the step grid of evaluations."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import SGD

from ravine.base.errors import InputError, PlanError
from ravine.race.final_seeds import DEFAULT_SEEDS
from ravine.race.plan import DEFAULT_OPTIMIZERS, DEFAULT_STEPS, evaluation_grid, make_plan
from ravine.rules import get, names
from ravine.tasks import load

LINE = load("line")


def test_the_defaults():
    plan = make_plan(LINE)
    assert [entrant.optimizer for entrant in plan.entrants] == list(DEFAULT_OPTIMIZERS)
    assert (plan.steps, plan.seeds, plan.schedule_name, plan.is_shared_lr, plan.extends) == (
        DEFAULT_STEPS,
        DEFAULT_SEEDS,
        "constant",
        False,
        True,
    )
    assert all(len(entrant.grid) == 12 and entrant.grid == get(entrant.optimizer).grid() for entrant in plan.entrants)


def test_every_problem_is_reported_together_with_a_sentence_for_each():
    with pytest.raises(PlanError) as caught:
        make_plan(
            LINE,
            optimizers=["adamm", "sgd", "lionn"],
            schedule="cosin",
            steps=0,
            seeds=0,
            target=float("nan"),
            race_seed=-1,
            lrs=[0.1, -1.0],
        )
    problems = caught.value.problems
    for given_ in ("'adamm'", "'lionn'", "'cosin'", "steps=0", "seeds=0", "target=nan", "race seed=-1", "lr=-1.0"):
        assert sum(given_ in problem for problem in problems) == 1, given_
    assert len(problems) == 8
    assert not any("\n" in problem for problem in problems)


def test_rates_for_all_and_one_shared_rate_exclude_each_other():
    with pytest.raises(PlanError, match="exclude each other"):
        make_plan(LINE, lrs=[0.1], shared_lr=0.1)


def test_rates_of_ones_own_are_sorted_freed_of_repeats_and_left_alone():
    plan = make_plan(LINE, optimizers=["sgd"], lrs=[0.1, 0.01, 0.1])
    assert plan.entrants[0].grid == (0.01, 0.1)
    assert not plan.extends


def test_a_bare_number_is_a_grid_of_one():
    assert make_plan(LINE, optimizers=["sgd"], lrs=0.1).entrants[0].grid == (0.1,)


def test_a_shared_rate_is_one_rate_and_not_tuned():
    plan = make_plan(LINE, optimizers=["sgd", "adam"], shared_lr=0.1)
    assert [entrant.grid for entrant in plan.entrants] == [(0.1,), (0.1,)]
    assert plan.is_shared_lr
    assert not plan.extends


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"optimizers": []}, "no optimisers were named"),
        ({"optimizers": "sgd,adam"}, "must be a list of names"),
        ({"lrs": []}, "no learning rates"),
        ({"lrs": [float("inf")]}, "lr=inf"),
        ({"shared_lr": 0.0}, "lr=0.0"),
        ({"shared_lr": "high"}, "lr='high'"),
        ({"lrs": 0.1, "shared_lr": "0.1"}, "--lrs 0.1 and --shared-lr '0.1' exclude each other"),
        ({"lrs": -0.1}, "lr=-0.1"),
        ({"optimizers": [SGD]}, "<class 'torch.optim.sgd.SGD'> among optimizers: must be a name, such as 'adam'"),
        ({"optimizers": ["adam", {}]}, "{} among optimizers: must be a name"),
        ({"optimizers": SGD}, "must be a list of names, such as ['sgd', 'adam']. Known: sgd, momentum, nesterov"),
        ({"schedule": 3}, "no schedule is called 3"),
        ({"steps": 5, "epochs": 1}, "exclude each other"),
        ({"epochs": -1.0}, "epochs=-1.0"),
        ({"steps": 2.5}, "steps=2.5"),
    ],
)
def test_one_bad_option_is_one_problem(options, said):
    with pytest.raises(PlanError, match=r"^[^\n]*$") as caught:
        make_plan(LINE, **options)
    assert len(caught.value.problems) == 1
    assert said in caught.value.problems[0]


def test_epochs_are_turned_into_steps():
    assert LINE.steps_per_epoch == 5
    assert make_plan(LINE, epochs=3).steps == 15
    assert make_plan(LINE, epochs=0.5).steps == 2
    assert make_plan(LINE, epochs=0.001).steps == 1


def test_a_plan_error_is_an_input_error():
    with pytest.raises(InputError):
        make_plan(LINE, steps=-1)


@given(steps=st.integers(1, 200_000))
def test_the_grid_of_evaluations_ascends_from_0_to_the_end(steps):
    grid = evaluation_grid(steps)
    assert grid[0] == 0
    assert grid[-1] == steps
    assert all(later > earlier for earlier, later in itertools.pairwise(grid))
    assert len(grid) <= 41 + steps.bit_length()


def test_the_grid_doubles_up_to_its_first_even_step():
    assert evaluation_grid(1000)[:8] == (0, 1, 2, 4, 8, 16, 25, 50)
    assert evaluation_grid(1) == (0, 1)
    assert evaluation_grid(10) == tuple(range(11))


def test_rungs_are_there_unless_every_rate_shall_run_or_there_are_too_few():
    assert [rung.step for rung in make_plan(LINE).rungs] == [25, 100, 325]
    assert make_plan(LINE, exhaustive=True).rungs == ()
    assert make_plan(LINE, shared_lr=0.1).rungs == ()
    assert make_plan(LINE, lrs=[0.1, 0.2, 0.3]).rungs == ()
    assert make_plan(LINE, lrs=[0.1, 0.2, 0.3, 0.4]).rungs != ()
    assert make_plan(LINE, steps=10).rungs == ()
    with pytest.raises(PlanError, match="--exhaustive has no effect with --shared-lr"):
        make_plan(LINE, shared_lr=0.1, exhaustive=True)


def test_targets_come_from_plain_adamw_on_whichever_schedule():
    def reference(*names):
        return make_plan(LINE, optimizers=names).reference

    assert reference("sgd", "adamw+cosine", "adamw+wsd") == "adamw+cosine"
    assert reference("sgd", "adamw+cosine", "adamw") is None, "the ranking looks for the name itself"
    assert reference("sgd", "adamw+clip+cosine") is None


def test_all_leaves_out_what_the_task_cannot_serve_and_names_it():
    classes, numbers = load("digits"), LINE
    everybody = make_plan(classes, optimizers=["all"])
    assert [entrant.label for entrant in everybody.entrants] == list(names())
    assert everybody.notes == ()
    others = make_plan(numbers, optimizers=["all"])
    assert [entrant.label for entrant in others.entrants] == [name for name in names() if name != "sophia_g"]
    assert others.notes[0].startswith("without sophia_g: the task has an output of (1, 1)")
    with pytest.raises(PlanError, match="sophia_g draws labels"):
        make_plan(numbers, optimizers=["sgd", "sophia_g"])
