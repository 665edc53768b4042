"""`TrainingArguments`: executed with a tiny model, whose optimiser and rates must be those that were raced."""

import ast
import types

import numpy as np
import pytest
import torch

import ravine
from ravine.base.errors import InputError
from ravine.race.recipe import Recipe
from ravine.rules import registry

transformers = pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("accelerate", reason="accelerate is not installed")

STEPS, ROWS = 7, 4


def recipe(optimizer, *, schedule="constant", warmup=0, **hypers):
    _, values = registry.resolve(optimizer, hypers)
    values.pop("lr")
    given = {"optimizer": optimizer, "lr": 0.003, "schedule": schedule, "hypers": values, "steps": STEPS, "batch_size": ROWS}
    return Recipe(**given, race_seed=0, seed=1, raced={"loss": 1.0}, heading=("Trains it.", "Repeats a lane."), warmup=warmup)


class Rows(torch.utils.data.Dataset):
    """Texts of four tokens."""

    def __len__(self):
        return 40

    def __getitem__(self, index):
        ids = torch.tensor([index % 7, 1, 2, 3])
        return {"input_ids": ids, "labels": ids}


def trainer_of(given, tmp_path):
    """What the script makes for a GPT-2 of two narrow layers."""
    module = types.ModuleType("script")
    exec(compile(given.code(form="transformers"), "script", "exec"), vars(module))
    config = transformers.GPT2Config(vocab_size=11, n_positions=8, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=0)
    module.ARGUMENTS.output_dir = str(tmp_path)
    module.ARGUMENTS.use_cpu, module.ARGUMENTS.report_to, module.ARGUMENTS.save_strategy = True, [], "no"
    module.ARGUMENTS.disable_tqdm, module.ARGUMENTS.dataloader_pin_memory = True, False
    return module.make_trainer(transformers.GPT2LMHeadModel(config), Rows())


def made(given, tmp_path):
    trainer = trainer_of(given, tmp_path)
    trainer.create_optimizer_and_scheduler(num_training_steps=STEPS)
    return trainer


CASES = [
    ("adamw", torch.optim.AdamW, {"beta1": 0.85, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1}),
    ("adam", torch.optim.AdamW, {"beta1": 0.8}),
    ("sgd", torch.optim.SGD, {}),
    ("momentum", torch.optim.SGD, {"momentum": 0.8, "l2": 0.01}),
    ("nesterov", torch.optim.SGD, {}),
    ("rmsprop", torch.optim.RMSprop, {"alpha": 0.9, "eps": 1e-7}),
    ("adagrad", torch.optim.Adagrad, {"lr_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "kind", "hypers"), CASES)
def test_the_optimizer_is_the_one_that_was_raced(name, kind, hypers, tmp_path):
    given = recipe(name, **hypers)
    trainer = made(given, tmp_path)
    optimizer = trainer.optimizer
    assert type(optimizer) is kind
    reference = ravine.optim.create(name, [torch.nn.Parameter(torch.zeros(1))], lr=given.lr, **given.hypers).defaults
    for group in optimizer.param_groups:
        for key in set(group) & {"betas", "eps", "momentum", "dampening", "nesterov", "alpha", "lr_decay", "centered"}:
            assert group[key] == reference[key], key
        if group["params"]:
            assert group["weight_decay"] == reference.get("weight_decay", 0.0)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(trainer.model.parameters()))


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_rates_are_those_of_the_schedule_at_every_step(schedule, tmp_path):
    trainer = made(recipe("adamw", schedule=schedule), tmp_path)
    found = []
    for _ in range(STEPS):
        found.append(trainer.optimizer.param_groups[0]["lr"])
        trainer.optimizer.step()
        trainer.lr_scheduler.step()
    expected = 0.003 * ravine.schedules.create(schedule)(np.arange(STEPS), horizon=STEPS)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_it_trains_for_the_steps_and_rows_of_the_race(tmp_path):
    given = recipe("adamw+clip", schedule="linear", clip_bound=0.5)
    trainer = trainer_of(given, tmp_path)
    assert trainer.args.max_grad_norm == 0.5
    assert trainer.args.per_device_train_batch_size == ROWS
    assert trainer.train().global_step == STEPS
    assert trainer_of(recipe("sgd"), tmp_path).args.max_grad_norm == 0


REFUSED = {
    "muon": "no optimizer that takes its steps",
    "lion": "no optimizer that takes its steps",
    "adafactor": "no optimizer that takes its steps",
    "adamw+lookahead": "no counterpart of the wrapper 'lookahead'",
    "adamw+clip+ema": r"no counterpart of the wrapper 'clip\+ema'",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_said_is_refused_with_what_to_do_instead(name):
    with pytest.raises(
        InputError, match=rf"cannot be said in TrainingArguments.*{REFUSED[name]}.*use the form 'ravine'.*Trainer\(optimizers="
    ):
        recipe(name).code(form="transformers")


def test_coupled_decay_of_adam_and_settings_without_an_argument_are_refused():
    for given in (recipe("adam", l2=0.1), recipe("adagrad", initial=0.5), recipe("adamw", warmup=3), recipe("adamw", schedule="wsd")):
        with pytest.raises(InputError, match="cannot be said in TrainingArguments"):
            given.code(form="transformers")


def test_the_task_is_not_needed_and_the_text_parses():
    code = recipe("adamw").code(form="transformers")
    assert ast.get_docstring(ast.parse(code)).startswith("Trains it.")
    assert "Repeats a lane" not in code
    assert "DecaysAll" in code
    assert "DecaysAll" not in recipe("adam").code(form="transformers")
