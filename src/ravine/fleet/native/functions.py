"""The native functions of a model and of rules: generated, built, and checked against torch before anyone uses them."""

import ctypes
import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from ravine.fleet.agreement import TOLERANCE, UPDATE_TOLERANCE, is_close, shrink
from ravine.fleet.gradients import single_gradient
from ravine.fleet.native.builds import Build
from ravine.fleet.native.program import ALIGNMENT, Program, generate
from ravine.fleet.native.structures import Kernels
from ravine.fleet.native.tracing import FLAT_LENGTH, Draw, named_offsets, trace_gradient, trace_update
from ravine.fleet.native.values import Unsupported
from ravine.fleet.stacking import split_state
from ravine.rules import Rule
from ravine.tasks._randomness import isolated

KERNELS_S = {True: 6.0, False: 2.0}
"""Seconds that the precompiled kernels of one element type take to build, with and without those for images."""


@functools.cache
def kernels_build(dtype: torch.dtype, *, images: bool = True) -> Build:
    """The precompiled kernels for an element type: those for products, and those for images, which most models do without."""
    text = (Path(__file__).parent / "kernels.cpp").read_text(encoding="utf-8")
    only = ["F32" if dtype == torch.float32 else "F64", *([] if images else ["PRODUCTS"])]
    return Build("".join(f"#define RAVINE_{part}_ONLY\n" for part in only) + text, KERNELS_S[images])


@functools.cache
def driver_build() -> Build:
    """The function that takes a lane's steps."""
    return Build((Path(__file__).parent / "driver.cpp").read_text(encoding="utf-8"))


@functools.cache
def kernel_table(dtype: torch.dtype, *, images: bool = True) -> Any:
    """Pointer to the precompiled kernels for an element type, those for images null where they are not wanted."""
    library = kernels_build(dtype, images=images).library
    function = library.ravine_kernels_f32 if dtype == torch.float32 else library.ravine_kernels_f64
    function.restype = ctypes.POINTER(Kernels)
    return function()


@functools.cache
def driver() -> Any:
    """The function that takes a lane's steps."""
    function = driver_build().library.ravine_run
    function.argtypes, function.restype = [ctypes.c_void_p, ctypes.c_long, ctypes.c_long, ctypes.c_void_p], None
    return function


def pointers(tensors: Sequence[Tensor | int]) -> Any:
    """Addresses of tensors as a C array."""
    return (ctypes.c_void_p * max(1, len(tensors)))(*[t if isinstance(t, int) else t.data_ptr() for t in tensors])


def address(pointer: Any) -> int | None:
    """Where a pointer of ctypes points."""
    return ctypes.cast(pointer, ctypes.c_void_p).value


