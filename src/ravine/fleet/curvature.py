"""Estimates of the curvature for rules that need them: Hessian products, or gradients on labels that the model draws.

Draws depend on the race seed, the lane seed, the step and the parameter only: a lane has the same ones in every tile,
and all lanes of a seed share them. The passes of an estimate leave buffers as they are.

Shapes: L lanes of the tile, G lanes of one group, S lanes of one seed in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import grad, vmap
from torch.utils import _pytree as pytree

from ravine.base._seeds import derive
from ravine.base.errors import TaskError
from ravine.fleet.data import duplicate, gather
from ravine.fleet.lanes import Group, Lane
from ravine.fleet.stacking import Replicas, Stack, compute_dtype
from ravine.fleet.substitutes import stackable_operations
from ravine.fleet.tiles import Training, seed_streams
from ravine.rules import Rule
from ravine.tasks._randomness import isolated
from ravine.tasks.functional import functional_call
from ravine.tasks.objective import Objective, divide

CURVATURE = "curvature"
"""What the rule calls an estimate, and the name under which it stands among the slots for one step."""

Draw = Callable[[tuple[int, ...]], np.ndarray]
"""Shape -> float64 numbers drawn from the standard Gumbel distribution."""


def wants(rule: Rule) -> bool:
    """Whether a rule, with the flags of the step, takes in an estimate."""
    return CURVATURE in rule.needs and rule.on("refresh")


def signs(training: Training, seed: int, t: int, name: str, like: Tensor) -> Tensor:
    """Random signs of step `t` for one parameter of all lanes of a seed, in its shape and dtype."""
    stream = np.random.Generator(np.random.PCG64(derive(training.race_seed, seed, CURVATURE, t, name)))
    return torch.from_numpy(np.asarray(stream.integers(0, 2, tuple(like.shape)) * 2.0 - 1.0)).to(like.device, like.dtype)


class SampledLoss(nn.Module):
    """The loss of a batch on labels drawn from the model's own output, and the number of labels.

    Args:
        objective: of a task whose loss takes class indices.
    """

    def __init__(self, objective: nn.Module) -> None:
        super().__init__()
        self.objective = objective

    def forward(self, batch: Any, draw: Draw) -> tuple[Tensor, Tensor]:
        """Labels that the data leaves out (below 0) stay left out."""
        task: Any = getattr(self.objective, "task", None)
        if task is None or task.loss is None:
            raise _no_labels("a step of its own, which hides the model's output")
        inputs, target = divide(batch)
        output = self.objective.model(*inputs)  # type: ignore[operator]
        dim = class_dimension(output, target)
        # The largest of scores plus Gumbel noise is a draw from their softmax.
        scores = output.detach().movedim(dim, -1)
        noise = torch.from_numpy(draw(tuple(scores.shape))).to(scores.device, scores.dtype)
        labels = (scores + noise).argmax(-1).to(target.dtype)
        known = target >= 0
        return task.loss(output, torch.where(known, labels, target)), known.sum()


def label_problem(task: Any) -> str | None:
    """Why no labels can be drawn from a task's model, as `sophia_g` needs; None where they can, or where its model does not run."""
    try:
        batch = gather(task.data.train, torch.arange(1))
        with isolated(0), torch.no_grad():
            SampledLoss(Objective(task.build(0), task).eval())(batch, np.zeros)
    except TaskError as error:
        return str(error)
    except Exception:  # whatever the user's code raises, it raises in the race too, where it is answered
        return None
    return None


def class_dimension(output: Any, target: Any) -> int:
    """Where the classes are in a model's output: second, as in torch's losses, or last.

    Raises:
        TaskError: output and target are not those of a loss that takes class indices.
    """
    if isinstance(output, Tensor) and isinstance(target, Tensor):
        is_index = not (target.dtype.is_floating_point or target.dtype.is_complex or target.dtype == torch.bool)
        shape = tuple(output.shape)
        if is_index and output.dtype.is_floating_point and len(shape) >= 2:
            if (shape[0], *shape[2:]) == tuple(target.shape):
                return 1
            if shape[:-1] == tuple(target.shape):
                return len(shape) - 1
        raise _no_labels(f"an output of {shape} and a target of {tuple(target.shape)} ({target.dtype})")
    raise _no_labels(f"an output of type {type(output).__name__}")


