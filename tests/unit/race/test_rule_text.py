import math

from ravine.race._rule_text import TERMS, RuleText, description
from ravine.rules import resolve
from ravine.rules._terms import any_of, choose, decay_between, falls_due, momentum_product, power, rectification, root


def test_the_terms_are_the_rules_terms():
    names = {}
    exec("\n\n".join(TERMS.values()), names)
    assert [names["falls_due"](t, 2.0) for t in range(4)] == [falls_due(t, 2.0) for t in range(4)] == [True, False, True, False]
    assert [names["any_of"](value) for value in (True, False)] == [any_of(True), any_of(False)]
    for base, exponent in ((0.9, 1), (0.999, 1234), (0.0, 3)):
        assert names["power"](base, exponent) == power(base, exponent)
    assert names["root"](0.3) == root(0.3) == math.sqrt(0.3)
    assert [names["choose"](condition, 1, 2) for condition in (True, False)] == [choose(condition, 1, 2) for condition in (True, False)]
    for t in (1, 2, 5, 6, 40, 9000):
        assert names["rectification"](0.999, t) == rectification(0.999, t)
        assert names["rectification"](0.5, t) == rectification(0.5, t) == 0.0
        assert names["momentum_product"](0.9, 4e-3, t) == momentum_product(0.9, 4e-3, t)
        assert names["decay_between"](0.9, 0.9999, t / 40) == decay_between(0.9, 0.9999, t / 40)
        assert names["decay_between"](0.0, 0.9999, t / 40) == decay_between(0.0, 0.9999, t / 40)


def test_a_rule_that_stands_alone_has_the_methods_that_it_has_a_use_for():
    text = RuleText(*resolve("lamb", {}))
    assert not text.is_apart
    assert text.entries == {"scalars", "update"}
    assert "def measure" not in text.methods
    limited = RuleText(*resolve("lamb", {"max_grad_norm": 1.0}))
    assert limited.entries == {"scalars", "update", "measure", "conclude"}
    assert limited.methods.count("    def ") == 4


def test_methods_of_a_base_come_along_and_constants_by_their_value():
    text = RuleText(*resolve("schedule_free_sgd", {}))
    assert [line.partition("(")[0] for line in text.methods.splitlines() if line.startswith("    def ")] == [
        "    def scalars",
        "    def update",
        "    def evaluate",
        "    def _averaging",
        "    def _move",
    ]
    assert "clamp_min(1.2e-38)" in text.methods


def test_functions_come_after_what_they_need_with_their_imports():
    text = RuleText(*resolve("soap", {}))
    order = [section.split("(")[0].removeprefix("def ") for section in text.definitions.sections]
    assert order.index("_eigh") < order.index("eigenbases")
    assert len(order) == len(set(order))
    assert text.definitions.imports == {"import torch", "from math import pow as power", "from math import sqrt as root"}
    assert "import" not in "".join(text.definitions.sections)


def test_layers_are_classes_with_the_switches_that_are_on():
    text = RuleText(*resolve("lion+clip+lookahead", {"weight_decay": 0.1}))
    assert text.expression == "LookaheadRule(ClipRule(LionRule()))"
    assert (
        RuleText(*resolve("nesterov+ema", {"ema_warmup": True})).expression
        == "EMARule(SGDRule(buffered=True, nesterov=True), ema_warmup=True)"
    )
    heads = [section.splitlines()[0] for section in text.classes()]
    assert heads == ["class Rule:", "class LionRule(Rule):", "class ClipRule(Rule):", "class LookaheadRule(Rule):"]
    assert "_with" not in text.classes()[0]
    assert "return self.core.conclude(sums, o, c)" in text.classes()[3]
    assert "def around" in RuleText(*resolve("soap+clip", {})).classes()[0]


def test_decay_is_told_apart_where_the_rule_has_such_a_decay():
    for name, is_apart in {"adamw+cautious": True, "momentum+cautious": False, "sgdw+cautious": True, "lamb+cautious": False}.items():
        assert ('{"decay": 0.0}' in RuleText(*resolve(name, {})).text) == is_apart, name
    assert '"adam_decay" if self.on("elementwise")' in RuleText(*resolve("muon+clip+cautious", {})).text


def test_class_constants_and_intervals():
    text = RuleText(*resolve("sophia_h", {}))
    assert text.interval == 10
    assert "    interval = 10\n" in text.classes()[1]


def test_a_description_has_all_equations_and_the_citation():
    text = description(type(resolve("muon", {})[0]))
    assert text.startswith("Momentum whose singular values")
    assert "x <- a x + (b x x'" in text
    assert "v <- beta2 v" in text
    assert text.endswith("kellerjordan.github.io")
    assert "torch names" not in text
