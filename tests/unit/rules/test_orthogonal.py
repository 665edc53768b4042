import pytest
import torch

from ravine.rules._orthogonal import as_matrices, is_narrow, orthogonalised, size_factor

USUAL = (3.4445, -4.7750, 2.0315)


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_singular_values_come_near_one_and_vectors_stay(shape):
    g = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    u, _, v = torch.linalg.svd(g, full_matrices=False)
    o = orthogonalised(g, USUAL, 1e-7, floor=False, narrow=False)
    inner = u.mT @ o @ v.mT
    assert 0.6 < inner.diagonal().min() <= inner.diagonal().max() < 1.25
    assert (inner - inner.diagonal().diag()).abs().max() < 1e-10


def test_a_batch_is_its_matrices():
    g = torch.randn(3, 4, 2, dtype=torch.float64)
    together = orthogonalised(g, USUAL, 1e-7, floor=False, narrow=False)
    for matrix, one in zip(g, together, strict=True):
        torch.testing.assert_close(orthogonalised(matrix, USUAL, 1e-7, floor=False, narrow=False), one)


def test_bfloat16_is_a_few_per_cent_off_and_keeps_the_dtype():
    g = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    wide, narrow = (orthogonalised(g, USUAL, 1e-7, floor=False, narrow=narrow) for narrow in (False, True))
    assert narrow.dtype == torch.float32
    assert 1e-4 < (wide - narrow).norm() / wide.norm() < 0.06


def test_eps_is_added_or_is_the_least_norm():
    g = torch.tensor([[3.0]])
    added, floor = (orthogonalised(g, (1.0, 0.0, 0.0), 1.0, floor=kind, narrow=False).item() for kind in (False, True))
    assert (added, floor) == (0.75, 1.0)


@pytest.mark.parametrize(("shape", "flat"), [((), (1, 1)), ((5,), (5, 1)), ((4, 3), (4, 3)), ((4, 3, 2, 2), (4, 12)), ((0, 2), (0, 2))])
def test_weights_are_matrices_of_their_first_dimension_and_the_rest(shape, flat):
    assert as_matrices(torch.zeros(shape), batched=False).shape == flat


def test_a_batched_weight_keeps_its_shape():
    assert as_matrices(torch.zeros(4, 3, 2), batched=True).shape == (4, 3, 2)


def test_bfloat16_is_for_accelerators_unless_asked():
    cpu, other = torch.zeros(1), torch.zeros(1, device="meta")
    assert [is_narrow(cpu, half=False, full=False), is_narrow(other, half=False, full=False)] == [False, True]
    assert [is_narrow(cpu, half=True, full=False), is_narrow(other, half=False, full=True)] == [True, False]


def test_scales():
    wide, tall = torch.zeros(4, 16), torch.zeros(16, 4)
    assert [size_factor(matrix, moonlight=False) for matrix in (wide, tall)] == [1.0, 2.0]
    assert [size_factor(matrix, moonlight=True) for matrix in (wide, tall)] == pytest.approx([0.8, 0.8])
