import torch

from ravine.rules._units import centred, unit_norms


def test_units_are_rows_of_the_first_dimension():
    x = torch.arange(12.0).view(2, 3, 2)
    assert unit_norms(x).shape == (2, 1, 1)
    torch.testing.assert_close(unit_norms(x).flatten(), x.flatten(1).norm(dim=1))
    torch.testing.assert_close(centred(x).flatten(1).mean(1), torch.zeros(2))


def test_a_vector_and_a_number_are_one_unit():
    assert unit_norms(torch.tensor([3.0, 4.0])).item() == 5.0
    assert unit_norms(torch.tensor(-2.0)).item() == 2.0
    assert torch.equal(centred(torch.tensor([3.0, 4.0])), torch.tensor([3.0, 4.0]))


def test_lanes_under_vmap_are_no_dimension_of_the_tensor():
    x = torch.arange(12.0).view(2, 3, 2)
    assert torch.vmap(unit_norms)(x).shape == (2, 3, 1)
    assert torch.equal(torch.vmap(centred)(x[:, :, 0]), x[:, :, 0])
