"""What a parameter costs in memory while it is trained: measured on the real optimiser's tensors, beside the formula."""

from dataclasses import dataclass

from ravine.exhibits import Memory, Plan, counted, measured, memory_of, observed
from ravine.lessons._criterion import Part, exact
from ravine.lessons._lesson import Lesson, Measured
from ravine.report.panels import Bar, Panel, Picture
from ravine.tasks import load

SIDE = 1024
NARROW = Plan("adamw", bits=8)
OPTIMIZERS = ("sgd", "momentum", "lion", "adam")
OFF = 0.01
"""Bytes by which a measurement may miss: a tensor's step counter of four bytes is far less for a matrix of a million."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        task: whose whole training is counted.
        shards: processes that ZeRO divides by.
    """

    task: str
    shards: int


def _costs(number: str, expected: float, says: str, measures: str) -> Part:
    return Part(number=number, says=says, measures=measures, above=expected - OFF, below=expected + OFF)


PARTS = (
    _costs("adam", 16, "Adam in fp32 costs 16 bytes a parameter", "bytes of weight, gradient and state, measured on a million"),
    _costs("lion", 12, "Lion keeps one moment and saves four of them", "measured bytes a parameter of Lion"),
    # Two of eight bytes would be 10; block-wise scales may cost some.
    Part(number="8 bits", says="8-bit states save most of Adam's eight", measures="measured bytes a parameter of AdamW", below=12.0),
    _costs(
        "zero",
        16,
        "ZeRO's third stage divides all of it by the number of processes",
        "bytes a parameter of Adam under stage 3, times the processes, by the formula",
    ),
    # A tenth is what one would not notice in planning.
    Part(
        number="training",
        says="16 bytes a parameter are what a real training needs",
        measures="measured bytes a parameter with what a batch's forward saves",
        below=16 * 1.1,
        elsewhere=True,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Count the bytes of real tensors after a step, and of one real network's training."""
    seen = {name: _each(observed(Plan(name), (SIDE, SIDE))) for name in OPTIMIZERS}
    seen["adamw, 8-bit state"] = _each(observed(NARROW, (SIDE, SIDE)))
    model = counted(SIDE * SIDE)
    stages = {stage: memory_of(model, Plan("adam", zero=stage, shards=settings.shards)) for stage in (1, 2, 3)}
    real = memory_of(measured(load(settings.task)), Plan("adam"))
    numbers = {
        "adam": exact(seen["adam"]),
        "lion": exact(seen["lion"]),
        "8 bits": exact(seen["adamw, 8-bit state"]),
        "zero": exact(_total(stages[3]) * settings.shards),
        "training": exact(_total(real)),
    }
    formula = {name: _total(memory_of(model, Plan(name))) for name in OPTIMIZERS}
    also = {f"{name}, measured": exact(value) for name, value in seen.items()}
    also |= {f"{name}, by the formula": exact(value) for name, value in formula.items()}
    also |= {f"adam, ZeRO stage {stage} over {settings.shards} processes, by the formula": exact(_total(m)) for stage, m in stages.items()}
    bars = {**seen, **{f"adam, ZeRO {stage}": _total(memory) for stage, memory in stages.items()}, f"adam on {settings.task}": _total(real)}
    return Measured(numbers=numbers, also=also, picture=_picture(bars, settings))


def _each(parts: dict[str, int]) -> float:
    return sum(parts.values()) / SIDE**2


def _total(memory: Memory) -> float:
    return sum(memory.per_parameter.values())


def _picture(bars: dict[str, float], settings: Settings) -> Picture:
    rows = tuple(Bar(label=label, value=value, name=label.partition(",")[0]) for label, value in bars.items())
    panel = Panel(title="bytes for each parameter", across="bytes", bars=rows, levels={"the claim": 16.0})
    caption = f"Bytes a parameter of weight, gradient and state, ZeRO over {settings.shards} processes, and of a whole training."
    return Picture(panels=(panel,), caption=caption)


LESSON = Lesson(
    name="bytes-per-parameter",
    claim="Adam in fp32 costs 16 bytes a parameter: weight, gradient and two moments; 8-bit states and ZeRO cut that, and Lion "
    "stores one moment only.",
    question="How much memory does the choice of the optimiser cost, and is it what runs out?",
    source="Rajbhandari et al. (2020); Dettmers et al. (2022); Chen et al. (2023)",
    setup="storages of the drop-in optimisers' tensors after one step of a weight of 1,024 x 1,024; a batch of {task} for the "
    "activations; ZeRO over {shards} processes by the formula",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(task="digits", shards=8),
    full=Settings(task="chars", shards=64),
    full_s=10.0,
    explanation="Four bytes each for the weight, its gradient and two moments make sixteen. Lion steps along the sign of an "
    "interpolation and remembers only one average (Chen et al. 2023, algorithm 2); 8-bit states keep each moment as one byte with "
    "a scale shared by a block (Dettmers et al. 2022); ZeRO gives every process a share of the states, then of the gradients, then "
    "of the weights (Rajbhandari et al. 2020, figure 1). None of it touches what the forward pass keeps for the backward pass, "
    "which grows with the rows of a batch instead of the number of parameters: that is what recomputation is for (Chen et al. "
    "2016).",
)
