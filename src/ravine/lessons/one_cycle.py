"""OneCycle and cyclical rates, tuned and not."""

from dataclasses import dataclass

from ravine.lessons._criterion import Part, Sample, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.lessons._readings import decades, loss_panel, race
from ravine.report.panels import Picture

CYCLE, CYCLICAL, COSINE, CONSTANT = "momentum+one_cycle", "momentum+cyclical", "momentum+cosine", "momentum"
ENTRANTS = (CYCLE, CYCLICAL, COSINE, CONSTANT)


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        steps: of every lane: few, since the claim is one of speed.
        seeds: fresh seeds.
        lr: a usual rate that nobody tuned, for the comparison elsewhere.
    """

    steps: int
    seeds: int
    lr: float


PARTS = (
    Part(
        number="constant",
        says="tuned, OneCycle ends below a constant rate",
        measures="log10 of the constant rate's final loss over OneCycle's",
        above=0.0,
    ),
    Part(
        number="cyclical",
        says="tuned, OneCycle ends below cyclical rates",
        measures="log10 of the cyclical rate's final loss over OneCycle's",
        above=0.0,
    ),
    Part(
        number="cosine",
        says="tuned, OneCycle ends below one cosine",
        measures="log10 of the cosine's final loss over OneCycle's",
        above=0.0,
    ),
    Part(
        number="untuned",
        says="at a usual rate that nobody tuned OneCycle ends below the constant rate",
        measures="log10 of the constant rate's final loss over OneCycle's",
        above=0.0,
        elsewhere=True,
    ),
)


def experiment(settings: Settings) -> Measured:
    """Race the schedules tuned and at one shared rate."""
    tuned = race("digits", optimizers=ENTRANTS, steps=settings.steps, seeds=settings.seeds)
    shared = race("digits", optimizers=ENTRANTS, steps=settings.steps, seeds=settings.seeds, shared_lr=settings.lr)

    numbers: dict[str, Sample] = {
        "constant": over_seeds(decades(tuned[CYCLE], tuned[CONSTANT])),
        "cyclical": over_seeds(decades(tuned[CYCLE], tuned[CYCLICAL])),
        "cosine": over_seeds(decades(tuned[CYCLE], tuned[COSINE])),
        "untuned": over_seeds(decades(shared[CYCLE], shared[CONSTANT])),
    }
    also = {f"test loss of {name} at its best peak rate {reading.lr:.3g}": over_seeds(reading.finals) for name, reading in tuned.items()}
    also |= {f"test loss of {name} at {settings.lr:g}": over_seeds(reading.finals) for name, reading in shared.items()}
    panels = (loss_panel("each at its best peak rate", tuned, ENTRANTS), loss_panel(f"all at {settings.lr:g}", shared, ENTRANTS))
    return Measured(numbers=numbers, also=also, picture=Picture(panels=panels, caption="Test loss on digits under four schedules."))


LESSON = Lesson(
    name="one-cycle",
    claim="OneCycle is fast when it is tuned: in few steps it ends below constant, cyclical and cosine rates.",
    question="Is one cycle of the rate worth its extra settings?",
    source="Smith and Topin (2018), Super-convergence, arXiv:1708.07120; Smith (2017), Cyclical learning rates, arXiv:1506.01186",
    setup="digits, momentum 0.9, {steps} steps, {seeds} seeds, each schedule at the best of its twelve peak rates; then all at {lr}",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(steps=200, seeds=10, lr=0.01),
    full=Settings(steps=1000, seeds=20, lr=0.01),
    full_s=40.0,
    explanation="OneCycle climbs to a rate that a constant schedule could not bear, since it begins at a twenty-fifth of it, and then "
    "falls to almost nothing: the climb is a warm-up and the fall a decay, and a race that tunes the peak pays for both (Smith and Topin "
    "2018). At a rate that was chosen for a constant schedule its mean rate is much lower, so the same number means less training. "
    "Cyclical rates end wherever the cycle stands when the steps run out, not at the bottom (Smith 2017).",
)
