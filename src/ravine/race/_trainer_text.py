"""A recipe as `transformers.TrainingArguments`, where these can say it: the same steps, or a sentence why not."""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ravine.base._seeds import derive
from ravine.base.errors import InputError
from ravine.race._source_text import literal
from ravine.rules import Rule, registry

if TYPE_CHECKING:
    from ravine.race.recipe import Recipe

SCHEDULES = {"constant": "constant", "linear": "linear", "cosine": "cosine"}
"""Schedules whose multipliers transformers computes too; tests hold these to each other at every step."""

DECAYS_ALL = '''class DecaysAll(Trainer):
    """Decays every parameter, as the race did; `Trainer` itself spares biases and the weights of norms."""

    def get_decay_parameter_names(self, model):
        return [name for name, _ in model.named_parameters()]'''

TEXT = '''{heading}

from transformers import Trainer, TrainingArguments

ARGUMENTS = TrainingArguments(
    output_dir="trained",
{arguments}
)


{sections}def make_trainer(model, train_dataset, **others):
    """A trainer of your model under the recipe; `others` are those of `Trainer`, such as `eval_dataset`."""
    return {kind}(model=model, args=ARGUMENTS, train_dataset=train_dataset, **others)
'''

INSTEAD = (
    "use the form 'ravine', and hand its optimizer and schedule to Trainer(optimizers=(optimizer, scheduler)), "
    "with max_grad_norm=0 in its arguments"
)


def trainer_text(recipe: "Recipe", heading: str) -> str:
    """The whole text.

    Args:
        recipe: what to set.
        heading: the docstring, as a literal.

    Raises:
        InputError: no `TrainingArguments` take the same steps.
    """
    rule, hypers = registry.resolve(recipe.optimizer, {**recipe.hypers, "lr": recipe.lr})
    settings = _optimizer(recipe.optimizer, rule, hypers) | _schedule(recipe)
    settings |= {
        "learning_rate": recipe.lr,
        "max_steps": recipe.steps,
        "per_device_train_batch_size": recipe.batch_size,
        "dataloader_drop_last": True,
        "seed": derive(recipe.race_seed, recipe.seed, "init") % 2**32,
    }
    decays = settings["weight_decay"] > 0
    return TEXT.format(
        heading=heading,
        arguments=textwrap.indent("\n".join(f"{name}={literal(value)}," for name, value in settings.items()), " " * 4),
        sections=f"{DECAYS_ALL}\n\n\n" if decays else "",
        kind="DecaysAll" if decays else "Trainer",
    )


def _optimizer(name: str, rule: Rule, hypers: Mapping[str, float]) -> dict[str, Any]:
    """Arguments that make the optimiser."""
    core, clip = _unclipped(name)
    kind, base = type(registry.resolve(core, {})[0]).__name__, {"max_grad_norm": hypers["clip_bound"] if clip else 0.0}
    on = {flag.name for flag in rule.flags if not flag.of and rule.on(flag.name)}
    decay = hypers.get("weight_decay", hypers.get("l2", 0.0))
    if kind == "AdamW" or (kind == "Adam" and decay == 0):
        _refuse_flags(name, on)
        named = {"adam_beta1": hypers["beta1"], "adam_beta2": hypers["beta2"], "adam_epsilon": hypers["eps"]}
        return {"optim": "adamw_torch", **named, "weight_decay": decay, **base}
    known = {"SGD": ("momentum", "dampening"), "RMSprop": ("alpha", "eps", "momentum"), "Adagrad": ("lr_decay", "eps")}
    if kind not in known or hypers.get("initial", 0.0) != 0:
        raise _refusal(name, "TrainingArguments name no optimizer that takes its steps")
    switch = {"SGD": "nesterov", "RMSprop": "centered"}.get(kind)
    _refuse_flags(name, on - {switch})
    parts = [f"{symbol}={literal(hypers[symbol])}" for symbol in known[kind]] + [f"{switch}=true"] * (switch in on)
    return {"optim": kind.lower(), "optim_args": ",".join(parts), "weight_decay": decay, **base}


def _unclipped(name: str) -> tuple[str, bool]:
    """The name without clipping by the norm, the one wrapper that `Trainer` has too."""
    core, plus, wrappers = name.partition("+")
    if plus and wrappers != "clip":
        raise _refusal(name, f"TrainingArguments have no counterpart of the wrapper {wrappers!r}")
    return core, bool(plus)


def _refuse_flags(name: str, on: set[str]) -> None:
    if on:
        raise _refusal(name, f"TrainingArguments cannot set {', '.join(sorted(on))}")


def _schedule(recipe: "Recipe") -> dict[str, Any]:
    if recipe.warmup:
        raise _refusal(recipe.optimizer, "the warm-up of Trainer begins at rate 0 and that of the race at one step's share", "its warm-up")
    if recipe.schedule not in SCHEDULES:
        raise _refusal(recipe.optimizer, "TrainingArguments have no such schedule", f"the schedule {recipe.schedule!r}")
    return {"lr_scheduler_type": SCHEDULES[recipe.schedule], "warmup_steps": 0}


def _refusal(name: str, reason: str, what: str = "") -> InputError:
    return InputError(f"{what or repr(name)} cannot be said in TrainingArguments: {reason}; {INSTEAD}.", given=name)
