import torch

from ravine.rules._factors import column_shape, row_shape, spacing, vector_shape


def test_a_matrix_has_rows_and_columns_and_a_vector_its_elements():
    shapes = [(), (5,), (4, 3), (2, 4, 3)]
    assert [row_shape(shape) for shape in shapes] == [(0,), (0,), (4, 1), (2, 4, 1)]
    assert [column_shape(shape) for shape in shapes] == [(0,), (0,), (1, 3), (2, 1, 3)]
    assert [vector_shape(shape) for shape in shapes] == [(), (5,), (0,), (0,)]


def test_spacing_is_the_dtypes():
    assert spacing(torch.ones(1)) == 2**-23
    assert spacing(torch.ones(1, dtype=torch.float64)) == 2**-52
