import doctest

import pytest
import torch

from ravine import optim
from ravine.base.errors import InputError
from ravine.optim import matrix_family


def test_examples():
    result = doctest.testmod(matrix_family)
    assert result.attempted > 0
    assert result.failed == 0


def matrices(*shapes):
    return [torch.nn.Parameter(torch.ones(shape)) for shape in shapes]


@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_vector_in_a_group_of_matrices_is_refused(shape):
    named = list(zip(("a.weight", "a.bias"), matrices((3, 3), shape), strict=True))
    with pytest.raises(InputError, match=r"parameter 'a.bias' of group 0 has shape .*elementwise=True.*muon_groups\(model\)"):
        optim.Muon(named)


def test_a_group_added_with_a_vector_leaves_no_trace():
    optimizer = optim.Muon(matrices((3, 3)))
    with pytest.raises(InputError, match="parameter 0 of group 1"):
        optimizer.add_param_group({"params": matrices((3,))})
    assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": matrices((3,)), "elementwise": True})
    assert len(optimizer.param_groups) == 2


def test_torchs_words_for_the_scale():
    assert [
        optim.Muon(matrices((2, 2)), adjust_lr_fn=word).defaults["moonlight"] for word in (None, "original", "match_rms_adamw")
    ] == [False, False, True]  # fmt: skip
    with pytest.raises(InputError, match=r"adjust_lr_fn='rms' for Muon: must be None, 'original' or 'match_rms_adamw'"):
        optim.Muon(matrices((2, 2)), adjust_lr_fn="rms")
    with pytest.raises(InputError, match=r"ns_steps=6 for Muon: only 5 is allowed"):
        optim.Muon(matrices((2, 2)), ns_steps=6)


def test_a_misspelt_setting_is_refused():
    with pytest.raises(InputError, match="precondition_frequency"):
        optim.SOAP(matrices((2, 2)), precondition_frequenc=5)
    with pytest.raises(InputError, match="precondition_frequency=0"):
        optim.Shampoo(matrices((2, 2)), precondition_frequency=0)


@pytest.mark.parametrize("name", ["muon", "soap", "shampoo"])
def test_equal_shapes_step_together_with_the_numbers_of_one_by_one(name):
    shapes, results = ((3, 3), (4, 2), (3, 3), (4, 2), (3, 3)), []
    for driver in ("per_tensor", "auto"):
        params = [torch.nn.Parameter(param.double()) for param in matrices(*shapes)]
        optimizer, generator = optim.create(name, params, lr=0.05, driver=driver), torch.Generator().manual_seed(0)
        for _ in range(5):
            for param in params:
                param.grad = torch.randn(param.shape, dtype=torch.float64, generator=generator)
            optimizer.step()
        results.append([*(param.detach() for param in params), *(optimizer.state[param]["step"] for param in params)])
    for one, together in zip(*results, strict=True):
        torch.testing.assert_close(together, one, rtol=1e-9, atol=1e-10)
