"""Which schedules a training has."""

from types import SimpleNamespace

import pytest

from ravine.base.errors import InputError
from ravine.schedules import Between, Constant, Cosine, CosineRestarts, Linear, MultiStep, OneCycle, Plateau
from ravine.trainer import Options
from ravine.trainer.scheduling import Scheduling, resolve_scheduling

RECIPE = SimpleNamespace(schedule="linear", warmup=20, steps=200)


def scheduling(schedule=None, *, recipe=None, steps=100, optimizer="adamw", up=False, **options):
    return resolve_scheduling(Options(schedule=schedule, **options), recipe, steps, optimizer=optimizer, is_higher_better=up)


def test_the_rate_alone():
    usual = Cosine(horizon=100).warmup(3)
    assert scheduling() == scheduling("cosine") == scheduling({"lr": "cosine"}) == Scheduling(usual)
    assert scheduling("cosine:floor=0.1", warmup=9).rate == Cosine(horizon=100, floor=0.1).warmup(9)
    assert scheduling("cosine:warmup=9").rate == Cosine(horizon=100).warmup(9)
    assert scheduling(Cosine()).rate == Cosine(), "what somebody made is as they made it"
    assert scheduling(Cosine(), warmup=7).rate == Cosine().warmup(7)
    assert scheduling("one_cycle").rate == OneCycle(horizon=100), "what begins low needs no warm-up"


def test_a_recipe_comes_first_and_its_warm_up_grows_with_the_run():
    assert scheduling(recipe=RECIPE).rate == scheduling("linear", recipe=RECIPE).rate == Linear(horizon=100).warmup(10)
    assert scheduling("cosine", recipe=RECIPE).rate == Cosine(horizon=100).warmup(3)


def test_other_hypers_by_symbol_or_key():
    found = scheduling({"weight_decay": "linear", "beta2": Cosine(floor=0.9)})
    assert found.rate == Cosine(horizon=100).warmup(3)
    assert found.others == ({"weight_decay": Linear(), "betas[1]": Cosine(floor=0.9)},)


def test_a_momentum_falls_where_the_rate_rises():
    for key, optimizer in (("momentum", "momentum"), ("betas[0]", "adamw"), ("beta1", "adamw")):
        found = scheduling({"lr": "one_cycle", key: "one_cycle"}, optimizer=optimizer)
        assert list(found.others[0].values()) == [OneCycle().momentum()]
    assert scheduling({"betas[1]": "one_cycle"}).others[0] == {"betas[1]": OneCycle()}


def test_groups_may_have_their_own():
    found = scheduling([{"lr": "constant"}, {"lr": Linear(), "weight_decay": "linear"}], warmup=0)
    assert found.rate == Constant(horizon=100)
    assert found.others == ({"lr": Constant(horizon=100)}, {"lr": Linear(), "weight_decay": Linear()})


def test_a_plateau_knows_which_way_is_up():
    found = scheduling("plateau:patience=2", up=True)
    assert found == Scheduling(Constant(horizon=100).warmup(3), (), Plateau(patience=2, mode="max"))
    assert scheduling(Plateau(), warmup=0).plateau.mode == "min"
    assert scheduling({"lr": "plateau", "weight_decay": "linear"}).others == ({"weight_decay": Linear()},)


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        (
            Cosine(horizon=101),
            "the lr schedule's horizon is at 101 steps and the training ends at 100: it would end where it should not. Train",
        ),
        ({"weight_decay": Cosine(horizon=300)}, "the weight_decay schedule's horizon is at 300 steps"),
        ({"betas[0]": Between(Linear(horizon=300), 0.1, 0.2)}, r"the betas\[0\] schedule's horizon is at 300 steps"),
        (MultiStep(milestones=(50, 200)), "last milestone is at 200 steps"),
        ("cosine_restarts:t_0=150", "first restart is at 150 steps"),
        (Cosine(horizon=60) >> Cosine(horizon=60), "end is at 120 steps"),
        (3, r"schedule is of type int: must be a name or a ravine\.schedules\.Schedule\. Use one, or a loop of your own\."),
        ([], r"schedule=\[\]: must hold a schedule of the rate for each param group"),
        ([{"weight_decay": "linear"}], "must hold a schedule of the rate for each param group"),
        ([{"lr": "plateau"}], "and no plateau, which is of all groups"),
        ({"weight_decay": "plateau"}, r"schedule weight_decay=plateau: a plateau is of the rate only\. Give weight_decay a schedule"),
        (Between(Linear(), 0.1, 0.2), r"schedule lr=Between\(\.\.\.\): the rate takes multipliers of lr"),
        (Plateau(mode="max"), "plateau with mode='max', and of the monitored metric lower is better. Leave mode out"),
        ("cosine_restarts:warmup=100", "warmup=100 is 100 steps of a horizon of 100: must be shorter"),
    ],
    ids=str,
)
def test_what_cannot_be_is_one_sentence(schedule, sentence):
    with pytest.raises(InputError, match=sentence):
        scheduling(schedule)


def test_what_fits_is_taken():
    for schedule in (Cosine(horizon=100), MultiStep(milestones=(50, 99)), CosineRestarts(t_0=100), Cosine(horizon=50) >> Linear()):
        assert scheduling(schedule).rate == schedule
