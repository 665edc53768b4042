"""What training takes in memory: bytes of weights, gradients, optimiser state, master copy and activations, for one process.

                weights  copies  gradients  master  state
    fp32           4                 4                 4 a slot
    bf16, fp16     4        2        4                 4 a slot       autocast: products in half precision, as `ravine train` does them
    pure_bf16      2                 4         4       4 a slot       as `ravine train`; no master for other ways to keep weights
    mixed          2                 2         4       4 a slot       Micikevicius et al.: half weights and gradients, float32 master

A slot in 16 bits takes 2 bytes; in 8 bits 1 byte and 4 for each block of 256 entries, for tensors of whole blocks and 4,096 entries or
more. ZeRO divides by the number of shards: stage 1 the state and the master, stage 2 the gradients too, stage 3 the weights too.

References:
    Micikevicius et al. (2018), arXiv:1710.03740. Rajbhandari et al. (2020), ZeRO, arXiv:1910.02054, section 3.1: 16 bytes a parameter
    for mixed-precision Adam. Dettmers et al. (2022), arXiv:2110.02861: 8-bit states.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ravine.base._checks import count, number, unknown_name
from ravine.base.errors import InputError
from ravine.rules import Rule, Slot, names, resolve
from ravine.rules._keeping import BLOCK, WEIGHTS, is_blockwise, takes_storage

if TYPE_CHECKING:
    from ravine.tasks.kinds import Kind

COMPONENTS = ("parameters", "copies", "gradients", "master", "state", "buffers", "activations")
"""What takes memory, in the order in which it is shown. "copies" are autocast's of the weights; "master" is what else keeps a narrow
weight exact, Kahan's compensation included."""

MATRIX = (1024, 1024)
"""A bare number of parameters stands for matrices of this shape, on which some optimisers' state depends."""

MOST = 1e18
"""Parameters: a million times the largest model's, and still whole numbers whose bytes can be told in words."""

STATE_BITS = (32, 16, 8)
STAGES = (0, 1, 2, 3)
COUNTER = 4
"""Bytes of the step count that every tensor's state holds."""


@dataclass(frozen=True, slots=True)
class Precision:
    """In what numbers weights and gradients are.

    Attributes:
        weight, copy, gradient: bytes of a parameter's; `copy` only while a step runs.
        is_narrow: whether weights are narrower than arithmetic, so that there are ways to keep them.
        autocast: name of the dtype of products; None for that of the weights.
        doc: one line.
    """

    weight: int
    copy: int
    gradient: int
    is_narrow: bool
    autocast: str | None
    doc: str


PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        "fp32": Precision(4, 0, 4, False, None, "everything in float32"),
        "bf16": Precision(4, 2, 4, False, "bfloat16", "autocast: products in bfloat16, weights and gradients in float32"),
        "fp16": Precision(4, 2, 4, False, "float16", "autocast: products in float16, weights and gradients in float32"),
        "pure_bf16": Precision(
            2, 0, 4, True, None, "weights in bfloat16, master weights (unless they are kept otherwise) and sums of gradients in float32"
        ),
        "mixed": Precision(
            2, 0, 2, True, None, "weights and gradients in half precision, master weights (unless they are kept otherwise) in float32"
        ),
    }
)
"""Precisions by name; the first four are those of `ravine train`."""

