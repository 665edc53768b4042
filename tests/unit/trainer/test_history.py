"""Curves: nothing thinned, and every bit back."""

from ravine.trainer.history import History


def test_every_bit_comes_back():
    history = History()
    for number in range(5):
        history.step(0.1 * number, 1.0 / 3.0)
    history.evaluations.append({"step": 5, "loss": 0.25})
    history.scale(0, 4.0)
    restored = History.restored(history.tensors(), history.state())
    assert restored == history
    assert len(restored) == 5


def test_a_scale_is_recorded_where_it_changes():
    history = History()
    for drawn, scale in [(0, 8.0), (1, 8.0), (2, 4.0), (3, None), (4, 4.0), (5, 8.0)]:
        history.scale(drawn, scale)
    assert history.scales == [(0, 8.0), (2, 4.0), (5, 8.0)]
