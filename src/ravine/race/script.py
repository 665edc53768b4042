"""A recipe as a plain PyTorch script: the race's own lane once more, from the same seeds, without ravine."""

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.fleet import Fleet
from ravine.fleet.memory import EVALUATION_BYTES
from ravine.race._curvature_text import IMPORTS as CURVATURE_IMPORTS
from ravine.race._curvature_text import curvature_text
from ravine.race._optimizer_text import OptimizerText, optimizer_text
from ravine.race._ravine_text import ravine_optimizer_text, ravine_schedule, ravine_task_text
from ravine.race._schedule_text import ScheduleText, schedule_text
from ravine.race._source_text import WIDTH, import_block, layout, literal
from ravine.race._task_text import TaskText, task_text
from ravine.rules import registry
from ravine.rules._ascent import SECOND_GRADIENT
from ravine.tasks import Task

if TYPE_CHECKING:
    from ravine.race.recipe import Recipe

BATCHES = '''def batches(train):
    """Batches without end: the rows in a new order every epoch, the incomplete last batch dropped."""
    generator = torch.Generator().manual_seed(ORDER_SEED)
    while True:
        order = torch.randperm({rows}, generator=generator)
        for start in range(0, {rows} - BATCH_SIZE + 1, BATCH_SIZE):
            yield take(train, order[start : start + BATCH_SIZE])'''

EVALUATE = '''@torch.no_grad()
def evaluate(model, split):
    """Mean loss and metrics over a split, in evaluation mode."""
    model.eval()
    {batch} = take(split, slice(None))
{values}
    return {{name: float(value) for name, value in values.items()}}'''

EVALUATE_IN_PIECES = '''@torch.no_grad()
def evaluate(model, split):
    """Mean loss and metrics over a split, in evaluation mode, {piece:,} rows at a time."""
    model.eval()
    totals = Counter()
    rows = {rows}
    for start in range(0, rows, {piece}):
        {batch} = take(split, slice(start, start + {piece}))
{values}
        for name, value in values.items():
            totals[name] += float(value) * min({piece}, rows - start) / rows
    return dict(totals)'''

MAIN = '''def main():
    """Train, evaluate on validation, and print both this result and the race's."""
{data}

    {seed}
    model = {model}.to(DEVICE).train()
    optimizer = {optimizer}
{schedule}{loop}
{loss}
        optimizer.zero_grad()
        loss.backward()
{further}        optimizer.step()
{advance}        if step % PRINT_EVERY == 0:
            print(f"step {{step:6d}}   training loss {{loss.item():.6g}}")

{ending}


if __name__ == "__main__":
    main()'''


CURVATURE = "curvature"
"""What rules declare in `needs` that take in estimates of it."""

SECOND = """        with optimizer.uphill(model):
            optimizer.zero_grad(set_to_none=False)
            {loss}.backward()
"""

ESTIMATE = """        if step % {interval} == 0:
            optimizer.curvature = curvature(model, {batch}, step + 1)
"""

ENDING = """for name, value in evaluate(model, validation).items():
    print(f"validation {name} {value:.8g}   (in the race: {RACED[name]:.8g})")
if SAVE_TO:
    torch.save(model.state_dict(), SAVE_TO)"""


