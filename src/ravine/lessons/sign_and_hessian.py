"""Three newer optimisers against AdamW: Lion's one moment, Sophia's curvature, LAMB's large batches, each with an honest budget."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ravine.exhibits import Plan, counted, memory_of
from ravine.lessons._criterion import Part, Sample, exact, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import Reading, divergences, loss_panel, race, raced, read
from ravine.report.panels import Picture
from ravine.tasks import load

SOPHIA = "sophia_g"
COMPETITIVE = 0.021
"""log10 of 1.05: a loss up to 5 % higher is competitive."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        task: built-in.
        steps: of every lane at the task's own batch size.
        large: rows of a large batch; as many epochs as before take fewer steps.
        seeds: fresh seeds at the tuned rates.
    """

    task: str
    steps: int
    large: int
    seeds: int


PARTS = (
    Part(
        number="lion",
        says="Lion is competitive: its final loss is at most 5 % above AdamW's",
        measures="log10 of Lion's final loss over AdamW's",
        below=COMPETITIVE,
    ),
    Part(number="memory", says="Lion needs less memory", measures="bytes a parameter of Lion less those of AdamW", below=0.0),
    Part(
        number="sophia",
        says="Sophia with half the steps ends no higher than AdamW with all of them",
        measures="log10 of Sophia's final loss after half the steps over AdamW's",
        below=0.0,
    ),
    Part(
        number="lamb",
        says="at a large batch LAMB ends below AdamW",
        measures="log10 of AdamW's final loss over LAMB's, as many epochs in large batches",
        above=0.0,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Race them at the task's batch size, Sophia with half the steps, and LAMB at a large batch; all rates are tuned."""
    task = load(settings.task)
    options: dict[str, Any] = {"schedule": "cosine", "seeds": settings.seeds}
    fewer = max(2, settings.steps * task.rows_per_step // settings.large)
    with raced(task, optimizers=["adamw", "lion"], steps=settings.steps, **options) as result:
        usual = read(result)
    with raced(task, optimizers=[SOPHIA], steps=settings.steps // 2, **options) as result:
        half, gradients = read(result)[SOPHIA], result.ranking[0].gradients_per_step
    large = race(replace(task, batch_size=settings.large), optimizers=["adamw", "lamb"], steps=fewer, **options)
    bytes_of = {name: _bytes(name) for name in ("adamw", "lion", SOPHIA, "lamb")}
    numbers: dict[str, Sample] = {
        "lion": over_seeds(usual["lion"].log_finals - usual["adamw"].log_finals),
        "memory": exact(bytes_of["lion"] - bytes_of["adamw"]),
        "sophia": over_seeds(half.log_finals - usual["adamw"].log_finals),
        "lamb": over_seeds(large["adamw"].log_finals - large["lamb"].log_finals),
    }
    readings = {**usual, f"{SOPHIA}, half the steps": half, **{f"{name}, large batch": reading for name, reading in large.items()}}
    also: dict[str, Sample] = {
        f"log10 of the final loss, {name}, rate {reading.lr:.3g}": over_seeds(reading.log_finals) for name, reading in readings.items()
    }
    also |= {f"bytes a parameter, {name}": exact(value) for name, value in bytes_of.items()}
    also["gradients a step, Sophia"] = exact(gradients or math.nan)
    epochs = f"the epochs that {settings.steps:,} take in batches of {task.rows_per_step}"
    note = f"Large batches of {settings.large:,} rows take {fewer:,} steps for {epochs}."
    picture = _picture({**usual, SOPHIA: half}, large, settings)
    return Measured(numbers=numbers, also=also, picture=picture, notes=(note, *divergences(usual), *divergences(large)))


def _bytes(name: str) -> float:
    return sum(memory_of(counted(1e6), Plan(name)).per_parameter.values())


def _picture(usual: Mapping[str, Reading], large: Mapping[str, Reading], settings: Settings) -> Picture:
    panels = (loss_panel(f"{settings.task}, its own batch", usual), loss_panel(f"batches of {settings.large:,}", large))
    return Picture(panels=panels, caption="Loss of each at its own rate, at a usual and at a large batch: median and range of the seeds.")


LESSON = Lesson(
    name="sign-and-hessian",
    claim="Lion is competitive at less memory, Sophia converges in half the steps, and LAMB keeps working at large batches.",
    question="What is left of three famous claims when everybody is tuned with the same budget?",
    source="Chen et al. (2023); Liu et al. (2023); You et al. (2020)",
    setup="{task}, {steps} steps at its own batch size and as many epochs in batches of {large}, all on a cosine; rates tuned over "
    "twelve half-decades with an equal budget, then {seeds} fresh seeds",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(task="digits", steps=200, large=539, seeds=10),
    full=Settings(task="chars:layers=2,heads=2,width=64,context=32", steps=600, large=512, seeds=8),
    full_s=500.0,
    explanation="Lion moves every weight by the rate itself, in the direction of the sign of an average, and so needs no second "
    "moment; its rate must be several times smaller than AdamW's (Chen et al. 2023, section 5). Sophia divides by an estimate of "
    "the Hessian's diagonal and clips what that blows up (Liu et al. 2023); the estimate costs another gradient every few steps, "
    "which a count of steps leaves out. LAMB scales each layer's update to the size of its weights (You et al. 2020), made for "
    "batches of tens of thousands; Nado et al. (2021) find that Adam with a tuned schedule does as well there. Schmidt et al. "
    "(2021) and Kaddour et al. (2023) find that differences between tuned optimisers are mostly smaller than those of their first "
    "reports.",
)
