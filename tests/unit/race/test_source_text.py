import math

import pytest

from ravine.race._source_text import body_of, definition_of, import_block, layout, literal, names_in, source, with_needed
from ravine.rules.sgd import SGD
from ravine.tasks import metrics
from ravine.tasks.digits import digits_splits


@pytest.mark.parametrize("value", ['it\'s "both" \\ ä', 1, 0.1 + 0.2, 1e-300, True, None, (1.5,), (1, "a"), [["x"], []], -0.0])
def test_a_literal_is_the_value_in_double_quotes(value):
    text = literal(value)
    assert eval(text) == value
    assert not text.startswith("'")


def test_numbers_that_have_no_literal():
    assert math.isnan(eval(literal(math.nan)))
    assert [eval(literal(value)) for value in (math.inf, -math.inf)] == [math.inf, -math.inf]


def test_short_expressions_stay_on_one_line_and_long_ones_open():
    assert layout("f('a', [1, 2.5], x.y)", indent=4, before=10) == 'f("a", [1, 2.5], x.y)'
    assert layout("f(a=1)", indent=4, before=400) == "f(a=1)"
    long = "a" * 80
    assert (
        layout(f"f(['{long}', '{long}'])", indent=4, before=10)
        == f'f(\n        [\n            "{long}",\n            "{long}",\n        ]\n    )'
    )
    assert layout(f"f('{long}', '{long}')", indent=0, before=0) == f'f(\n    "{long}",\n    "{long}",\n)'


def test_the_longest_line_that_fits_stays():
    text = f"f({', '.join(['1'] * 20)})"
    assert "\n" not in layout(text, indent=0, before=140 - len(text))
    assert "\n" in layout(text, indent=0, before=141 - len(text))


def test_sources_come_without_notes_to_linters():
    text = source(digits_splits)
    assert text.startswith("def digits_splits()")
    assert text.endswith("return stratified(*load_digits(return_X_y=True))")
    assert "noqa" not in text


def test_functions_come_after_what_they_call():
    names = [function.__name__ for function in with_needed([metrics.accuracy, metrics.mean_squared_error, metrics.accuracy])]
    assert len(names) == len(set(names))
    assert names.index("_mean") < names.index("accuracy")
    assert names.index("lower_is_better") < names.index("mean_squared_error")
    assert "top" not in names


def test_a_body_is_the_method_s_own_text():
    body = body_of(SGD.update)
    assert body.splitlines()[0] == '        if self.on("decays") and not self.on("decoupled"):'
    assert body.splitlines()[-1] == "        return delta, state"


def test_imports_are_those_in_use_in_order():
    lines = [
        "import torch.nn.functional as F",
        "import torch",
        "from types import A, a",
        "import sys, math",
        "from types import B, X",
        "import numpy as np",
    ]
    body = "F.f(torch.g, sys.x, A, a, X)\nnp = 1"
    expected = "import sys\nfrom types import A, X, a\n\nimport numpy as np\nimport torch\nimport torch.nn.functional as F"
    assert import_block(lines, body) == expected
    assert import_block(["from math import pow as power, sqrt as root"], "root, power").splitlines() == [
        "from math import pow as power",
        "from math import sqrt as root",
    ]
    assert import_block(lines, "x = 1") == ""


def test_names_are_plain_names_only():
    assert names_in("a.b(c, d='e')") == {"a", "c"}


NUMBER = 3


def annotated(x: int, *, y: "float" = 2) -> float:
    """One sentence.

    Args:
        x: nothing.
    """
    import cmath

    # why
    total: int = x + NUMBER
    return total + y + cmath.pi


class Annotated:
    def method(self, x: int) -> int:
        """Not kept."""
        del x
        return NUMBER


def test_a_definition_has_no_annotations_and_names_no_numbers():
    body = "    # why\n    total = x + 3\n    return total + y + cmath.pi"
    assert definition_of(annotated) == f'def annotated(x, *, y=2):\n    """One sentence."""\n{body}'
    assert definition_of(Annotated.method, name="other", indent=4) == "    def other(self, x):\n        return 3"


def test_large_numbers_are_written_as_a_formatter_would():
    assert literal(1e30) == "1e30"