def script(recipe: "Recipe", task: Task, *, with_ravine: bool = False) -> str:
    """The whole text, laid out as `ruff format` would with lines of up to 140 characters.

    Args:
        recipe: what to set.
        task: what was raced.
        with_ravine: whether ravine makes task, optimiser and schedule; else all of it is written out.

    Raises:
        InputError: the task was made in Python and stands in no file.
    """
    text = ravine_task_text(task) if with_ravine else task_text(task)
    rule, hypers = registry.resolve(recipe.optimizer, {**recipe.hypers, "lr": recipe.lr})
    dtypes = {parameter.dtype for parameter in task.build(0).parameters()}
    is_narrow = any(torch.promote_types(dtype, torch.float32) != dtype for dtype in dtypes)
    optimizer = ravine_optimizer_text(recipe.optimizer, rule, hypers) if with_ravine else optimizer_text(rule, hypers, is_narrow=is_narrow)
    written = ScheduleText("", ravine_schedule(recipe)) if with_ravine else schedule_text(recipe.schedule, is_warmed=recipe.warmup > 0)
    support = Fleet(task, race_seed=recipe.race_seed).support
    per_row = max(1, 2 * support.footprint.activations // support.footprint.examples)
    shape = Shape(recipe, task, text, optimizer, written.expression, support.draws_random, max(1, EVALUATION_BYTES // per_row))
    sections = [
        shape.constants(),
        *text.sections,
        *optimizer.sections,
        *([written.section] if written.section else []),
        *shape.curvature(),
        shape.take(),
        *shape.batches(),
        shape.evaluate(),
        shape.main(),
    ]
    body = "\n\n\n".join(sections)
    imports = import_block(
        {*text.imports, *optimizer.imports, *CURVATURE_IMPORTS, "import math", "import torch", "from collections import Counter"}
        | {"from torch.utils._pytree import tree_map", "from torch.utils._pytree import tree_leaves"},
        body,
    )
    return f"{docstring(recipe.heading)}\n\n{imports}\n\n{body}\n"


@dataclass(frozen=True, slots=True)
class Shape:
    """The script's own functions, in the shape that the task and its data need.

    Attributes:
        recipe: what to set.
        task: what is trained.
        text, optimizer, schedule: what the script is made of.
        draws_random: whether a training forward draws random numbers.
        piece: most rows that an evaluation takes at once.
    """

    recipe: "Recipe"
    task: Task
    text: TaskText
    optimizer: OptimizerText
    schedule: str
    draws_random: bool
    piece: int

    @property
    def is_full_batch(self) -> bool:
        """Whether a batch holds all of the training split."""
        return self.recipe.batch_size >= _rows(self.task.data.train)

    def constants(self) -> str:
        """Everything that one may want to change."""
        recipe = self.recipe
        lines = [
            f"STEPS = {recipe.steps}",
            *([f"WARMUP = {recipe.warmup}  # steps over which the rate rises"] if recipe.warmup else []),
            f"BATCH_SIZE = {recipe.batch_size}" + ("  # all training rows" if self.is_full_batch else ""),
            f"LR = {literal(recipe.lr)}",
            f"DEVICE = {literal(recipe.device)}"
            + ("" if recipe.device.startswith("cuda") else '  # where the race ran; "cuda" works as well'),
            f"PRINT_EVERY = {max(1, recipe.steps // 10)}",
            'SAVE_TO = ""  # name a file to keep the trained weights',
            "",
            f"# These seeds repeat the race's lane of seed {recipe.seed}; other integers train as well.",
            f"INIT_SEED = {self._seed('init')}  # initial weights",
        ]
        if not self.is_full_batch:
            lines.append(f"ORDER_SEED = {self._seed('order')}  # order of the training rows")
        if self.draws_random:
            lines.append(f"DROPOUT_SEED = {self._seed('dropout')}  # what the model draws while it trains")
        if self.needs_curvature:
            lines += [f"RACE_SEED, LANE_SEED = {recipe.race_seed}, {recipe.seed}  # what estimates of the curvature draw"]
        if self.task.data.test is None:
            half = derive(derive(recipe.race_seed, "split"), "split-validation")
            lines.append(f"SPLIT_SEED = {half}  # which half of validation rates were tuned on")
        raced = [f"    {literal(name)}: {literal(value)}," for name, value in recipe.raced.items()]
        return "\n".join([*lines, "", "# What that lane had on validation at the end.", "RACED = {", *raced, "}"])

    def take(self) -> str:
        """Rows of a tree of tensors, on the device."""
        train = self.task.data.train
        if _is_flat(train):
            action = "tuple(part[rows].to(DEVICE) for part in tensors)"
        else:
            action = "tree_map(lambda tensor: tensor[rows].to(DEVICE), tensors)"
        return f'def take(tensors, rows):\n    """The given rows of every tensor, on the device."""\n    return {action}'

    def batches(self) -> list[str]:
        """The order of batches; nothing where there is only one."""
        return [] if self.is_full_batch else [BATCHES.format(rows=self._count("train"))]

    def evaluate(self) -> str:
        """Loss and metrics over a split."""
        is_whole = self.piece >= self._validation_rows()
        margin = " " * (4 if is_whole else 8)
        values = textwrap.indent("\n".join(self._values(len(margin))), margin)
        if is_whole:
            return EVALUATE.format(batch=self.batch, values=values)
        return EVALUATE_IN_PIECES.format(batch=self.batch, values=values, rows=self._count("split"), piece=self.piece)

    @property
    def needs_curvature(self) -> bool:
        """Whether some steps need an estimate of the curvature."""
        return CURVATURE in self.optimizer.needs

    def curvature(self) -> tuple[str, ...]:
        """The estimate, where the optimiser needs one."""
        if not self.needs_curvature:
            return ()
        return curvature_text(
            from_labels="labels" in self.optimizer.needs,
            batch=self._names,
            output=self.output,
            criterion=self.text.criterion,
            seed=self.text.seed if self.draws_random else "",
        )

    def main(self) -> str:
        """The training itself."""
        schedule = self.schedule
        scheduler = "ravine.optim.LRScheduler" if schedule.startswith("ravine.") else "torch.optim.lr_scheduler.LambdaLR"
        return MAIN.format(
            data="\n".join(self._data()),
            seed=self.text.seed.format(seed="INIT_SEED"),
            model=self.text.model,
            optimizer=self.optimizer.expression,
            schedule=f"    schedule = {scheduler}(optimizer, {schedule})\n" if schedule else "",
            loop=textwrap.indent(self._loop(), " " * 4),
            loss=textwrap.indent("\n".join(self._loss()), " " * 8),
            further=self._further(),
            ending=textwrap.indent(self._ending(), " " * 4),
            advance="        schedule.step()\n" if schedule else "",
        )

    def _ending(self) -> str:
        """What follows the training."""
        if not self.optimizer.averages:
            return ENDING
        line = self.optimizer.average
        return "\n".join([line, textwrap.indent(ENDING, " " * 4 if line.endswith(":") else "")])

    def _seed(self, purpose: str) -> int:
        return derive(self.recipe.race_seed, self.recipe.seed, purpose)

    def _validation_rows(self) -> int:
        data = self.task.data
        rows = _rows(data.validation)
        return rows if data.test is not None else (rows + 1) // 2

    def _count(self, name: str) -> str:
        """Expression of the number of rows of a split."""
        train = self.task.data.train
        if isinstance(train, torch.Tensor):
            return f"len({name})"
        return f"len({name}[0])" if _is_flat(train) else f"len(tree_leaves({name})[0])"

    def _data(self) -> list[str]:
        lines = []
        for line in self.text.data:
            target, equals, expression = line.partition(" = ")
            before = f"    {target}{equals}"
            lines.append(before + layout(expression, indent=4, before=len(before)) if equals else f"    {line}")
        if self.task.data.test is None:
            lines += [
                f"    order = torch.randperm({self._count('validation')}, generator=torch.Generator().manual_seed(SPLIT_SEED))",
                "    validation = take(validation, order[: (len(order) + 1) // 2].sort().values)",
            ]
        return lines

    @property
    def batch(self) -> str:
        """What a batch is called, taken apart where the task has a loss of output and target."""
        if self.task.step is not None:
            return "batch"
        return "inputs, target" if len(self.task.data.train) == 2 else "*inputs, target"

    @property
    def output(self) -> str:
        """The model called on a batch."""
        return "model(inputs)" if self.batch == "inputs, target" else "model(*inputs)"

    def _loop(self) -> str:
        if self.is_full_batch:
            return f"{self.batch} = take(train, slice(None))\nfor step in range(STEPS):"
        batch = self.batch if self.batch == "batch" else f"({self.batch})"
        return f"for step, {batch} in zip(range(STEPS), batches(train)):"

    @property
    def _names(self) -> str:
        """The batch as an argument."""
        return self.batch.removeprefix("*")

    @property
    def _loss_call(self) -> str:
        arguments = "model, batch" if self.task.step is not None else f"{self.output}, target"
        return f"{self.text.criterion}({arguments})"

    def _loss(self) -> list[str]:
        drawing = [self.text.seed.format(seed="DROPOUT_SEED + step")] if self.draws_random else []
        return [*drawing, f"loss = {self._loss_call}"]

    def _further(self) -> str:
        """What stands between the gradients and the step."""
        second = SECOND.format(loss=self._loss_call) if SECOND_GRADIENT in self.optimizer.needs else ""
        estimate = ESTIMATE.format(interval=self.optimizer.interval, batch=self._names) if self.needs_curvature else ""
        return estimate + second

    def _values(self, indent: int) -> list[str]:
        has_step, metrics = self.task.step is not None, self.text.metrics
        lines, arguments = ([], "model, batch") if has_step else ([f"output = {self.output}"], "output, target")
        known = {"loss": self.text.criterion} | (metrics if isinstance(metrics, dict) else {})
        entries = [f"{literal(name)}: {function}({arguments})" for name, function in known.items()]
        flat = f"values = {{{', '.join(entries)}}}"
        if len(flat) + indent > WIDTH:
            flat = "\n".join(["values = {", *(f"    {entry}," for entry in entries), "}"])
        lines.append(flat)
        if isinstance(metrics, str):
            lines.append(f"values |= {{name: metric({arguments}) for name, metric in {metrics}.items()}}")
        return lines


def _rows(tree: Any) -> int:
    return len(pytree.tree_leaves(tree)[0])


def _is_flat(tree: Any) -> bool:
    return type(tree) is tuple and all(isinstance(part, torch.Tensor) for part in tree)


def docstring(paragraphs: tuple[str, ...]) -> str:
    """Paragraphs as the docstring of a module; tables, which are indented, stay as they are."""
    text = "\n\n".join(part if part.startswith("    ") else textwrap.fill(part, 116, break_long_words=False) for part in paragraphs)
    return '"""' + text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"') + '\n"""'
