import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ravine.doctor.sampling import SLICE, Sample, as_squares, changes, makes_up, norm, spread, unmoved, weight_of_rows


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5))


def stepped(passes=1, scale=None, zeroes=True, edits=False, reduction="mean"):
    """Two steps, of which the second is sampled."""
    made, stream = model(), torch.Generator().manual_seed(0)
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    sample = None
    for number in range(2):
        if number == 1:
            sample = Sample(dict(made.named_parameters()), scale)
            if edits:
                with torch.no_grad():
                    made[0].bias.add_(1.0)
        if zeroes:
            optimizer.zero_grad()
        for _ in range(passes):
            out = made(torch.randn(8, 3, generator=stream))
            if sample is not None:
                sample.output(out)
            (F.cross_entropy(out, torch.arange(8) % 5, reduction=reduction) * (scale or 1.0)).backward()
        if scale:
            for p in made.parameters():
                p.grad /= scale
        if sample is not None:
            sample.before(optimizer, is_closed=False)
        before = [p.detach().clone() for p in made.parameters()]
        optimizer.step()
    sample.after(optimizer, is_closed=False)
    return made, before, sample.read()


def test_gradients_and_updates_are_those_of_the_step():
    made, before, found = stepped()
    assert found.gradients == pytest.approx([float(p.grad.norm()) for p in made.parameters()], rel=1e-5)
    expected = [float((p.detach() - old).norm() / old.norm()) for p, old in zip(made.parameters(), before, strict=True)]
    assert found.updates == pytest.approx(expected, rel=1e-4)
    assert found.raw == pytest.approx(float(torch.tensor(found.gradients).norm()), rel=1e-5)
    assert (found.passes, found.was_zeroed, found.was_edited, found.classes) == (1, True, False, 5)
    assert found.small is None
    assert all(p._backward_hooks is None for p in made.parameters())


@pytest.mark.parametrize("scale", [None, 1024.0])
def test_several_passes_give_two_batch_sizes(scale):
    _, _, found = stepped(passes=4, scale=scale)
    # The mean of squares is at least the square of the mean.
    assert found.passes == 4
    assert found.small > found.big > 0
    assert found.big == pytest.approx(sum(value**2 for value in found.gradients), rel=1e-4)


@pytest.mark.parametrize(("settings", "weight"), [({}, 1.0), ({"passes": 4}, 4.0), ({"reduction": "sum"}, 8.0), ({"scale": 512.0}, 1.0)])
def test_rows_of_a_mean_weigh_one(settings, weight):
    assert stepped(**settings)[2].weight == pytest.approx(weight, rel=1e-3)


def test_gradients_that_stay_and_weights_that_are_edited():
    assert stepped(zeroes=False)[2].was_zeroed is False
    assert stepped(edits=True)[2].was_edited is True


def test_a_step_that_is_not_taken_gives_nothing():
    made = model()
    assert Sample(dict(made.named_parameters()), None).read() is None


@pytest.mark.parametrize(
    "loss",
    [lambda out: out.square().mean(), lambda out: F.cross_entropy(20 * out, torch.arange(8) % 5), lambda out: out.log_softmax(1).mean()],
)
def test_other_losses_have_no_weight(loss):
    out = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(out), out)
    assert weight_of_rows(out.detach(), gradient) is None


def test_rows_that_are_left_out_do_not_weigh():
    out = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 1, 2, -100, 3, -100, 4, 0])
    (gradient,) = torch.autograd.grad(F.cross_entropy(out, labels), out)
    assert float(weight_of_rows(out.detach(), gradient)) == pytest.approx(1.0, rel=1e-4)


def test_a_long_tensor_is_sampled_evenly():
    long = torch.arange(4.0 * SLICE)
    assert SLICE * 0.5 < len(spread(long)) <= SLICE
    assert float(spread(long).mean() / long.mean()) == pytest.approx(1.0, rel=1e-3)
    assert spread(torch.ones(2, 3)).shape == (2, 3)


def test_norms_do_not_overflow_in_half_precision():
    assert float(norm(torch.full((100,), 6e4, dtype=torch.float16))) == pytest.approx(6e5, rel=1e-2)
    assert float(norm(torch.sparse_coo_tensor([[0, 3]], [3.0, 4.0], (9,), check_invariants=True))) == pytest.approx(5.0)


def test_a_mean_of_squares_is_known_from_its_gradient():
    out = torch.randn(8, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = F.mse_loss(out, torch.ones(8, 5))
    assert float(as_squares(torch.autograd.grad(loss, out)[0])) == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize(("width", "passes", "is_known"), [(1, 4, True), (4, 2, False), (4, 4, True)])
@pytest.mark.parametrize("scale", [None, 64.0])
def test_losses_of_the_passes(width, passes, is_known, scale):
    torch.manual_seed(0)
    made = nn.Linear(3, width)
    optimizer, losses = torch.optim.SGD(made.parameters(), lr=0.1), []
    sample = Sample(dict(made.named_parameters()), scale)
    for _ in range(passes):
        out = made(torch.randn(8, 3))
        sample.output(out)
        losses.append(out.square().mean())
        (losses[-1] * (scale or 1.0)).backward()
    sample.before(optimizer, is_closed=False)
    optimizer.step()
    sample.after(optimizer, is_closed=False)
    expected = [loss.item() for loss in losses] if is_known else []
    assert sample.read().squares == pytest.approx(expected, rel=1e-4)


def test_numbers_that_a_step_leaves_although_they_have_a_gradient():
    old, new = torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.tensor([1.0, 2.5, 3.0, 4.0])
    assert float(unmoved(old, new, torch.tensor([1.0, 1.0, 1.0, 0.0]))) == pytest.approx(2 / 3)
    assert unmoved(old, new, torch.zeros(4)).isnan()
    assert unmoved(old, new, None) is None


@pytest.mark.parametrize(
    ("group", "state", "expected"),
    [
        ({"lr": 0.1}, {}, False),
        ({"weights": "master"}, {}, True),
        ({"kahan_sum": True}, {}, True),
        ({"kahan_sum": False}, {}, False),
        ({}, {"copy": torch.tensor([1.001, 2.0])}, True),
        ({}, {"exp_avg": torch.zeros(2)}, False),
        ({}, {"exp_avg": torch.tensor([1.0, 2.0], dtype=torch.bfloat16)}, False),
    ],
)
def test_optimizers_that_make_up_for_rounding(group, state, expected):
    assert makes_up(group, state, torch.tensor([1.0, 2.0], dtype=torch.bfloat16)) is expected


def test_changes():
    assert float(changes([torch.ones(4)], [torch.full((4,), 1.5)])[0]) == pytest.approx(1.0)
    assert changes([], []) == []


@pytest.mark.parametrize("share", [1.0, 0.25])
def test_what_is_left_of_gradients_after_the_step(share):
    made = model()
    optimizer = torch.optim.SGD(made.parameters(), lr=0.1)
    sizes = [float(p.detach().norm()) for p in made.parameters()]
    sample = Sample(dict(made.named_parameters()), None)
    F.cross_entropy(made(torch.ones(8, 3)), torch.arange(8) % 5).backward()
    sample.before(optimizer, is_closed=False)
    optimizer.step()
    sample.after(optimizer, is_closed=False)
    made[0].weight.grad.mul_(share)
    made[2].bias.grad = None
    found = sample.read()
    assert found.left == pytest.approx([share, 1.0, 1.0, float("nan")], nan_ok=True)
    assert found.sizes == pytest.approx(sizes)
