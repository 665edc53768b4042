"""The tasks of the race page: curves from a list, a formula or points, digits, and the user's own."""

import ast
import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ravine.base.errors import InputError
from ravine.surfaces.formula import CONSTANTS, FUNCTIONS, Formula
from ravine.tasks import Task, load, registry
from ravine.tasks._task import IMPORTS, Sources
from ravine.tasks.curve import curve_model, curve_values
from ravine.tasks.digits import digits_splits, stratified
from ravine.tasks.metrics import accuracy

POINTS = 128
"""Of a formula and of the noisy line, in each split, as of the built-in curves."""

HIGHEST = 1e6
"""Of a formula's values: beyond, no usual rate could learn it, and near a pole that no point meets it is higher."""

CALLABLE = "from collections.abc import Callable"
SHOWN = 161
"""Points at which predictions are drawn."""

USUAL_WIDTH = 32


@dataclass(frozen=True, slots=True)
class Axis:
    """How a quantity as people see it becomes what the network sees: (value - middle) / half.

    Attributes:
        middle, half: of the scale.
    """

    middle: float = 0.0
    half: float = 1.0

    def shown(self, values: Tensor) -> Tensor:
        """Values of the network's as people see them."""
        return values * self.half + self.middle


@dataclass(frozen=True, slots=True)
class Subject:
    """What is raced, and what of it is drawn.

    Attributes:
        task: what is trained.
        grid: (points, 1), where predictions are drawn, as the network sees them; None where the task is no curve.
        curve: the target on the grid, (points,), as people see it; None where only points are known.
        x, y: scales.
    """

    task: Task
    grid: Tensor | None = None
    curve: Tensor | None = None
    x: Axis = field(default_factory=Axis)
    y: Axis = field(default_factory=Axis)


def make_subject(setting: dict[str, Any], own: str | None, points: Sequence[tuple[float, float]]) -> Subject:
    """The task of a setting.

    Args:
        setting: checked (`ravine.lab.settings`).
        own: the user's task as given on the command line.
        points: of the curve that was sent, where the setting names one.

    Raises:
        InputError, TaskError, DataError: it cannot be made.
    """
    kind, rows = setting["task"], setting["batch_size"]
    if kind == "user":
        assert own is not None, "settings were checked"
        return Subject(_batched(load(own), rows, keep=True))
    if kind == "digits":
        return Subject(_batched(digits_of_width(setting["width"]), rows, keep=True))
    subject = _curve(setting, points)
    return dataclasses.replace(subject, task=_batched(subject.task, rows, keep=False))


def _batched(task: Task, rows: int | None, *, keep: bool) -> Task:
    """The task with another batch size; None is the task's own where it is kept, else all rows."""
    if (keep and rows is None) or rows == task.batch_size:
        return task
    return dataclasses.replace(task, batch_size=rows).referred(task.reference)


def _curve(setting: dict[str, Any], points: Sequence[tuple[float, float]]) -> Subject:
    options, width = setting["task_options"], setting["width"]
    target = options["target"]
    grid = torch.linspace(-1, 1, SHOWN, dtype=torch.float64)
    if target == "csv":
        return _of_points(points, width)
    if target == "formula":
        task, curve = formula_task(options["formula"], width), formula_values(options["formula"])(grid)
    elif target == "noisy-line":
        task, curve = _task(target, width, noisy_line_splits, "noisy_line_splits()"), 0.8 * grid
    else:
        task, curve = registry.create("curve", {"target": target, "width": width}), curve_values(grid, target)
    return Subject(task, grid.float()[:, None], curve.float())


def _task(name: str, width: int, splits: Callable[[], Any], data: str, objects: tuple[Any, ...] = ()) -> Task:
    """A 1-width-1 network that fits a curve."""
    text = (curve_model, *(objects or (splits,)))
    sources = Sources(text, model=f"curve_model({width})", data=data, loss="F.mse_loss", imports=(*IMPORTS, CALLABLE))
    about = f"a 1-{width}-1 tanh network fits a curve ({name})"
    return Task(
        f"curve:{name}", partial(curve_model, width), load=splits, loss=F.mse_loss, batch_size=None, sources=sources, description=about
    )


