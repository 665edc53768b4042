"""Every golden check: what is known, from where, how near a measurement must come, and how it is measured."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from golden import algoperf, deepobs, noise, quadratics

DEEPOBS = "DeepOBS (arXiv:1903.05499), published logs"
ALGOPERF = "AlgoPerf v0.5, external tuning, public logs"
THEORY = "theory"
ROUNDED = 6e-5
"""Half a unit of the fourth decimal, and the rounding of times to whole seconds."""


@dataclass(frozen=True)
class Check:
    """One golden check; a number may be several side by side.

    Attributes:
        name: what is measured.
        known: the known numbers.
        tolerance: absolute, one for all or one for each.
        source: where they are known from.
        measure: gives as many numbers.
        digits: significant digits that the page shows.
        because: where the tolerance comes from.
    """

    name: str
    known: Sequence[float]
    tolerance: float | Sequence[float]
    source: str
    measure: Callable[[], Sequence[float]]
    digits: int = 4
    because: str = "rounding of the known number"

    def holds(self, measured):
        return bool(np.all(np.abs(np.asarray(measured) - np.asarray(self.known)) <= np.asarray(self.tolerance)))


FINALS = {"sgd": (87.398, 0.169), "momentum": (87.045, 0.025), "adam": (87.112, 0.024)}
CURVES = {
    "sgd": (105.3, 97.70, 92.98, 87.67),
    "momentum": (271.2, 217.4, 134.3, 92.82),
    "adam": (141.8, 101.4, 94.73, 87.39),
}
RESHUFFLED = {"sgd": (87.425, 0.21), "momentum": (88.78, 1.0), "adam": (87.23, 0.17)}
"""The middle of the two values measured for SGD, with the larger deviation."""
LABELS = {"sgd": "SGD, lr 0.0158", "momentum": "momentum 0.99, lr 0.00251", "adam": "Adam, lr 0.0398"}


def four_errors(deviation):
    """Four standard errors of the difference of two means over ten runs each."""
    return 4 * deviation * np.sqrt(2 / deepobs.SEEDS)


def curve(name):
    return Check(
        f"{LABELS[name]}: test loss after epochs 1, 5, 10, 50, 100; ten runs, each with one order of batches",
        (*CURVES[name], FINALS[name][0]),
        (*(0.005 * value for value in CURVES[name]), four_errors(FINALS[name][1])),
        DEEPOBS,
        lambda: deepobs.fixed_order(name).mean(axis=0),
        because="0.5 %; at the end four standard errors of ten published and ten own runs",
    )


def reshuffled(position, name):
    known, deviation = RESHUFFLED[name]
    return Check(
        f"{LABELS[name]}: the same after epoch 100, reshuffled every epoch, by the fleet",
        (known,),
        four_errors(deviation),
        "a plain NumPy loop",
        lambda: (deepobs.reshuffled()[0][position].mean(),),
        because="four standard errors of ten and ten runs",
    )


def scored(name, known, measure, source=ALGOPERF):
    return Check(name, known, ROUNDED, source, measure, because="four decimals, and times rounded to seconds")


CHECKS = {
    "quadratic-deep": (
        Check("largest eigenvalue of the matrix", (53.1290,), 5e-5, DEEPOBS, lambda: (deepobs.largest_eigenvalue(),), 6),
        Check("test loss before the first step, in float64", (353.446764,), 1e-5, DEEPOBS, lambda: (deepobs.initial_loss(),), 9),
        Check(
            *("test loss before the first step, by the fleet in float32", (353.446764,), 1e-3, DEEPOBS),
            lambda: (deepobs.reshuffled()[1],),
            7,
            "float32",
        ),
        Check(
            *("test loss at the optimum of the training rows", (87.0460,), 5e-5, "a plain NumPy loop"),
            lambda: (deepobs.loss_at_the_training_optimum(),),
            6,
        ),
        Check(
            *("seeds of ten in which SGD diverges at lr 0.0251 and 0.0398, around 2 / 53.129 = 0.0376", (0, 10), 0, DEEPOBS),
            deepobs.num_diverged,
            2,
            "exact",
        ),
        *(curve(name) for name in deepobs.RUNS),
        *(reshuffled(position, name) for position, name in enumerate(deepobs.RUNS)),
    ),
    "Performance profiles": (
        scored("AlgoPerf's scores by our profile, in closed form, with its held-out workloads", algoperf.GATED, algoperf.scores),
        scored("the published scores: 100 points of our profile", algoperf.PUBLISHED, algoperf.scores_of_a_hundred_points),
        scored("scores without the held-out workloads", algoperf.UNGATED, algoperf.ungated_scores),
    ),
    "Quadratic theory": (
        Check(
            "lr times the largest curvature at which gradient descent (2) and heavy ball with momentum 0.5, 0.9 and 0.99 "
            "(2 + 2 momentum) stop being stable, by the fleet",
            [2 * (1 + momentum) for momentum in quadratics.MOMENTA],
            [2 * (1 + momentum) * quadratics.BOUND_STEP for momentum in quadratics.MOMENTA],
            THEORY,
            quadratics.stability_bounds,
            because="0.25 %, the distance of neighbouring rates",
        ),
    ),
    "Two numbers with curvatures 20 and 1, 300 steps from (1, 1)": (
        Check(
            "(20 a^2 + b^2) / 2 left by SGD at lr 0.04, momentum 0.9 at 0.02 and Adam at 0.20",
            (1.15e-11, 2.07e-13, 3.63e-16),
            (5e-14, 5e-16, 5e-19),
            "the textbook figure",
            quadratics.three_values,
            3,
        ),
        Check("the same left by SGD at lr 0.0938", (1e-26,), 5e-27, "the textbook figure, tuned", quadratics.tuned_sgd, 2),
        Check(
            "factor between Adam's value and that of SGD at its best rate, as a power of ten: tuned, SGD wins",
            (np.log10(3.63e-16 / quadratics.best_in_closed_form()),),
            0.01,
            "Adam's 3.63e-16 and SGD's closed form, ((1 - 20 lr)^600 20 + (1 - lr)^600) / 2",
            lambda: (np.log10(quadratics.three_values()[2] / quadratics.best_of_sgd()[1]),),
            3,
        ),
    ),
    "Gradient noise": (
        Check(
            f"squared gradient, noise and noise scale of Gaussians in {noise.DIMENSIONS} dimensions, "
            f"{noise.STEPS} pairs of batches of {noise.SMALL} and {noise.BIG}",
            noise.TRUTH,
            4 * noise.standard_errors(),
            "the Gaussians' own mean and covariance",
            noise.estimates,
            because="four standard errors",
        ),
    ),
}
"""Checks by heading, in the order of the page."""
