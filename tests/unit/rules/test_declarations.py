from ravine.rules import Citation, Hyper, Slot


def test_a_hyper_stands_under_torchs_name_where_it_has_one():
    assert Hyper("l2", 0.0, 0.0, 1.0, "", key="weight_decay").group_key == "weight_decay"
    assert Hyper("lr", 0.0, 0.0, 1.0, "").group_key == "lr"


def test_a_slot_has_the_parameters_shape_another_or_none():
    assert Slot("m", "exp_avg").shape_for((2, 3)) == (2, 3)
    assert Slot("r", "row", shape=lambda shape: shape[:-1]).shape_for((2, 3)) == (2,)
    assert Slot("d", "d", of_lane=True).shape_for((2, 3)) == ()


def test_a_citation_in_one_line():
    assert str(Citation("A, B", 2001, "On rules")) == "A, B (2001), On rules"
    assert str(Citation("A, B", 2001, "On rules", "arXiv:1")).endswith("On rules, arXiv:1")
