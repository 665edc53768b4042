"""Decay that takes the weights away."""

import numpy as np
import pytest

from ravine.doctor.checks_decay import EATEN, eaten
from ravine.doctor.loop_log import Decay, Looked
from watched_loops import log, measured


def run(shares=(0.01, 0.01), *, is_scaled=True, end=2.0, decays=("a.weight", "b.weight"), looks=6):
    made = [Looked(100 * n, measured(sizes=[share ** (n / (looks - 1)) for share in shares]), 0.1) for n in range(looks)]
    how = Decay(0.5, "Adam" if is_scaled else "AdamW", is_scaled)
    return log(looks=made, losses=np.linspace(2.0, end, 600).tolist(), decays=dict.fromkeys(decays, how))


def test_matrices_that_decay_to_nothing_beside_their_gradients():
    (found,) = eaten(run())
    assert (found.severity, found.title, found.where) == ("warning", EATEN, "a.weight, b.weight")
    assert "2 of 2 matrices that decay fell below 10% of their norm, to 0.01 at least" in found.measured
    assert "weight_decay=0.5 times the weights was 0.5 times the gradient at most" in found.measured
    assert found.remedy.startswith("Use torch.optim.AdamW, or less decay")


def test_decay_beside_the_gradient_is_to_be_less():
    (found,) = eaten(run(is_scaled=False))
    assert found.remedy == "Take less decay than weight_decay=0.5."
    assert "gradient" not in found.measured


@pytest.mark.parametrize(
    "changes",
    [{"shares": (0.5, 0.5)}, {"shares": (0.01, 0.5)}, {"end": 0.5}, {"decays": ()}, {"looks": 4}],
    ids=["norms stay", "one of two", "the run learns", "no decay", "few looks"],
)
def test_and_not_where_weights_stay_or_the_run_learns(changes):
    assert list(eaten(run(**changes))) == []