def _no_labels(given: str) -> TaskError:
    needed = "sophia_g draws labels from the model's output, so the loss must compare class scores with class indices"
    return TaskError(f"the task has {given}: {needed}. Use sophia_h instead, which needs no labels.")


def single_curvature(
    objective: nn.Module, named: Mapping[str, nn.Parameter], batch: Any, rule: Rule, *, training: Training, place: tuple[int, int]
) -> list[Tensor | None]:
    """The estimate for one module by ordinary autograd; parameters that the loss does not use have None.

    Args:
        objective: maps a batch to a scalar loss.
        named: what to estimate for.
        batch: one batch; copied.
        rule: says which estimate.
        training: what all tiles share.
        place: lane seed and step.
    """
    kept = [buffer.clone() for buffer in objective.buffers()]
    _seed(training, place, next(iter(named.values())).device)
    parameters = list(named.values())
    try:
        with torch.enable_grad():
            if "labels" in rule.needs:
                loss, count = SampledLoss(objective)(duplicate(batch), _noise(training, place))
                return [None if g is None else count * g * g for g in torch.autograd.grad(loss, parameters, allow_unused=True)]
            first = torch.autograd.grad(objective(duplicate(batch)), parameters, create_graph=True, allow_unused=True)
            used = [name for name, g in zip(named, first, strict=True) if g is not None]
            u = {name: signs(training, *place, name, named[name]) for name in used}
            products = {name: (g * u[name]).sum() for name, g in zip(named, first, strict=True) if g is not None}
            curved = [product for product in products.values() if product.requires_grad]
            seconds = torch.autograd.grad(curved, [named[name] for name in used], allow_unused=True) if curved else [None] * len(used)
            found = {n: torch.zeros_like(u[n]) if h is None else u[n] * h for n, h in zip(used, seconds, strict=True)}
            return [found.get(name) for name in named]
    except RuntimeError as error:
        raise _explained(error) from error
    finally:
        with torch.no_grad():
            for buffer, old in zip(objective.buffers(), kept, strict=True):
                buffer.copy_(old)


class Curvature(Protocol):
    """Estimates for the lanes of a stack."""

    def join(self, groups: Sequence[Group], rules: Sequence[Rule], state: Replicas, batch: Any, t: int) -> Replicas:
        """The state with the estimates of step `t` among the slots of the groups whose rules want one.

        Args:
            groups: of the lanes.
            rules: for each group its rule with the flags of the step.
            state: of all lanes.
            batch: of the step; copied.
            t: step, 1 at the first.
        """
        ...