def scratch(size: int) -> tuple[Tensor, int]:
    """Memory of at least `size` bytes and an aligned address in it."""
    memory = torch.zeros(size + ALIGNMENT, dtype=torch.uint8)
    return memory, -(-memory.data_ptr() // ALIGNMENT) * ALIGNMENT


class Function:
    """A generated function, built when it is first called."""

    def __init__(self, program: Program, dtype: torch.dtype) -> None:
        self._program, self.dtype = program, dtype
        self.build = Build(program.source)

    @functools.cached_property
    def _function(self) -> Any:
        function = getattr(self.build.library, self._program.name)
        function.argtypes = [ctypes.c_long, *[ctypes.c_void_p] * 4]
        return function

    @property
    def address(self) -> int | None:
        """Where it lies in memory."""
        return address(self._function)

    @property
    def has_images(self) -> bool:
        """Whether it calls precompiled kernels for images."""
        return self._program.has_images

    @functools.cached_property
    def kernels(self) -> int | None:
        """Address of the precompiled kernels; None if it calls none: they take seconds to build where nobody has yet."""
        return address(kernel_table(self.dtype, images=self.has_images)) if self._program.calls else None

    @functools.cached_property
    def scratch_bytes(self) -> int:
        """Memory that it needs besides inputs and outputs."""
        return self._program.scratch_bytes(lambda: kernel_table(self.dtype, images=self.has_images).contents)

    def call(self, n: int, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        """Run it once on tensors."""
        memory, place = scratch(self.scratch_bytes)
        self.enter(n, pointers(inputs), pointers(outputs), place)
        del memory

    def enter(self, n: int, inputs: Any, outputs: Any, place: int) -> None:
        """Run it once on addresses, with aligned scratch memory at `place`."""
        self._function(n, inputs, outputs, place, self.kernels)


def element_type(parameters: Sequence[Tensor]) -> torch.dtype:
    """The one floating dtype of all parameters.

    Raises:
        Unsupported: there are several, or one that the generator does not know, or they are not on the CPU.
    """
    if not parameters:
        raise Unsupported("it has no trainable parameters")
    dtypes = {parameter.dtype for parameter in parameters}
    if len(dtypes) > 1 or not dtypes <= TOLERANCE.keys():
        names = " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
        raise Unsupported(f"its parameters are {names}")
    if any(parameter.device.type != "cpu" for parameter in parameters):
        raise Unsupported("it is not on the CPU")
    return next(iter(dtypes))


@final
class GradientFunction(Function):
    """Loss and gradients of one lane.

    Args:
        objective: the model with its loss; what needs no gradient counts as state.
        batch: one batch.

    Attributes:
        offsets: parameter -> where it begins when all are laid end to end, and its shape.
        length: elements of all parameters.
        state: names of buffers and frozen parameters, in the order of the inputs.
        changed: names of the state that the forward pass changes.
        draws: random tensors, in order.
        constants: tensors that are neither parameter nor state.
    """

    def __init__(self, objective: nn.Module, batch: Any) -> None:
        trainable, _ = split_state(objective)
        dtype = element_type(list(trainable.values()))
        traced = trace_gradient(objective.train(), batch)
        super().__init__(generate(traced.graph, "ravine_gradient", dtype), dtype)
        self.offsets = named_offsets(trainable)
        self.length = sum(parameter.numel() for parameter in trainable.values())
        self.state, self.changed = traced.state, traced.changed
        self.draws: tuple[Draw, ...] = traced.draws
        self.constants = traced.constants

    def check(self, objective: nn.Module, batch: Any, seed: int) -> None:
        """Compare with torch's autograd on one batch.

        Args:
            objective: freshly built; its weights and buffers are changed by the comparison.
            batch: one batch.
            seed: of the random streams.

        Raises:
            Unsupported: the numbers differ by more than rounding.
        """
        shrink(objective)
        trainable, fixed = split_state(objective)
        before = {name: tensor.clone().contiguous() for name, tensor in fixed.items()}
        with isolated(seed):
            draws = [draw.make().contiguous() for draw in self.draws]
        inputs = [tensor.contiguous() for tensor in trainable.values()]
        inputs += [*before.values(), *(leaf.contiguous() for leaf in pytree.tree_leaves(batch)), *draws, *self.constants]
        gradients = [torch.empty(shape, dtype=self.dtype) for _, shape in self.offsets.values()]
        loss, after = torch.empty((), dtype=self.dtype), [torch.empty_like(before[name]) for name in self.changed]
        self.call(self.length, inputs, [*gradients, loss, *after])
        with isolated(seed):
            parameters = [p for p in objective.parameters() if p.requires_grad]
            wanted, wanted_loss = single_gradient(objective.train(), parameters, batch)
        whole = [torch.zeros_like(g) if w is None else w for g, w in zip(gradients, wanted, strict=True)]
        scale = max((float(w.abs().nan_to_num().max()) for w in whole if w.numel()), default=0.0)
        _, changed = split_state(objective)
        pairs = [(loss, wanted_loss, 0.0), *((g, w, scale) for g, w in zip(gradients, whole, strict=True))]
        pairs += [(new, changed[name], 0.0) for name, new in zip(self.changed, after, strict=True)]
        if not all(is_close(value, reference, least, TOLERANCE[self.dtype]) for value, reference, least in pairs):
            raise Unsupported("native code gave other numbers than torch")


@final
class UpdateFunction(Function):
    """One rule's update of a whole lane, the addition and the test for finite parameters included.

    Args:
        rule: the rule.
        scalars: names of its scalars.
        shapes: of the lane's parameters.
        dtype: of the parameters.
        in_place: whether values and slots may be written where they were read; of one tensor or a row.

    Attributes:
        is_flat: whether it takes all parameters as one row of any length; else tensor by tensor.
    """

    def __init__(
        self, rule: Rule, scalars: Sequence[str], shapes: Sequence[tuple[int, ...]], dtype: torch.dtype, *, in_place: bool = False
    ) -> None:
        if not rule.is_plain or any(slot.shape for slot in rule.active_slots):
            raise Unsupported(f"{rule.name} does more than change every parameter on its own")
        self.is_flat = rule.granularity == "element"
        graph = trace_update(rule, scalars, [(FLAT_LENGTH,)] if self.is_flat else shapes, dtype)
        length = FLAT_LENGTH if self.is_flat else None
        wanted = [(0, 0), *((1 + at, 2 + at) for at in range(len(rule.active_slots)))] if in_place else []
        program = generate(graph, "ravine_update", dtype, symbolic=length, in_place=wanted)
        if len(program.shared) < len(wanted):
            raise Unsupported("its outputs cannot be its inputs")
        super().__init__(program, dtype)
        self._rule, self._scalars, self._shapes = rule, list(scalars), list(shapes)

    def check(self) -> None:
        """Compare with the rule's text run by torch, on numbers of the usual size.

        Raises:
            Unsupported: the numbers differ by more than rounding.
        """
        rule, names, shapes = self._rule, self._scalars, [(301,)] if self.is_flat else self._shapes
        generator = torch.Generator().manual_seed(0)

        def random() -> list[Tensor]:
            return [0.1 + torch.rand(shape, generator=generator, dtype=self.dtype) for shape in shapes]

        p, g, slots = random(), random(), [random() for _ in rule.active_slots]
        # Any scalars will do, and a rule with a flag on may have none at its default hypers.
        numbers = {name: 0.1 + 0.8 * torch.rand((), generator=generator, dtype=self.dtype) for name in names}
        symbols = [slot.symbol for slot in rule.active_slots]
        new, states, wrong = (
            [torch.empty_like(t) for t in p],
            [[torch.empty_like(t) for t in p] for _ in slots],
            torch.ones((), dtype=self.dtype),
        )
        inputs = [*p, *g, *(t for slot in slots for t in slot), *(numbers[name] for name in names)]
        self.call(sum(t.numel() for t in p), inputs, [*new, *(t for state in states for t in state), wrong])
        same = float(wrong) == 0.0
        for position, (value, gradient) in enumerate(zip(p, g, strict=True)):
            own = SimpleNamespace(**{symbol: slot[position] for symbol, slot in zip(symbols, slots, strict=True)})
            delta, state = rule.update(value, gradient, own, SimpleNamespace(**numbers))
            pairs = [(new[position], value + delta), *((states[at][position], state[symbol]) for at, symbol in enumerate(symbols))]
            same = same and all(is_close(mine, other, 0.0, UPDATE_TOLERANCE[self.dtype]) for mine, other in pairs)
        if not same:
            raise Unsupported(f"native code of {rule.name} gave other numbers than torch")


class Functions:
    """The native functions of one fleet, each built once.

    Args:
        build: builds the objective afresh.
        unused: names of parameters that the loss does not use.
    """

    def __init__(self, build: Callable[[], nn.Module], unused: Collection[str] = ()) -> None:
        self._build, self._unused = build, unused
        self._traced: dict[Any, Function | Unsupported] = {}
        self._checked: dict[Any, Function | Unsupported] = {}

    def trace(self, batch: Any, rules: Iterable[tuple[Rule, Sequence[str]]]) -> list[Build]:
        """Write everything that tiles of these rules need, without building it.

        Args:
            batch: one batch.
            rules: with the names of their scalars.

        Returns:
            The libraries, in the order in which they had best be begun.

        Raises:
            Unsupported: the model or a rule has no native code.
        """
        gradient = self._trace_gradient(batch)
        shapes = [shape for _, shape in gradient.offsets.values()]
        updates = [self._trace_update(rule, scalars, shapes, gradient.dtype) for rule, scalars in rules]
        kernels = kernels_build(gradient.dtype, images=gradient.has_images)
        return [kernels, gradient.build, *(update.build for update in updates), driver_build()]

    def knows(self, rules: Iterable[Rule]) -> bool:
        """Whether the code of these rules has been checked, so that nothing need be written or built for them."""
        known = {key[0] for key, found in self._checked.items() if isinstance(found, UpdateFunction)}
        return all(rule.key in known for rule in rules)

    def gradient(self, batch: Any) -> GradientFunction:
        """The gradient function of the fleet's model for batches like this one.

        Raises:
            Unsupported: there is none; the same reason each time.
        """

        def make() -> Function:
            function = self._trace_gradient(batch)
            function.check(self.objective(), batch, seed=0)
            return function

        return _kept(self._checked, form(batch), make)  # type: ignore[no-any-return]

    def update(self, rule: Rule, scalars: Sequence[str], gradient: GradientFunction) -> UpdateFunction:
        """The update function of a rule.

        Raises:
            Unsupported: there is none; the same reason each time.
        """
        return self._update(rule, scalars, [shape for _, shape in gradient.offsets.values()], gradient.dtype)

    def flat_update(self, rule: Rule, scalars: Sequence[str], dtype: torch.dtype) -> UpdateFunction:
        """The update function of an element rule for parameters of any shapes.

        Raises:
            Unsupported: there is none; the same reason each time.
        """
        _check_flat(rule, dtype)
        return self._update(rule, scalars, (), dtype)

    def trace_flat(self, rule: Rule, scalars: Sequence[str], dtype: torch.dtype) -> Build:
        """Write what `flat_update` gives, without building it.

        Raises:
            Unsupported: there is none.
        """
        _check_flat(rule, dtype)
        return self._trace_update(rule, scalars, (), dtype).build

    def _update(self, rule: Rule, scalars: Sequence[str], shapes: Sequence[tuple[int, ...]], dtype: torch.dtype) -> UpdateFunction:
        def make() -> Function:
            function = self._trace_update(rule, scalars, shapes, dtype)
            function.check()
            return function

        return _kept(self._checked, (rule.key, dtype), make)  # type: ignore[no-any-return]

    def _trace_gradient(self, batch: Any) -> GradientFunction:
        return _kept(self._traced, form(batch), lambda: GradientFunction(self.objective(), batch))  # type: ignore[no-any-return]

    def _trace_update(self, rule: Rule, scalars: Sequence[str], shapes: Sequence[tuple[int, ...]], dtype: torch.dtype) -> UpdateFunction:
        return _kept(self._traced, (rule.key, dtype), lambda: UpdateFunction(rule, scalars, shapes, dtype))  # type: ignore[no-any-return]

    def once(self, key: Any, make: Callable[[], Function]) -> Any:
        """What `make` gives, made and checked the first time that `key` is asked for.

        Raises:
            Unsupported: there is none; the same reason each time.
        """
        return _kept(self._checked, key, make)

    def objective(self) -> nn.Module:
        """The fleet's model, fresh, with what its loss does not use frozen."""
        objective = self._build()
        for name in self._unused:
            objective.get_parameter(name).requires_grad_(False)
        return objective


def _check_flat(rule: Rule, dtype: torch.dtype) -> None:
    if rule.granularity != "element":
        raise Unsupported(f"{rule.name} looks at whole tensors")
    if dtype not in TOLERANCE:
        raise Unsupported(f"its parameters are {str(dtype).removeprefix('torch.')}")


def form(batch: Any) -> Any:
    """What a function is built for: shapes and dtypes of a tree's tensors."""
    return tuple((tuple(leaf.shape), leaf.dtype) for leaf in pytree.tree_leaves(batch))


def _kept(known: dict[Any, Function | Unsupported], key: Any, make: Callable[[], Function]) -> Any:
    """What was made before under a key, or refused before for the same reason."""
    if key not in known:
        try:
            known[key] = make()
        except Unsupported as error:
            known[key] = error
        except MemoryError:
            raise
        except Exception as error:  # a user's module may raise anything: another mode trains it, and says so if it cannot
            line = next((part.strip() for part in str(error).splitlines() if part.strip()), "no message")
            known[key] = Unsupported(f"its native code failed ({type(error).__name__}: {line[:120]})")
    found = known[key]
    if isinstance(found, Unsupported):
        raise found
    return found