_KEPT_BESIDE = {"plain": 0, "stochastic": 0, "kahan": 2, "master": 4}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a model is trained, as far as memory cares.

    Attributes:
        optimizer: registry name, with or without wrappers.
        precision: of `PRECISIONS`.
        bits: of a slot of the state: 32, 16 or 8.
        weights: how narrow weights are kept: "master", "kahan", "stochastic" or "plain"; "master" where None.
        zero: ZeRO's stage.
        shards: processes that share.

    Raises:
        UnknownNameError: no such optimiser, precision or way to keep weights.
        InputError: a number that is none, or a setting without effect.
    """

    optimizer: str = "adamw"
    precision: str = "fp32"
    bits: int = 32
    weights: str | None = None
    zero: int = 0
    shards: int = 1

    def __post_init__(self) -> None:
        resolve(self.optimizer, {})
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)
        if self.bits not in STATE_BITS:
            raise InputError(f"bits={self.bits!r}: must be 8, 16 or 32. Leave it out for 32.", given=self.bits)
        if self.weights is not None and self.weights not in WEIGHTS:
            raise unknown_name("way to keep weights", self.weights, WEIGHTS)
        if self.weights is not None and not PRECISIONS[self.precision].is_narrow:
            given = f"weights={self.weights!r} with precision {self.precision!r}"
            raise InputError(f"{given}: it has an effect on pure_bf16 and mixed only. Leave it out.", given=self.weights)
        if self.zero not in STAGES:
            raise InputError(f"zero={self.zero!r}: must be 0, 1, 2 or 3. 0 divides nothing.", given=self.zero)
        count("shards", self.shards, do="It is the number of processes.")
        if self.zero and self.shards == 1:
            raise InputError(f"zero={self.zero} with shards=1: one process has nobody to share with. Give shards=8, or leave zero out.")
        if self.shards > 1 and not self.zero:
            raise InputError(f"shards={self.shards} with zero=0: nothing is divided. Give zero=1, 2 or 3, or leave shards out.")
        if self.storage and not takes_storage(self.optimizer):
            option, remedy = ("bits", "leave bits out") if self.bits != max(STATE_BITS) else ("weights", "give weights='plain'")
            value = self.bits if option == "bits" else repr(self.kept)
            given = f"{option}={value} for {self.optimizer!r}: its class keeps state in float32 and weights as they are"
            raise InputError(f"{given}. Give another optimizer, or {remedy}.", given=self.optimizer)

    @property
    def kept(self) -> str:
        """How narrow weights are kept; "plain" where weights are not narrow."""
        return (self.weights or "master") if PRECISIONS[self.precision].is_narrow else "plain"

    @property
    def precision_doc(self) -> str:
        """The precision in one line."""
        return PRECISIONS[self.precision].doc

    @property
    def storage(self) -> dict[str, Any]:
        """What the drop-in class is told of it, as keywords; empty where nothing is out of the ordinary."""
        kept = {} if self.kept == "plain" else {"weights": self.kept}
        return kept | ({} if self.bits == max(STATE_BITS) else {"state_dtype": "8bit" if self.bits == 8 else "bfloat16"})

    @property
    def label(self) -> str:
        """The plan in a few words."""
        parts = [self.optimizer, self.precision]
        parts += [f"{self.kept} weights"] if self.weights is not None else []
        parts += [f"{self.bits}-bit state"] if self.bits != max(STATE_BITS) else []
        return ", ".join([*parts, *([f"ZeRO {self.zero} over {self.shards}"] if self.zero else [])])


@dataclass(frozen=True, slots=True)
class Model:
    """A model, as far as memory cares.

    Attributes:
        name: what tables call it.
        trainable, frozen: number of parameters.
        tensors: kind and shape of each trainable tensor; empty for a bare number, which stands for matrices.
        buffers: bytes.
        activations: precision -> bytes that one batch's forward saves for the backward pass, by autocast's copies of the weights more
            where there are any; empty where not measured.
        rows: of that batch.
    """

    name: str
    trainable: int
    frozen: int = 0
    tensors: tuple[tuple["Kind", tuple[int, ...]], ...] = ()
    buffers: int = 0
    activations: Mapping[str, int] | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that one process needs.

    Attributes:
        model: of what.
        plan: under which plan.
        parts: component -> bytes; components that there are none of are left out.
    """

    model: Model
    plan: Plan
    parts: Mapping[str, float]

    @property
    def total(self) -> float:
        """Bytes in all."""
        return math.fsum(self.parts.values())

    @property
    def per_parameter(self) -> dict[str, float]:
        """Bytes of each component for each of the model's parameters."""
        return {name: value / (self.model.trainable + self.model.frozen) for name, value in self.parts.items()}

    def summary(self) -> dict[str, Any]:
        """The same as plain values."""
        plan = {key: getattr(self.plan, key) for key in ("optimizer", "precision", "bits", "zero", "shards")}
        each = self.per_parameter
        return {
            **plan,
            "weights": self.plan.kept,
            "bytes": {**self.parts, "total": self.total},
            "bytes_per_parameter": {**each, "total": math.fsum(each.values())},
        }


