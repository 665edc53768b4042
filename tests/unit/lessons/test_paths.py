import numpy as np

from ravine import surfaces
from ravine.lessons._paths import height_panel, path_panel, starts


def test_starts_lie_in_the_rectangle_and_its_mirrors():
    found = np.array(starts(200, 0, x=(1.0, 2.0), y=(0.5, 3.0)))
    assert found.shape == (200, 2)
    assert ((abs(found[:, 0]) >= 1.0) & (abs(found[:, 0]) <= 2.0)).all()
    assert {(bool(x > 0), bool(y > 0)) for x, y in found} == {(True, True), (True, False), (False, True), (False, False)}
    assert starts(5, 0, x=(1.0, 2.0), y=(0.5, 3.0)) == starts(5, 0, x=(1.0, 2.0), y=(0.5, 3.0)) != starts(5, 1, x=(1.0, 2.0), y=(0.5, 3.0))


def test_a_path_that_diverged_is_marked_and_keeps_to_the_domain():
    race = surfaces.race("bowl", ["sgd", "adam"], lr=2.5, steps=60)
    panel = path_panel("a", race, ["sgd", "adam"])
    assert [curve.is_broken for curve in panel.curves] == [True, False]
    assert (panel.x_range, panel.y_range) == race.surface.domain


def test_heights_are_drawn_from_a_least_one():
    race = surfaces.race("bowl", ["sgd"], lr=1.0, steps=3)
    assert height_panel("a", race, ["sgd"]).curves[0].y.tolist() == [10.0, 1e-16, 1e-16, 1e-16]
