"""How a model lies over processes.

    ddp      every process has the model and the optimizer's state; gradients are averaged
    zero1    the same, but a parameter's state lies with one process, which steps it and sends it to the others
    fsdp     every process has a shard of each parameter, of its gradient and of its state; whole ones are put together
             where the model needs them (`torch.distributed.fsdp.fully_shard`)

References:
    Rajbhandari et al. (2020), ZeRO: memory optimizations toward training trillion parameter models, arXiv:1910.02054,
    stages 1 and 3.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ravine.base.errors import InputError, TaskError
from ravine.fleet.data import duplicate
from ravine.optim._storage import is_sharded
from ravine.rules import Rule
from ravine.tasks._randomness import isolated
from ravine.tasks.objective import Objective
from ravine.trainer.clipping import total_norm
from ravine.trainer.distributed import STRATEGIES, Processes


class Strategy:
    """One process: the base of all ways to spread a model.

    Args:
        objective: holds the model, on its device.
        processes: who there is.

    Attributes:
        train: the objective as it is called for training; its gradients are means over the processes.
        is_sharded: whether what the processes hold differs, so that all of them write a checkpoint.
    """

    is_sharded = False

    def __init__(self, objective: Objective, processes: Processes) -> None:
        self._objective, self._processes = objective, processes
        self.train: nn.Module = objective

    def bind(self, optimizer: torch.optim.Optimizer, *, leaves_out: bool) -> None:
        """Get to know the optimizer, once it has its parameters.

        Args:
            optimizer: of the model as it lies now.
            leaves_out: whether the loss does not depend on every parameter.

        Raises:
            InputError: its rule looks at more than a process has.
        """

    def synchronise(self, wanted: bool) -> None:
        """Say whether the next backward pass averages gradients; those of pieces before the last are only added up."""

    def norm(self, gradients: Sequence[Tensor]) -> float:
        """The norm of all gradients together, of all processes' shards."""
        return total_norm(gradients)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """The optimizer's step."""
        optimizer.step()

    def owns(self, place: int) -> bool:
        """Whether this process keeps the state of the optimizer's parameter at that place."""
        del place
        return True

    def empty(self, like: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """An empty tensor, in shards where a parameter of that shape, or what is kept beside it, lies in shards.

        Args:
            like: the parameter; None for what belongs to none.
            shape: of the whole.
            dtype: of the tensor.
        """
        del like
        return torch.empty(shape, dtype=dtype)

    def whole(self, make: Callable[[], nn.Module]) -> nn.Module:
        """An ordinary model with the weights; `make` gives a fresh one for them, where that is needed."""
        del make
        return self._objective.model


class Copies(Strategy):
    """ddp."""

    def bind(self, optimizer: torch.optim.Optimizer, *, leaves_out: bool) -> None:
        """Wrap the objective, now that it is known which parameters are trained."""
        _check(optimizer, self._processes.strategy)
        if any(p.requires_grad for p in self._objective.parameters()):
            device = next(self._objective.parameters()).device
            self.train = nn.parallel.DistributedDataParallel(
                self._objective, device_ids=[device.index] if device.type == "cuda" else None, find_unused_parameters=leaves_out
            )

    def synchronise(self, wanted: bool) -> None:
        """What DDP's `no_sync` does, for a flag instead of a block."""
        if isinstance(self.train, nn.parallel.DistributedDataParallel):
            self.train.require_backward_grad_sync = wanted


class Shares(Copies):
    """zero1."""

    is_sharded = True

    def bind(self, optimizer: torch.optim.Optimizer, *, leaves_out: bool) -> None:
        """Share the parameters out, the largest first, each to whom has least."""
        super().bind(optimizer, leaves_out=leaves_out)
        self._parameters: list[Tensor] = [p for group in optimizer.param_groups for p in group["params"]]
        held = [0] * self._processes.world
        self._owners = [0] * len(self._parameters)
        for place in sorted(range(len(self._parameters)), key=lambda place: -self._parameters[place].numel()):
            self._owners[place] = held.index(min(held))
            held[self._owners[place]] += self._parameters[place].numel()

    def owns(self, place: int) -> bool:
        """Whether this process keeps the state of the optimizer's parameter at that place."""
        return self._owners[place] == self._processes.rank

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Step the own parameters, then take the others' from whom they belong to."""
        moved = [p.grad is not None for p in self._parameters]
        for place, parameter in enumerate(self._parameters):
            if not self.owns(place):
                # Optimizers pass by what has no gradient, and make no state for it.
                parameter.grad = None
        optimizer.step()
        self._exchange(moved)

    @torch.no_grad()
    def _exchange(self, moved: list[bool]) -> None:
        alike: defaultdict[tuple[int, torch.dtype], list[Tensor]] = defaultdict(list)
        for parameter, owner, was_moved in zip(self._parameters, self._owners, moved, strict=True):
            if was_moved:
                alike[owner, parameter.dtype].append(parameter)
        for (owner, _), parameters in alike.items():
            flat = torch.cat([parameter.reshape(-1) for parameter in parameters])
            torch.distributed.broadcast(flat, src=owner)
            for parameter, part in zip(parameters, torch.split(flat, [p.numel() for p in parameters]), strict=True):
                parameter.copy_(part.view_as(parameter))


class Shards(Strategy):
    """fsdp."""

    is_sharded = True

    def __init__(self, objective: Objective, processes: Processes) -> None:
        super().__init__(objective, processes)
        from torch.distributed.fsdp import fully_shard  # noqa: PLC0415 - takes a second

        device = next(objective.parameters()).device
        mesh = torch.distributed.device_mesh.init_device_mesh(device.type, (processes.world,))
        try:
            for module in [*_blocks(objective.model), objective]:
                # The root too: after an evaluation it would keep whole weights that the next step does not change.
                fully_shard(module, mesh=mesh, reshard_after_forward=True)
        except (ValueError, RuntimeError, NotImplementedError, AssertionError) as error:
            given = f"strategy='fsdp': torch cannot cut this model into shards ({str(error).splitlines()[0].rstrip('.')})"
            raise TaskError(f"{given}. Use 'zero1' or 'ddp'.") from error

    def bind(self, optimizer: torch.optim.Optimizer, *, leaves_out: bool) -> None:
        """Refuse rules that need more than a shard."""
        del leaves_out
        _check(optimizer, self._processes.strategy)

    def synchronise(self, wanted: bool) -> None:
        """Say whether the next backward pass averages gradients."""
        sharded: Any = self.train
        sharded.set_requires_gradient_sync(wanted)

    def norm(self, gradients: Sequence[Tensor]) -> float:
        """The norm of all gradients together, of all processes' shards."""
        found: Any = torch.nn.utils.get_total_norm(gradients)
        return float(found.full_tensor() if is_sharded(found) else found)

    def empty(self, like: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """An empty tensor, in shards where a parameter of that shape lies in shards."""
        if like is None or not is_sharded(like) or like.shape != shape:
            return super().empty(like, shape, dtype)
        return torch.empty_like(like, dtype=dtype)

    def whole(self, make: Callable[[], nn.Module]) -> nn.Module:
        """A fresh model with the weights."""
        model = make()
        weights = full(self._objective.model.state_dict())
        with torch.no_grad():
            for name, tensor in model.state_dict().items():
                tensor.copy_(weights[name])
        return model


_KINDS: Mapping[str | None, Callable[[Objective, Processes], Strategy]] = {None: Strategy, "ddp": Copies, "zero1": Shares, "fsdp": Shards}


def spread(objective: Objective, processes: Processes) -> Strategy:
    """Lay a model over processes, as their strategy says.

    Raises:
        TaskError: it cannot be cut.
    """
    return _KINDS[processes.strategy](objective, processes)


def leaves_out(objective: nn.Module, batch: Any) -> bool:
    """Whether the loss of a batch does not depend on every parameter."""
    trained = [p for p in objective.parameters() if p.requires_grad]
    with isolated(0), torch.enable_grad():
        loss = objective(duplicate(batch))
        found = torch.autograd.grad(loss, trained, allow_unused=True) if loss.requires_grad else ()
    return any(gradient is None for gradient in found)


def full(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Whole tensors of those that may lie in shards; every process must ask."""
    return {name: tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor for name, tensor in tensors.items()}


def _blocks(model: nn.Module) -> Iterator[nn.Module]:
    """Modules that are put together one at a time: members of lists and sequences that are themselves made of modules."""
    uses = Counter(id(p) for module in model.modules() for p in module.parameters(recurse=False))
    for module in model.modules():
        for member in module.children() if isinstance(module, nn.ModuleList | nn.Sequential) else ():
            own = Counter(id(p) for part in member.modules() for p in part.parameters(recurse=False))
            is_alone = all(uses[held] == number for held, number in own.items())
            if own and is_alone and any(True for _ in member.children()):
                yield member


def _check(optimizer: torch.optim.Optimizer, strategy: str | None) -> None:
    """Refuse a rule that would compute something else from what one process has."""
    held: Any = getattr(optimizer, "rule", None)
    if held is None:
        if strategy == "zero1" and hasattr(optimizer, "eval"):
            raise InputError(f"strategy={strategy!r}: an optimizer that keeps weights to evaluate at needs all of its state. Use 'ddp'.")
        return
    rule: Rule = held() if isinstance(held, type) else held
    reason = lacking(rule, strategy)
    if reason:
        others = [repr(other) for other in STRATEGIES if not lacking(rule, other)]
        remedy = f"Use {' or '.join(others)}" if others else "Train it in one process"
        raise InputError(f"{rule.name!r} with strategy={strategy!r}: it {reason}. {remedy}.", given=strategy)


def lacking(rule: Rule, strategy: str | None) -> str:
    """What a rule does that no process can do from what it has under a strategy; empty where it can."""
    if "curvature" in rule.needs:
        return "needs estimates of the curvature, which are made in one process only"
    if strategy in (None, "ddp"):
        return ""
    if rule.lane_slots or (strategy == "zero1" and type(rule).measure is not Rule.measure):
        return "looks at all parameters together"
    if rule.needs:
        return f"needs a {' and '.join(sorted(rule.needs))} from changed weights"
    if rule.is_averaging:
        return "keeps weights to evaluate at beside those that it trains"
    if strategy == "fsdp" and (rule.granularity == "matrix" or any(slot.shape is not None for slot in rule.active_slots)):
        return "looks at whole matrices"
    return ""
