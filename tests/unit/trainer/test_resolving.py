"""Options, a recipe and defaults become settings; what cannot be is one sentence."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from ravine.base.errors import InputError, UnknownNameError
from ravine.schedules import Cosine
from ravine.tasks import Task, load
from ravine.trainer import Options, resolve
from ravine.trainer.resolving import is_transformer

RECIPE = SimpleNamespace(
    optimizer="momentum", lr=0.05, schedule="constant", hypers={"momentum": 0.9}, steps=200, warmup=20, batch_size=16, race_seed=3, seed=2
)


def settings(recipe=None, **options):
    return resolve(load("digits"), Options(**options), recipe)


def attention_task():
    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 1, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x)[0]

    pair = torch.zeros(8, 3, 4), torch.zeros(8, 3, 4)
    return Task("attention", Small, pair, pair, nn.functional.mse_loss)


def test_the_defaults_are_the_documented_ones():
    found = settings(steps=1000)
    assert (found.optimizer, found.lr, found.hypers) == ("adamw", 1e-3, {"weight_decay": 0.1, "beta2": 0.999})
    assert (found.schedule.name, found.schedule.warmup_length, found.clip, found.precision, found.spares) == (
        "cosine",
        30,
        1.0,
        "fp32",
        True,
    )
    assert (found.evaluate_every, found.batch_size, found.accumulate, found.check) == (50, 64, 1, True)
    assert not settings(steps=999).check


def test_attention_has_its_own_beta2():
    assert is_transformer(attention_task().build(0))
    assert resolve(attention_task(), Options()).hypers["beta2"] == 0.95
    assert resolve(attention_task(), Options(hypers={"betas": (0.9, 0.99)})).hypers == {"betas": (0.9, 0.99)}


def test_a_recipe_says_everything_and_options_come_before_it():
    found = settings(RECIPE)
    assert (found.optimizer, found.lr, found.steps, found.batch_size) == ("momentum", 0.05, 200, 16)
    assert (found.schedule.name, found.schedule.warmup_length, found.clip, found.spares) == ("constant", 20, None, False)
    assert (found.race_seed, found.seed) == (3, 2)
    changed = settings(RECIPE, steps=1000, lr=0.1, clip=2.0, seed=7, hypers={"momentum": 0.5})
    assert (changed.lr, changed.steps, changed.schedule.warmup_length, changed.clip) == (0.1, 1000, 100, 2.0)
    assert (changed.race_seed, changed.seed, changed.hypers) == (0, 7, {"momentum": 0.5})


def test_what_begins_low_by_itself_has_no_warm_up():
    assert settings(steps=100, schedule="linear").schedule.warmup_length == 3
    assert settings(steps=100, schedule="one_cycle").schedule.warmup_length == 0
    assert settings(steps=100, schedule=Cosine(), warmup=5).schedule == Cosine().warmup(5)


def test_epochs_are_steps():
    assert settings(epochs=2.0).steps == 2 * (1079 // 64)
    assert settings(epochs=0.001).steps == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 3, "epochs": 2.0}, r"steps=3 and epochs=2 exclude each other\. Give only one\."),
        ({"steps": 0}, r"steps=0: must be a whole number, at least 1"),
        ({"batch_size": 0}, r"batch_size=0: must be a whole number, at least 1"),
        ({"accumulate": 65}, r"accumulate=65: must be a whole number, at least 1 and at most 64\. Every piece of a batch needs a row\."),
        ({"precision": "fp8"}, r"precision='fp8': it would need a GPU with float8 products .* Use 'bf16'\."),
        ({"precision": "float8_e4m3"}, r"precision='float8_e4m3': it would need"),
        ({"precision": "pure_bf16", "optimizer": "lamb"}, r"for 'lamb': its class keeps weights as they are. Give precision 'bf16'"),
        ({"weights": "master"}, r"weights='master' with precision 'fp32': it has an effect on 'pure_bf16' only"),
        ({"lr": -1.0}, r"lr=-1\.0: must be above 0"),
        ({"clip": -1.0}, r"clip=-1\.0: must be at least 0"),
        ({"ema": 1.0}, r"ema=1\.0: must be at least 0 and below 1\. Such as 0\.999\."),
        ({"patience": 0}, r"patience=0: must be a whole number, at least 1"),
        ({"optimizer": lambda model: None, "lr": 0.1}, r"lr with an optimizer of your own: it would have no effect"),
    ],
    ids=lambda value: value if isinstance(value, str) else ",".join(value),
)
def test_unusable_options_are_one_sentence(options, sentence):
    with pytest.raises(InputError, match=sentence):
        settings(**options)


@pytest.mark.parametrize(
    "options", [{"optimizer": "adamv"}, {"schedule": "cosin"}, {"monitor": "acuracy"}, {"precision": "bf17"}, {"device": "gpu"}]
)
def test_unknown_names_are_answered_with_the_nearest(options):
    with pytest.raises(UnknownNameError, match=r"did you mean|known:"):
        settings(**options)


def test_a_recipe_of_another_optimizer_is_refused():
    with pytest.raises(InputError, match=r"optimizer='adam' with a recipe of 'momentum': its rate was tuned for that one"):
        settings(RECIPE, optimizer="adam")


def test_a_missing_gpu_is_said():
    if torch.cuda.is_available():
        assert settings(device="auto").device.type == "cuda"
        return
    assert settings(device="auto").device.type == "cpu"
    with pytest.raises(InputError, match=r"device='cuda': torch finds no CUDA device here"):
        settings(device="cuda")