def noisy_line_splits() -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """0.8 x with noise of standard deviation 0.2: train, validation and test, three interleaved grids of 128 points on [-1, 1]."""
    grid = (torch.arange(384, dtype=torch.float64) + 0.5) / 192 - 1
    noise = torch.randn(384, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    values = 0.8 * grid + 0.2 * noise
    return tuple((grid[start::3].float()[:, None], values[start::3].float()[:, None]) for start in (1, 0, 2))


def sampled_splits(curve: Callable[[torch.Tensor], torch.Tensor], points: int = 128) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Train, validation and test: three interleaved grids of equally many points on [-1, 1]."""
    grid = (torch.arange(3 * points, dtype=torch.float64) + 0.5) / (1.5 * points) - 1
    return tuple((x.float()[:, None], curve(x).float()[:, None]) for x in (grid[1::3], grid[0::3], grid[2::3]))


def listed_splits(x: list[float], y: list[float]) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    """Train, validation and test: every third point in the order of x, which is scaled to [-1, 1], and y to mean 0 and deviation 1."""
    xs, order = torch.tensor(x, dtype=torch.float64).sort()
    ys = torch.tensor(y, dtype=torch.float64)[order]
    xs = 2 * (xs - xs[0]) / (xs[-1] - xs[0]) - 1
    ys = (ys - ys.mean()) / ys.std(correction=0).clamp(min=1e-12)
    return tuple((xs[start::3].float()[:, None], ys[start::3].float()[:, None]) for start in (1, 0, 2))


def _of_points(points: Sequence[tuple[float, float]], width: int) -> Subject:
    x, y = ([float(pair[place]) for pair in points] for place in (0, 1))
    data = f"listed_splits({x!r}, {y!r})"
    task = _task("points", width, partial(listed_splits, x, y), data, (listed_splits,))
    ys = torch.tensor(y, dtype=torch.float64)
    half = (max(x) - min(x)) / 2
    spread = max(float(ys.std(correction=0)), 1e-12)
    grid = torch.linspace(-1, 1, SHOWN, dtype=torch.float32)[:, None]
    return Subject(task, grid, None, Axis(min(x) + half, half), Axis(float(ys.mean()), spread))


def formula_values(text: str) -> Callable[[Tensor], Tensor]:
    """A formula in x as a function of it, read by the surfaces' parser and never evaluated as Python.

    Raises:
        InputError: it cannot be read, holds y, or is not finite somewhere on [-1, 1].
    """
    formula = Formula(text)
    if any(isinstance(node, ast.Name) and node.id == "y" for node in ast.walk(_tree(text))):
        raise InputError(f"the formula {text!r} holds y: a curve is a function of x alone. Write it like sin(3*x).", given=text)

    def values(x: Tensor) -> Tensor:
        return formula(x, torch.zeros_like(x)) + torch.zeros_like(x)

    x = torch.linspace(-1, 1, 1001, dtype=torch.float64)
    found = values(x)
    wrong = (~(found.abs() <= HIGHEST)).nonzero().flatten()
    if len(wrong):
        at, value = float(x[wrong[0]]), float(found[wrong[0]])
        given = f"the formula {text!r} is {value:g} at x = {at:g}"
        allowed = f"must be finite, and at most {HIGHEST:,.0f}, from -1 to 1"
        raise InputError(f"{given}: {allowed}. Shift or scale its argument, as in log(x + 2).", given=text)
    return values


def formula_task(text: str, width: int) -> Task:
    """A network that fits a formula; raises `InputError` as `formula_values` does."""
    values = formula_values(text)
    data = f"sampled_splits(lambda x: {torch_text(text)}, {POINTS})"
    task = _task("formula", width, partial(sampled_splits, values, POINTS), data, (sampled_splits,))
    return dataclasses.replace(task, description=f"a 1-{width}-1 tanh network fits y = {text.strip()}")


def _tree(text: str) -> ast.Expression:
    return ast.parse(text.strip().replace("^", "**"), mode="eval")


class _InTorch(ast.NodeTransformer):
    """A formula's own names as torch's."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Constants as numbers."""
        return ast.Constant(CONSTANTS[node.id]) if node.id in CONSTANTS else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Functions by their names in torch, whose arguments must be tensors."""
        assert isinstance(node.func, ast.Name)
        arguments = [self._tensor(self.visit(argument)) for argument in node.args]
        return ast.Call(ast.parse(f"torch.{FUNCTIONS[node.func.id].__name__}", mode="eval").body, arguments, [])

    def _tensor(self, node: ast.expr) -> ast.expr:
        has_x = any(isinstance(part, ast.Name) and part.id == "x" for part in ast.walk(node))
        return node if has_x else ast.parse(f"torch.full_like(x, {ast.unparse(node)})", mode="eval").body


def torch_text(text: str) -> str:
    """A formula that was read as a line of torch, for a script."""
    return ast.unparse(ast.fix_missing_locations(_InTorch().visit(_tree(text))))


def wide_digits_model(width: int = 32) -> nn.Module:
    """64-width-10 with ReLU."""
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Linear(width, 10))


def digits_of_width(width: int) -> Task:
    """The built-in digits with a network of another width."""
    task = registry.create("digits")
    if width == USUAL_WIDTH:
        return task
    sources = Sources(
        (wide_digits_model, stratified, digits_splits), model=f"wide_digits_model({width})", data="digits_splits()", loss="F.cross_entropy"
    )
    return Task(
        "digits",
        partial(wide_digits_model, width),
        load=task.load,
        loss=F.cross_entropy,
        metrics={"accuracy": accuracy},
        batch_size=task.batch_size,
        sources=sources,
        description=f"1,797 real handwritten digits of 8x8 pixels, 64-{width}-10 ReLU",
    )
