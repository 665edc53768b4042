"""A look into a model while somebody else runs it: hooks on its modules for one step, and a forward of our own where that cannot be.

Weights, buffers, modes, random streams and plain attributes are afterwards what they were, and no hook is left.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from ravine.doctor.operations import BOUNDED, RECTIFIERS, Unit, first_tensor, flat_parts
from ravine.doctor.probe import Activation, activation, described
from ravine.tasks._randomness import isolated

MODE_TYPES = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._BatchNorm)
"""Modules that do another thing in evaluation mode."""


@dataclass(slots=True)
class Flats:
    """Where one activation function was flat on every row seen so far.

    Attributes:
        place: module and function.
        function: its name.
        rows: how many were seen.
        flat: dimension of the units -> (units,), zero or at a bound on every row.
        other: of a rectifier the same, zero on no row.
    """

    place: str
    function: str
    rows: int
    flat: dict[int, Tensor]
    other: dict[int, Tensor]

    def join(self, other: "Flats") -> None:
        """Take in more rows of the same function; of another width, they begin anew."""
        if {dim: mask.shape for dim, mask in self.flat.items()} != {dim: mask.shape for dim, mask in other.flat.items()}:
            self.rows, self.flat, self.other = other.rows, other.flat, other.other
            return
        self.rows += other.rows
        for own, more in ((self.flat, other.flat), (self.other, other.other)):
            for dim in own:
                own[dim] = own[dim] & more[dim]

    @property
    def unit(self) -> Unit:
        """As shares of the units."""
        return Unit.of(self.place, self.function, self.flat, self.other)


@dataclass(frozen=True, slots=True)
class Given:
    """What a model was called with, and under which autocast.

    Attributes:
        args, kwargs: of the call.
        device: type of the model's device.
        dtype: of autocast; None where it was off.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    device: str
    dtype: torch.dtype | None

    @property
    def rows(self) -> int | None:
        """Examples: the first size of the first tensor; None where none was given."""
        first = self.args[0] if self.args else None
        leaves = [first] if isinstance(first, Tensor) and first.ndim else pytree.tree_leaves((self.args, dict(self.kwargs)))
        return next((len(leaf) for leaf in leaves if isinstance(leaf, Tensor) and leaf.ndim), None)


