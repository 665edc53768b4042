"""The golden construction of DeepOBS: its spectrum and its published initial loss."""

import numpy as np
import pytest
import torch

from ravine.tasks import Objective, create
from ravine.tasks.quadratic import Quadratic, quadratic_hessian


def test_the_spectrum():
    hessian = quadratic_hessian()
    eigenvalues = np.linalg.eigvalsh(hessian)
    assert np.allclose(hessian, hessian.T, atol=1e-12)
    assert eigenvalues[-1] == pytest.approx(53.1290, abs=5e-5)
    assert eigenvalues[0] > 0
    assert eigenvalues[89] < 1
    assert eigenvalues[90] > 30


def test_the_published_initial_loss():
    task = create("quadratic-deep")
    assert Objective(task.build(0), task)(task.data.test).item() == pytest.approx(353.446764, abs=2e-3)
    (x,) = task.data.test
    offset = 1 - x.double().numpy()
    assert 0.5 * np.einsum("ij,jk,ik->i", offset, quadratic_hessian(), offset).mean() == pytest.approx(353.446764, abs=1e-4)


def test_sizes_and_check():
    task = create("quadratic-deep")
    task.check()
    assert task.data.sizes == {"train": 1000, "validation": 896, "test": 896}
    assert task.steps_per_epoch == 7
    assert task.describe()["parameters"] == 100
    assert not torch.equal(task.data.validation[0], task.data.test[0])
    assert task.data.train[0].std().item() == pytest.approx(0.6, rel=0.01)


def test_the_gradient_is_the_matrix_times_the_offset():
    model = Quadratic()
    x = torch.randn(5, 100, generator=torch.Generator().manual_seed(0))
    model(x).mean().backward()
    expected = torch.tensor(quadratic_hessian(), dtype=torch.float32) @ (1 - x).mean(0)
    torch.testing.assert_close(model.theta.grad, expected, rtol=1e-4, atol=1e-4)


def test_copies_share_the_matrix_and_it_is_no_buffer():
    assert [name for name, _ in Quadratic().named_buffers()] == []
    assert [name for name, _ in Quadratic().named_parameters()] == ["theta"]