@final
class StackedCurvature:
    """The same as `single_curvature` for the lanes of a stack of modules; see `Curvature`.

    Args:
        objective: maps a batch to a scalar loss.
        lanes: of the stack, in order.
        training: what all tiles share.
        shares_batch: whether all lanes read the same batch, or the batch's leaves have a leading lane dimension.
    """

    def __init__(self, objective: nn.Module, lanes: Sequence[Lane], training: Training, *, shares_batch: bool) -> None:
        self._objective, self._training, self._shares_batch = objective, training, shares_batch
        self._seeds = [lane.seed for lane in lanes]

    def join(self, groups: Sequence[Group], rules: Sequence[Rule], state: Replicas, batch: Any, t: int) -> Replicas:
        """See `Curvature.join`."""
        slots = [
            {**held, CURVATURE: self._of_group(group, rule, state, batch, t)} if wants(rule) else held
            for group, rule, held in zip(groups, rules, state.slots, strict=True)
        ]
        return replace(state, slots=slots)

    def _of_group(self, group: Group, rule: Rule, state: Replicas, batch: Any, t: int) -> Stack:
        estimates = {name: torch.zeros_like(p[group.start : group.stop], dtype=compute_dtype(p)) for name, p in state.parameters.items()}
        for seed in dict.fromkeys(self._seeds[group.start : group.stop]):
            places = [place for place in range(group.start, group.stop) if self._seeds[place] == seed]
            own = batch if self._shares_batch else pytree.tree_map(lambda leaf, at=places[0]: leaf[at], batch)
            parameters, buffers = ({name: stack[places] for name, stack in held.items()} for held in (state.parameters, state.buffers))
            for name, found in self._of_seed(rule, parameters, buffers, duplicate(own), (seed, t)).items():
                estimates[name][[place - group.start for place in places]] = found.to(estimates[name].dtype)
        return estimates

    def _of_seed(self, rule: Rule, parameters: Stack, buffers: Stack, batch: Any, place: tuple[int, int]) -> Stack:
        """Estimates for lanes of one seed, name -> (S, ...)."""
        _seed(self._training, place, next(iter(parameters.values())).device)
        if "labels" in rule.needs:
            one_lane = self._squares(batch, _noise(self._training, place))
        else:
            u = {name: signs(self._training, *place, name, p[0]) for name, p in parameters.items()}
            one_lane = self._products(batch, u)
        try:
            with torch.enable_grad():
                found: Stack = vmap(one_lane, randomness="same")(parameters, buffers)
        except RuntimeError as error:
            raise _explained(error) from error
        return found

    def _squares(self, batch: Any, draw: Draw) -> Callable[[Stack, Stack], Stack]:
        sampled = SampledLoss(self._objective)

        def one_lane(parameters: Stack, buffers: Stack) -> Stack:
            def loss(parameters: Stack) -> tuple[Tensor, Tensor]:
                everything = {f"objective.{name}": value for name, value in _all(parameters, buffers).items()}
                with stackable_operations():
                    result: tuple[Tensor, Tensor] = functional_call(sampled, everything, (batch, draw))
                return result

            gradients, count = grad(loss, has_aux=True)(parameters)
            return {name: count * g * g for name, g in gradients.items()}

        return one_lane

    def _products(self, batch: Any, u: Stack) -> Callable[[Stack, Stack], Stack]:
        def one_lane(parameters: Stack, buffers: Stack) -> Stack:
            def loss(parameters: Stack) -> Tensor:
                with stackable_operations():
                    result: Tensor = functional_call(self._objective, _all(parameters, buffers), (batch,))
                return result

            def along(parameters: Stack) -> Tensor:
                terms = [(g * u[name]).sum() for name, g in grad(loss)(parameters).items()]
                return torch.stack([term.to(compute_dtype(term)) for term in terms]).sum()

            return {name: u[name] * h for name, h in grad(along)(parameters).items()}

        return one_lane


def _all(parameters: Stack, buffers: Stack) -> Stack:
    return {**parameters, **{name: buffer.clone() for name, buffer in buffers.items()}}


def _noise(training: Training, place: tuple[int, int]) -> Draw:
    stream = np.random.Generator(np.random.PCG64(derive(training.race_seed, place[0], "labels", place[1])))
    return lambda shape: stream.gumbel(size=shape)


def _seed(training: Training, place: tuple[int, int], device: torch.device) -> None:
    """Dropout masks of the estimate: of their own, lest they depend on what else the tile has drawn at this step."""
    if training.support.draws_random:
        seed_streams(derive(training.race_seed, place[0], "curvature dropout", place[1]), device)


def _explained(error: RuntimeError) -> Exception:
    if "derivative" not in str(error) and "double backward" not in str(error):
        return error
    return TaskError(
        f"the curvature of the model cannot be estimated: {str(error).splitlines()[0]}. "
        "Use sophia_g, which differentiates once, or use operations that can be differentiated twice (attention written out)."
    )
