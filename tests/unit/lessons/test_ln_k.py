import math

import torch
from torch import nn
from torch.nn import functional as F

from lesson_checks import holding, quick
from ravine.lessons import ln_k as lesson
from ravine.lessons import over_seeds


def test_equal_outputs_give_ln_k(monkeypatch):
    def silent(classes):
        network = nn.Linear(64, classes)
        nn.init.zeros_(network.weight)
        nn.init.zeros_(network.bias)
        return network

    monkeypatch.setattr(lesson, "_network", silent)
    assert abs(lesson._sound(7, 0) - 1) < 1e-6


def test_wirings_do_to_a_loss_what_they_say():
    output, target = torch.randn(6, 10, generator=torch.Generator().manual_seed(0)), torch.arange(6)
    right = F.cross_entropy(output, target)
    wired = {name: loss(output, target) for name, (loss, _) in lesson.WIRINGS.items()}
    torch.testing.assert_close(wired["summed, not averaged"], 6 * right)
    torch.testing.assert_close(wired["sign turned"], -right)
    torch.testing.assert_close(wired["logarithm forgotten"], -output.softmax(-1)[range(6), target].mean())


def test_the_quick_form_misses_a_second_softmax_and_nothing_else():
    outcome = quick("ln-k")
    told = {one.part.number: one.holds for one in outcome.judged}
    assert told == {"sound": True} | {wiring: wiring != "softmax before the loss" for wiring in lesson.WIRINGS}
    # A softmax of values in [0, 1] is at most so far from equal that its logarithm moves by 1.
    assert abs(outcome.also["first loss over ln 10, softmax before the loss"].values[0] - 1) < 1 / math.log(10)


def test_a_sound_network_far_from_ln_k_fails():
    near = dict.fromkeys(lesson.WIRINGS, over_seeds([0.5, 0.51, 0.52]))
    assert holding(lesson.PARTS, near | {"sound": over_seeds([0.5, 0.51, 0.52])})["sound"] is False
    assert holding(lesson.PARTS, near | {"sound": over_seeds([0.0, 0.1, 0.2])})["sound"] is None
