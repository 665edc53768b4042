import pytest

from ravine.lab._typescript import TARGET, _written, typescript


def test_the_page_has_the_types_of_the_protocol():
    assert TARGET.read_text() == typescript(), "write it anew with: python -m ravine.lab._typescript"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (int, "number"),
        (list[int | None], "(number | null)[]"),
        (dict[str, list[float]], "Record<string, number[]>"),
        (str | None, "string | null"),
    ],
)
def test_kinds(kind, text):
    assert _written(kind) == text


def test_what_has_no_counterpart_is_refused():
    with pytest.raises(TypeError, match="no counterpart"):
        _written(bytes)


def test_fields_that_may_be_left_out_are_marked():
    assert "  formula?: string;" in typescript()
    assert "  optimizers: string[];" in typescript()
    assert "losses: Floats" in typescript() or "losses: string" in typescript()
