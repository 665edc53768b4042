import math

import numpy as np
import pytest
import torch

from ravine.rules import _axes
from ravine.rules._axes import accumulated, axis_slots, eigenbases, inverse_roots, iterated, rotated, selected

GENERATOR = torch.Generator().manual_seed(0)


def noise(*shape):
    return torch.randn(*shape, generator=GENERATOR, dtype=torch.float64)


def positive(size):
    x = noise(size, size)
    return x @ x.mT


def empty():
    return torch.zeros(0, dtype=torch.float64)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((), [(1, 1), (0,)]), ((3,), [(3, 3), (0,)]), ((3, 9), [(3, 3), (9,)]), ((0, 2), [(0, 0), (2, 2)])],
)
def test_every_axis_has_a_matrix_and_a_long_one_a_vector(shape, expected):
    slots = axis_slots("l", "gram", limit=4, has_vectors=True)
    assert [slot.shape_for(shape) for slot in slots[:2]] == expected
    assert [slot.key for slot in slots] == [f"gram_{axis}" for axis in range(_axes.MOST_AXES)]


def test_too_few_dimensions_or_too_long_axes_have_none():
    first, second = axis_slots("q", "basis", limit=4, least=2)[:2]
    assert [first.shape_for((3,)), first.shape_for((3, 9)), second.shape_for((3, 9))] == [(0,), (3, 3), (0,)]


def test_statistics_are_products_of_slices():
    g = noise(2, 3, 4)
    old = [positive(2), torch.zeros(3, dtype=torch.float64), empty()]
    new = accumulated(g, old, 0.5, 2.0)
    torch.testing.assert_close(new[0], 0.5 * old[0] + 2.0 * torch.einsum("aij,bij->ab", g, g))
    torch.testing.assert_close(new[1], 2.0 * torch.einsum("iaj,iaj->a", g, g))
    assert new[2].shape == (0,)


def test_turning_there_and_back():
    x, bases = noise(2, 3, 4), [torch.linalg.qr(noise(size, size))[0] for size in (2, 3)]
    there = rotated(x, [*bases, empty()])
    torch.testing.assert_close(there, torch.einsum("ijk,ia,jb->abk", x, *bases))
    torch.testing.assert_close(rotated(there, [*bases, empty()], back=True), x)


def test_a_vector_scales_its_axis():
    x, v = noise(2, 3), noise(3)
    torch.testing.assert_close(rotated(x, [empty(), v]), x * v)
    torch.testing.assert_close(rotated(x[0, 0], [torch.full((1, 1), 2.0, dtype=torch.float64)]), 2.0 * x[0, 0])


def test_bases_are_ordered_from_the_largest_eigenvalue():
    matrix = positive(4)
    (basis,) = eigenbases([matrix])
    values = (basis.mT @ matrix @ basis).diagonal()
    assert values.tolist() == sorted(values.tolist(), reverse=True)


def test_iterations_converge_to_the_eigenvectors_and_move_v_along():
    matrix, basis = torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64)), torch.eye(3, dtype=torch.float64)
    v = torch.arange(6.0, dtype=torch.float64).view(3, 2)
    (turned, rest), moved = iterated([matrix, empty()], [basis, empty()], v)
    torch.testing.assert_close(turned.abs(), torch.eye(3, dtype=torch.float64).flip(1))
    assert (moved.tolist(), rest.shape) == (v.flip(0).tolist(), (0,))


def test_roots_are_powers():
    matrix, vector = positive(3), torch.tensor([4.0, 16.0])
    root, entries, nothing = inverse_roots([matrix, vector, empty()], 0.25, 0.0)
    torch.testing.assert_close(torch.linalg.matrix_power(root, 4), torch.linalg.inv(matrix))
    torch.testing.assert_close(entries, vector**-0.25)
    assert nothing.shape == (0,)
    shifted = inverse_roots([0 * matrix], 0.5, 4.0)[0]
    torch.testing.assert_close(shifted, torch.eye(3, dtype=torch.float64) / 2)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_matrix_that_is_not_finite_ends_nothing(value):
    bad = torch.full((3, 3), value)
    assert eigenbases([bad])[0].isfinite().all()
    together = torch.func.vmap(lambda matrix: eigenbases([matrix])[0])(torch.stack([bad, torch.diag(torch.tensor([1.0, 2.0, 3.0]))]))
    assert np.allclose(together[1].abs(), torch.eye(3).flip(1))


def test_a_choice_is_exact_for_numbers_and_tensors():
    yes, no = [torch.ones(2)], [torch.full((2,), math.nan)]
    assert selected(1.0, yes, no)[0] is yes[0]
    assert selected(0.0, no, yes)[0] is yes[0]
    assert torch.equal(selected(torch.tensor(1.0), yes, no)[0], yes[0])