def counted(number_of_parameters: float) -> Model:
    """A model of which only the number of parameters is known.

    Raises:
        InputError: it is not a whole number above 0, or more than `MOST`.
    """
    do = "Such as 124e6 for the smallest GPT-2."
    value = number("params", number_of_parameters, at_least=1, at_most=MOST, do=do)
    if value != round(value):
        raise InputError(f"params={number_of_parameters!r}: must be a whole number. {do}", given=number_of_parameters)
    return Model(f"{round(value):,} parameters", round(value))


def memory_of(model: Model, plan: Plan) -> Memory:
    """Bytes of every component.

    Example:
        >>> memory_of(counted(124e6), Plan("adamw")).per_parameter
        {'parameters': 4.0, 'gradients': 4.0, 'state': 8.0}
    """
    kind, everything = PRECISIONS[plan.precision], model.trainable + model.frozen
    parts: dict[str, float] = {
        "parameters": kind.weight * everything,
        "copies": 0 if model.activations else kind.copy * everything,
        "gradients": kind.gradient * model.trainable,
        "master": _KEPT_BESIDE[plan.kept] * model.trainable if kind.is_narrow else 0,
        "state": _state_bytes(model, plan),
        "buffers": model.buffers,
        "activations": (model.activations or {}).get(plan.precision, 0),
    }
    divided = {"master": 1, "state": 1, "gradients": 2, "parameters": 3}
    for component, stage in divided.items():
        parts[component] /= plan.shards if plan.zero >= stage else 1
    return Memory(model, plan, {name: float(value) for name, value in parts.items() if value})


USUAL = (
    Plan("sgd"),
    Plan("momentum"),
    Plan("lion"),
    Plan("adafactor"),
    Plan("adamw"),
    Plan("adamw", bits=8),
    Plan("adamw", "mixed"),
    Plan("adamw", "mixed", zero=1, shards=8),
    Plan("adamw", "mixed", zero=2, shards=8),
    Plan("adamw", "mixed", zero=3, shards=8),
)
"""Plans that show what each part costs."""


def every_optimizer(model: Model, plan: Plan) -> list[Memory]:
    """The same plan under every registered optimiser that can be kept in this way."""
    fitting = [name for name in names() if not plan.storage or takes_storage(name)]
    return [memory_of(model, replace(plan, optimizer=name)) for name in fitting]


def _state_bytes(model: Model, plan: Plan) -> float:
    rule, _ = resolve(plan.optimizer, {})
    if not model.tensors:
        return _tensor_bytes(rule.part("matrix"), MATRIX, plan.bits) / math.prod(MATRIX) * model.trainable
    return sum(_tensor_bytes(rule.part(kind), shape, plan.bits) + COUNTER for kind, shape in model.tensors)


def _tensor_bytes(rule: Rule, shape: tuple[int, ...], bits: int) -> float:
    """Bytes of the slots of one parameter."""
    return sum(_slot_bytes(slot, shape, bits) for slot in rule.active_slots)


def _slot_bytes(slot: Slot, shape: tuple[int, ...], bits: int) -> float:
    entries = math.prod(slot.shape_for(shape))
    if slot.copies or slot.shape is not None or bits == max(STATE_BITS):
        return 4.0 * entries
    if bits == 16:
        return 2.0 * entries
    return entries * (1 + 4 / BLOCK) if is_blockwise(entries) else 4.0 * entries
