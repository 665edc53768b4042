"""Depth multiplies Jacobians: which networks lose the gradient on its way back, and which of the usual remedies keep it."""

from dataclasses import dataclass

import numpy as np

from ravine.exhibits import Levels, Network, through_depth
from ravine.lessons._criterion import Part, over_seeds
from ravine.lessons._lesson import Lesson, Measured
from ravine.report.panels import Curve, Panel, Picture

STATED = 50
"""Layers at which the claim is decided."""
LEVEL = 1.0
"""Decades by which a gradient may change over the whole depth and still count as level: a rate that is right above is then within a
factor of ten of right below."""
VANISHED = -3.0
"""Decades from which on the first layer learns a thousand times slower than the last."""
NETWORKS = {
    "sigmoid": Network("sigmoid", "xavier"),
    "ReLU + He": Network("relu", "he"),
    "layer norm": Network("relu", "he", "layer"),
    "batch norm": Network("relu", "he", "batch"),
    "residual": Network("relu", "he", residual=True),
    "residual, layer norm": Network("relu", "he", "layer", residual=True),
}
"""What is compared; the last four are ReLU with He's initialisation too."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of the experiment.

    Attributes:
        depths: layers; the claim's is among them, and the last one is the deepest.
        width: features of every layer, and rows of the batch.
        seeds: draws of weights and inputs.
    """

    depths: tuple[int, ...]
    width: int
    seeds: int


def _level(network: str) -> Part:
    return Part(
        number=network,
        says=f"over {STATED} layers the gradient stays level: {network}",
        measures="decades from the last layer's gradient to the first's",
        above=-LEVEL,
        below=LEVEL,
    )


PARTS = (
    Part(
        number="sigmoid",
        says=f"sigmoid loses it: over {STATED} layers the gradient falls to less than a thousandth",
        measures="decades from the last layer's gradient to the first's",
        below=VANISHED,
    ),
    *(_level(network) for network in NETWORKS if network != "sigmoid"),
)


def experiment(settings: Settings) -> Measured:
    """Send one gradient through fresh networks of every kind and depth."""
    found = {
        (name, depth): through_depth(network, depth, width=settings.width, rows=settings.width, seeds=settings.seeds)
        for name, network in NETWORKS.items()
        for depth in settings.depths
    }
    decades = {key: decades_back(levels) for key, levels in found.items()}
    others = [depth for depth in settings.depths if depth != STATED]
    return Measured(
        numbers={name: over_seeds(decades[name, STATED]) for name in NETWORKS},
        also={f"{name}, {depth} layers": over_seeds(decades[name, depth]) for name in NETWORKS for depth in others},
        picture=_picture({name: found[name, STATED] for name in NETWORKS}),
    )


def decades_back(levels: Levels) -> np.ndarray:
    """log10 of the gradient that reaches the first layer over that of the last, (seeds,)."""
    ratios: np.ndarray = np.log10(levels.signals[:, 0] / levels.signals[:, -1])
    return ratios


def _picture(found: dict[str, Levels]) -> Picture:
    curves = []
    for name, levels in found.items():
        relative = levels.signals / levels.signals[:, -1:]
        middle, low, high = np.median(relative, axis=0), relative.min(axis=0), relative.max(axis=0)
        curves.append(Curve(name=name, x=np.arange(1, levels.depth + 1), y=middle, low=low, high=high))
    panel = Panel(
        title="the gradient on its way back, from right to left",
        across="layer",
        up="gradient, relative to the last layer's",
        curves=tuple(curves),
        log_y=True,
    )
    return Picture(panels=(panel,), caption=f"Gradient at every layer of fresh {STATED}-layer networks: median and range of the seeds.")


LESSON = Lesson(
    name="vanishing",
    claim="Depth multiplies Jacobians: with a sigmoid the gradient vanishes, while ReLU with He's initialisation, normalisation "
    "and residual connections each keep it level.",
    question="Which of the usual remedies really keeps a deep network's gradient at one size?",
    source="Glorot and Bengio (2010); He et al. (2015), equation 14; He et al. (2016)",
    setup="fresh networks of width {width} and {depths} layers, standard normal inputs, cross-entropy of ten classes, {seeds} "
    "seeds; norms and residuals stand with ReLU and He; decided at 50 layers",
    parts=PARTS,
    experiment=experiment,
    quick=Settings(depths=(2, STATED), width=64, seeds=8),
    full=Settings(depths=(2, 10, 20, STATED, 100), width=96, seeds=16),
    full_s=30.0,
    explanation="On its way back the gradient is multiplied at every layer by the transposed weights and by the slope of the "
    "activation. A sigmoid's slope is at most 1/4, so under Xavier's weights fifty layers leave less than a part in 10^30 (Glorot "
    "and Bengio 2010 saw the beginning of it). He et al. (2015) choose the variance 2/n so that ReLU's lost half is made good and "
    "the mean square is kept, although in one network of finite width it still wanders, the more so the deeper and narrower it is. "
    "Adding each layer to its input adds the squares: without a normalisation inside, the sum grows at every layer. Yang et al. "
    "(2019) show that batch normalisation multiplies the gradient of a deep ReLU network by about 1.2 a layer, so that it explodes "
    "where it was meant to be tamed; layer normalisation has no such factor.",
)
