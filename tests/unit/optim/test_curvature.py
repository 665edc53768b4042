import doctest

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError
from ravine.optim import curvature
from streams import give_gradients, parameters, same, values


def test_examples():
    result = doctest.testmod(curvature)
    assert result.attempted > 0
    assert result.failed == 0


def test_hutchinson_is_exact_where_the_hessian_is_diagonal():
    a, b, c = parameters(shapes=((3,), (2, 2), (1,)))
    loss = (a**4).sum() + 2 * (b**2).sum()
    found = curvature.hutchinson(loss, [a, b, c], torch.Generator().manual_seed(1))
    torch.testing.assert_close(found[0], 12 * a.detach() ** 2)
    torch.testing.assert_close(found[1], torch.full_like(b.detach(), 4.0))
    assert found[2] is None
    loss.backward()


def test_hutchinson_is_right_on_average():
    weight, matrix = (
        torch.zeros(3, dtype=torch.float64, requires_grad=True),
        torch.tensor([[2.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 4.0]]),
    )
    generator, total = torch.Generator().manual_seed(0), 0.0
    for _ in range(400):
        total = total + curvature.hutchinson(0.5 * weight @ matrix.double() @ weight, [weight], generator)[0]
    torch.testing.assert_close(total / 400, torch.tensor([2.0, 3.0, 4.0], dtype=torch.float64), atol=0.2, rtol=0)


def test_a_linear_loss_has_no_curvature():
    (weight,) = parameters(shapes=((3,),))
    assert curvature.hutchinson(weight.sum(), [weight])[0].tolist() == [0.0] * 3
    with pytest.raises(InputError, match="uses none of the parameters"):
        curvature.hutchinson((weight**2).sum(), parameters(shapes=((2,),)))


def test_labels_are_drawn_from_the_scores():
    scores = torch.log(torch.tensor([0.2, 0.8])).expand(4000, 2).clone().requires_grad_()
    loss = optim.sampled_cross_entropy(scores, generator=torch.Generator().manual_seed(0))
    entropy = -(0.2 * torch.tensor(0.2).log() + 0.8 * torch.tensor(0.8).log())
    assert loss.item() == pytest.approx(entropy.item(), abs=0.05)
    assert optim.sampled_cross_entropy(torch.zeros(2, 3, 5), classes=-1).item() == pytest.approx(torch.tensor(5.0).log().item())
    assert optim.sampled_cross_entropy(torch.zeros(2, 3, 5)).item() == pytest.approx(torch.tensor(3.0).log().item())


def test_squares_are_taken_of_the_given_loss_and_leave_gradients_alone():
    (weight,) = parameters(shapes=((3,),))
    optimizer = optim.SophiaG([weight], betas=(0.9, 0.5))
    weight.grad = torch.full_like(weight, 7.0)
    optimizer.update_curvature((weight * torch.tensor([1.0, 2.0, 3.0])).sum())
    assert weight.grad.tolist() == [7.0] * 3
    optimizer.step()
    assert optimizer.state[weight]["hessian"].tolist() == [0.5, 2.0, 4.5]
    optimizer.step()
    assert optimizer.state[weight]["hessian"].tolist() == [0.5, 2.0, 4.5], "an estimate is taken in once"
    optimizer.update_curvature()
    optimizer.step()
    assert optimizer.state[weight]["hessian"].tolist() == [24.75, 25.5, 26.75]


@pytest.mark.parametrize("driver", ["per_tensor", "foreach"])
def test_parameters_without_an_estimate_keep_theirs(driver):
    params = parameters(shapes=((2,), (3,)))
    optimizer = optim.SophiaH(params, driver=driver)
    optimizer.update_curvature(products=[None, torch.ones(3, dtype=torch.float64)])
    give_gradients(params, 0)
    optimizer.step()
    assert optimizer.state[params[0]]["hessian"].tolist() == [0.0] * 2
    assert optimizer.state[params[1]]["hessian"].tolist() == pytest.approx([0.01] * 3)
    assert all(set(optimizer.state[param]) == {"step", "exp_avg", "hessian"} for param in params)


def test_a_climber_has_the_curvature_of_the_negated_loss():
    (weight,) = parameters(shapes=((2,),))
    optimizer = optim.SophiaH([weight], betas=(0.9, 0.0), maximize=True)
    loss = -(weight**2).sum()
    optimizer.update_curvature(loss)
    loss.backward()
    optimizer.step()
    assert optimizer.state[weight]["hessian"].tolist() == [2.0, 2.0]


@pytest.mark.parametrize(("cls", "remedy"), [(optim.SophiaG, "sampled_cross_entropy"), (optim.SophiaH, "loss.backward")])
def test_a_group_that_never_had_an_estimate_is_named(cls, remedy):
    first, second = parameters(shapes=((2,), (3,)))
    optimizer = cls([{"params": [first]}, {"params": [second]}])
    for step in range(11):
        give_gradients([first, second], step)
        if step == 0 and cls is optim.SophiaH:
            optimizer.update_curvature(products=[torch.ones(2), None])
        elif step == 0:
            optimizer.update_curvature(first.sum())
        if step < 10:
            optimizer.step()
    start = values([first, second])
    with pytest.raises(InputError, match=rf"{cls.__name__}, group 1: 10 steps without any estimate of the curvature.*{remedy}"):
        optimizer.step()
    assert same(values([first, second]), start)


def test_unusable_estimates_are_refused():
    params = parameters(shapes=((2,), (3,)))
    with pytest.raises(InputError, match="neither loss nor products"):
        optim.SophiaH(params).update_curvature()
    with pytest.raises(InputError, match="both loss and products"):
        optim.SophiaH(params).update_curvature(params[0].sum(), products=[None, None])
    with pytest.raises(InputError, match="1 tensors for 2 parameters"):
        optim.SophiaH(params).update_curvature(products=[None])
    with pytest.raises(InputError, match=r"shape \(3,\) for parameter 0 of group 0, whose shape is \(2,\): must be equal"):
        optim.SophiaH(params).update_curvature(products=[torch.ones(3), torch.ones(3)])
    with pytest.raises(InputError, match="no parameter has a gradient"):
        optim.SophiaG(params).update_curvature()


def test_an_estimate_survives_a_checkpoint_between_it_and_its_step():
    params, others = parameters(shapes=((3,),)), parameters(shapes=((3,),))
    optimizer, resumed = optim.SophiaH(params), optim.SophiaH(others)
    optimizer.update_curvature(products=[torch.tensor([1.0, 2.0, 3.0])])
    resumed.load_state_dict(optimizer.state_dict())
    for own, one in ((params, optimizer), (others, resumed)):
        give_gradients(own, 0)
        one.step()
    assert same(values(params), values(others))
    assert torch.equal(optimizer.state[params[0]]["hessian"], resumed.state[others[0]]["hessian"])