@final
class Look:
    """Looks at the first call of every module until it is closed; it also learns which of them are called from outside.

    Args:
        model: the module that is called.
        on_output: told of every output of an outermost call that leads to gradients.
        is_ours: whether the forward is our own, which needs no gradients.
    """

    def __init__(self, model: nn.Module, on_output: Callable[[Tensor], None] | None = None, *, is_ours: bool = False) -> None:
        self.activations: list[Activation] = []
        self.flats: dict[str, Flats] = {}
        self.entrances: list[str] = []
        self.broken = ""
        self.asleep: tuple[str, ...] = ()
        self._model, self._on_output, self._is_ours = model, on_output, is_ours
        self._places: list[str] = []
        self._seen = set[str]()
        self._mode: _Functions | None = None
        parts = list(visible(model))
        self._has_mode = not any(is_compiled(module) for _, module in parts)
        self._handles = [handle for name, module in parts for handle in self._hooked(name, module)]

    def close(self) -> None:
        """Take every hook away; a second call does nothing."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._leave_mode()

    def note(self, function: str, out: Tensor) -> None:
        """An activation function gave something."""
        if out.ndim < 2 or len(out) < 1:
            return
        place = f"{self._places[-1] if self._places else 'the model'}, {function.rstrip('_')}"
        if place not in self.flats:
            own = function.rstrip("_")
            self.flats[place] = Flats(place, own, len(out), *flat_parts(own, out.detach()))

    def _hooked(self, name: str, module: nn.Module) -> Iterator[Any]:
        place = described(name, module)

        def enter(part: nn.Module, given: Any) -> None:
            if torch.compiler.is_compiling() or not (self._is_ours or torch.is_grad_enabled()):
                return
            # What is called again in the backward pass, for want of memory, is no entrance.
            if not self._places and not any(name == known or not known or name.startswith(f"{known}.") for known in self.entrances):
                self._begin(name)
            self._places.append(place)

        def leave(part: nn.Module, given: Any, output: Any) -> None:
            if torch.compiler.is_compiling() or not self._places or self._places[-1] != place:
                return
            self._places.pop()
            if not self._places:
                self._leave_mode()
                if self._on_output is not None:
                    self._tell(output)
            if place not in self._seen:
                self._seen.add(place)
                # What is computed here is none of the model's functions.
                with torch._C.DisableTorchFunction():
                    self._look(name, place, module, given, output)

        yield module.register_forward_pre_hook(enter)
        # Also after an exception, so that the modules that are under way are always known.
        yield module.register_forward_hook(leave, always_call=True)

    def _begin(self, name: str) -> None:
        self.entrances.append(name)
        self.asleep = tuple(name for name, part in self._model.named_modules() if _is_asleep(part))
        if self._has_mode:
            self._mode = _Functions(self)
            self._mode.__enter__()  # type: ignore[no-untyped-call]  # torch leaves it untyped

    def _leave_mode(self) -> None:
        if self._mode is not None:
            mode, self._mode = self._mode, None
            mode.__exit__(None, None, None)  # type: ignore[no-untyped-call]  # the same

    def _tell(self, output: Any) -> None:
        leaves = (leaf for leaf in pytree.tree_leaves(output) if isinstance(leaf, Tensor) and leaf.is_floating_point())
        told = max((leaf for leaf in leaves if leaf.ndim and leaf.requires_grad), key=lambda leaf: leaf.ndim > 1, default=None)
        if told is not None and self._on_output is not None:
            self._on_output(told)

    def _look(self, name: str, place: str, module: nn.Module, given: Any, output: Any) -> None:
        tensor = first_tensor(output)
        if tensor is None:
            return
        values = tensor.detach()
        is_leaf = all(child is None for child in module._modules.values())
        if is_leaf:
            self.activations.append(activation(name, module, values))
        # A mean or a sum shows it as well as all numbers do, and a sum that overflows is asked once more.
        size = self.activations[-1].mean_abs if is_leaf else float(values.sum())
        if not self.broken and not math.isfinite(size) and not _is_finite(output) and _is_finite(given):
            self.broken = f"the output of {place}"


@final
class _Functions(TorchFunctionMode):
    """Tells a look what activation functions give, those that are no modules, too."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look

    def __torch_function__(
        self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if (name in RECTIFIERS or name in BOUNDED) and isinstance(out, Tensor) and not torch.compiler.is_compiling():
            self._look.note(name, out)
        return out


def visible(model: nn.Module, name: str = "") -> Iterator[tuple[str, nn.Module]]:
    """Modules whose hooks are run: what is inside of a compiled one is not."""
    yield name, model
    if not is_compiled(model):
        for child, module in model.named_children():
            yield from visible(module, f"{name}.{child}" if name else child)


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile made it, or compiles its calls."""
    return "_orig_mod" in module._modules or getattr(module, "_compiled_call_impl", None) is not None


def bare(model: nn.Module) -> nn.Module:
    """The user's own module inside of those that torch.compile and DistributedDataParallel put around it."""
    while hasattr(model, "_orig_mod") or isinstance(model, nn.parallel.DistributedDataParallel):
        model = model._orig_mod if hasattr(model, "_orig_mod") else model.module  # type: ignore[assignment]
    return model


def look_again(model: nn.Module, calls: Sequence[tuple[nn.Module, Given]]) -> Look:
    """Look at calls that have been made, by making them once more without gradients.

    Args:
        model: with its names.
        calls: modules of it and what each was given.
    """
    with ExitStack() as stack:
        stack.enter_context(_kept(model))
        stack.enter_context(isolated(0))
        stack.enter_context(torch.no_grad())
        look = Look(model, is_ours=True)
        stack.callback(look.close)
        for module, given in calls:
            casting = torch.autocast(given.device, dtype=given.dtype) if given.dtype is not None else nullcontext()
            with casting:
                module(*given.args, **given.kwargs)
    return look


@contextmanager
def _kept(model: nn.Module) -> Iterator[None]:
    """Give a module its buffers, modes and plain attributes back after the block."""
    held = [(part, dict(vars(part)), dict(part._buffers)) for part in model.modules()]
    numbers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for part, attributes, buffers in held:
            for added in vars(part).keys() - attributes.keys():
                del part.__dict__[added]
            part.__dict__.update(attributes)
            part._buffers.clear()
            part._buffers.update(buffers)
        with torch.no_grad():
            for buffer, old in numbers:
                buffer.copy_(old)


def _is_asleep(module: nn.Module) -> bool:
    """In evaluation mode where that matters; a normalisation whose parameters are frozen is so on purpose."""
    if module.training or not isinstance(module, MODE_TYPES):
        return False
    return bool(getattr(module, "p", 1.0)) and all(p.requires_grad for p in module.parameters())


def _is_finite(tree: Any) -> bool:
    leaves = (leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, Tensor) and leaf.is_floating_point())
    return all(bool(torch.isfinite(leaf).all()) for leaf in leaves)
