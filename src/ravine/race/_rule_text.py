"""A rule as text: the methods that it has, and the functions that those name, each written once and after what it needs."""

import ast
import inspect
import itertools
import sys
import textwrap
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch

from ravine.race._source_text import WIDTH, definition_of, literal, names_in
from ravine.rules import Rule, _terms
from ravine.rules._step import Part, Symbols, survey
from ravine.rules._wrapping import Wrapper

TERMS = {
    "power": "from math import pow as power",
    "root": "from math import sqrt as root",
    "choose": "def choose(condition, yes, no):\n    return yes if condition else no",
    "falls_due": "def falls_due(t, every):\n    return t % every < 1",
    "any_of": "def any_of(condition):\n    return condition",
    "rectification": """def rectification(beta2, t):
    end, kept = 2.0 / (1.0 - beta2) - 1.0, power(beta2, t)
    now = end - 2.0 * t * kept / (1.0 - kept)
    if now <= 5.0:
        return 0.0
    return root((now - 4.0) * (now - 2.0) * end / ((end - 4.0) * (end - 2.0) * now))""",
    "momentum_product": """def momentum_product(beta, psi, t):
    product, step = 1.0, 0
    while step < t and product > 1e-30:
        step += 1
        product *= beta * (1.0 - 0.5 * power(0.96, step * psi))
    return product""",
    "decay_between": """def decay_between(start, end, share):
    if share >= 1.0 or end <= 0.0:
        return end
    inverse = 0.0 if start <= 0.0 else 1.0 / log(start)
    weight = (1.0 - share) * inverse + share / log(end)
    return exp(1.0 / weight) if weight < 0.0 else 0.0""",
    "exp": "from math import exp",
    "log": "from math import log",
}
"""What `ravine.rules._terms` comes down to where every scalar is one float, and what that needs in turn."""

ENTRIES = ("scalars", "at", "part", "measure", "conclude", "ascent_terms", "ascent", "update", "evaluate")
"""Methods that a driver calls."""

PARAMETERS = {name: tuple(inspect.signature(getattr(Rule, name)).parameters) for name in ENTRIES}

BASE = '''class Rule:
    """Equations, and the switches that are on; `core` is what stands inside a wrapper."""

    def __init__(self, core=None, **flags):
        self.core, self.flags = core, (core.flags if core else {}) | flags

    def on(self, flag):
        return self.flags.get(flag, False)'''

WITH = """

    def _with(self, **flags):
        return type(self)(self.core, **self.flags | flags)"""

AROUND = """

    def around(self, core):
        return type(self)(core, **self.flags | core.flags)"""

APART = {
    "by branch": """    def update_apart(self, p, g, s, c):
        decay = "adam_decay" if self.on("elementwise") else "decay"
        delta, state = self.core.update(p, g, s, SimpleNamespace(**vars(c) | {decay: 0.0}))
        return delta, -getattr(c, decay) * p, state""",
    "apart": """    def update_apart(self, p, g, s, c):
        delta, state = self.core.update(p, g, s, SimpleNamespace(**vars(c) | {"decay": 0.0}))
        return delta, -c.decay * p, state""",
    "within": """    def update_apart(self, p, g, s, c):
        delta, state = self.core.update(p, g, s, c)
        return delta, 0.0, state""",
}
"""The core's change without its decoupled decay, and by it: with one for each branch of the rule, with one, and without."""


class Definitions:
    """Functions and constants that texts name, in order, and what they import."""

    def __init__(self) -> None:
        self._sections: dict[str, str] = {}
        self.imports: set[str] = set()

    @property
    def sections(self) -> tuple[str, ...]:
        """Top-level definitions, each after what it needs."""
        return tuple(self._sections.values())

    def add(self, function: Callable[..., Any]) -> None:
        """A module-level function, with what it needs."""
        self._add(function.__name__, function, sys.modules[function.__module__])

    def need(self, function: Callable[..., Any], text: str) -> None:
        """What the text of a function names beside its own variables."""
        self._need_in(sys.modules[function.__module__], text)

    def _need_in(self, module: ModuleType, text: str) -> None:
        known = vars(module)
        definition = ast.parse(textwrap.dedent(text))
        stored = {node.id for node in ast.walk(definition) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        own = stored | {node.arg for node in ast.walk(definition) if isinstance(node, ast.arg)}
        for name in sorted(names_in(textwrap.dedent(text)) - own):
            if name in known:
                self._add(name, known[name], module)
            elif name == "torch":
                self.imports.add("import torch")  # which rules import where they use it

    def _add(self, name: str, value: Any, source: ModuleType) -> None:
        if isinstance(value, ModuleType):
            self.imports.add(_import_of(value, name))
        elif name in TERMS and getattr(_terms, name, None) is value:
            self._add_term(name)
        elif name in self._sections or name.startswith("__"):
            return
        elif inspect.isfunction(value) and value.__module__.startswith("ravine."):
            text = definition_of(value)
            self.need(value, text)
            self._sections[name] = text
        elif isinstance(value, tuple):
            text = _assignment(source, name)
            self._need_in(source, text)
            self._sections[name] = text

    def _add_term(self, name: str) -> None:
        for other in sorted(names_in(TERMS[name]) & TERMS.keys() - {name}):
            self._add_term(other)
        if TERMS[name].startswith("from "):
            self.imports.add(TERMS[name])
        else:
            self._sections.setdefault(name, TERMS[name])


def _import_of(module: ModuleType, name: str) -> str:
    package, _, last = module.__name__.rpartition(".")
    if not package or last != name:
        return f"import {module.__name__}" if module.__name__ == name else f"import {module.__name__} as {name}"
    return f"from {package} import {last}"


def _assignment(module: ModuleType, name: str) -> str:
    """The statement that gives a module's constant its value."""
    text = inspect.getsource(module)
    found = [node for node in ast.parse(text).body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name]
    return ast.get_source_segment(text, found[-1]) or ""


class RuleText:
    """The classes of a rule's equations, the innermost first, or, for a rule that stands alone, its methods.

    Args:
        rule: with its flags set.
        hypers: of the rule, to see what it has no use for under them.
    """

    def __init__(self, rule: Rule, hypers: Mapping[str, float]) -> None:
        self.rule = rule
        self.definitions = Definitions()
        self._sample = Sample(rule, hypers)
        self._layers = [rule]
        while isinstance(self._layers[0], Wrapper):
            self._layers.insert(0, self._layers[0].core)
        kind = type(rule)
        self.entries = {name for name in ENTRIES if getattr(kind, name) is not getattr(Rule, name)}
        if not self._sample.is_measuring:
            self.entries -= {"measure", "conclude"}
        self._methods = [self._methods_of(layer) for layer in self._layers]

    @property
    def interval(self) -> int:
        """Steps between estimates of the curvature, for rules that take them."""
        return int(getattr(self._layers[0], "interval", 1))

    @property
    def is_apart(self) -> bool:
        """Whether the equations need classes of their own: flags change from step to step or by parameter, or there are wrappers."""
        return len(self._layers) > 1 or bool(self.entries & {"at", "part"})

    @property
    def text(self) -> str:
        """All methods, for a look at what they name."""
        return "\n".join(text for methods in self._methods for text in methods.values())

    @property
    def methods(self) -> str:
        """The methods of a rule that stands alone."""
        (methods,) = self._methods
        return "\n\n".join(methods.values())

    def classes(self) -> list[str]:
        """The base and one class a layer."""
        base = BASE + (WITH if "self._with(" in self.text else "") + (AROUND if "self.around(" in self.text else "")
        return [base, *map(self._class_of, self._layers, self._methods)]

    @property
    def expression(self) -> str:
        """What makes the rule from those classes."""
        result = ""
        for layer, kind in zip(self._layers, self._kinds, strict=True):
            on = [f"{flag.name}=True" for flag in kind.flags if layer.on(flag.name)]
            result = f"{kind.__name__}Rule({', '.join([result] * bool(result) + on)})"
        return result

    @property
    def _kinds(self) -> list[type[Rule]]:
        """What each layer adds: the rule's class, then the wrappers'."""
        return [type(self._layers[0]), *getattr(type(self.rule), "layers", ())]

    def _class_of(self, layer: Rule, methods: Mapping[str, str]) -> str:
        kind = self._kinds[self._layers.index(layer)]
        constants = "".join(f"\n    {name} = {literal(getattr(kind, name))}\n" for name in self._constants(kind, methods))
        doc = f'"""{description(kind)}\n    """'
        return f"class {kind.__name__}Rule(Rule):\n    {doc}\n{constants}\n" + "\n\n".join(methods.values())

    @staticmethod
    def _constants(kind: type[Rule], methods: Mapping[str, str]) -> list[str]:
        named = {name for text in methods.values() for name in _own_names(text)}
        return sorted(name for name in named if isinstance(getattr(kind, name, None), int | float))

    def _methods_of(self, layer: Rule) -> dict[str, str]:
        kind, found = type(layer), dict[str, str]()
        wanted = [name for name in ENTRIES if name in self.entries and getattr(kind, name) is not getattr(Rule, name)]
        for name in wanted:
            if name in found:
                continue
            found[name] = text = self._method(layer, name)
            more = _own_names(text) - {"on", "_with", "around", "core"}
            wanted += sorted(other for other in more if inspect.isfunction(getattr(kind, other, None)))
        return found

    def _method(self, layer: Rule, name: str) -> str:
        kind, method = type(layer), getattr(type(layer), name)
        if name == "update_apart":
            return APART[self._sample.decay_of(layer)]
        if "<locals>" in method.__qualname__ or (name == "scalars" and method is Wrapper.scalars and kind.own is Wrapper.own):  # type: ignore[attr-defined]
            arguments = ", ".join(PARAMETERS[name][1:])
            return f"    def {name}({', '.join(PARAMETERS[name])}):\n        return self.core.{name}({arguments})"
        text = definition_of(method, name=name, indent=4)
        self.definitions.need(method, text)
        return text


class Sample:
    """A rule at its second step on a small matrix, to see what it has no use for.

    Args:
        rule: with its flags set.
        hypers: by symbol.
    """

    def __init__(self, rule: Rule, hypers: Mapping[str, float]) -> None:
        h = Symbols(**hypers, peak_lr=hypers["lr"])
        rule = rule.at(2, h)
        p = torch.ones(2, 2)
        s = {slot.symbol: torch.ones(slot.shape_for((2, 2))) for slot in rule.active_slots}
        lane = {slot.symbol: torch.ones(()) for slot in rule.lane_slots}
        part = Part(rule, p, p, s, rule.scalars(h, 2))
        new, extra, (measured,) = survey([part], lane)
        self._part = Part(rule, p, p, {**s, **measured}, {**part.c, **extra})
        self.is_measuring = bool(new or extra or measured)

    def decay_of(self, layer: Rule) -> str:
        """Which text of `APART` tells the decoupled decay of a wrapper's core apart."""
        assert isinstance(layer, Wrapper)
        part = self._part
        if isinstance(layer.update_apart(part.p, part.g, Symbols(**part.s), Symbols(**part.c))[1], float):
            return "within"
        return "by branch" if any(flag.name == "elementwise" for flag in layer.core.flags) else "apart"


def description(kind: type[Rule]) -> str:
    """The first lines of a rule's docstring, one sentence and the equations, and where they stand, indented by 4."""
    first, *others = (inspect.getdoc(kind) or "").split("\n\n")
    equations = list(itertools.takewhile(lambda part: part.startswith("    "), others))
    citation = "\n".join(textwrap.wrap(str(kind.citation), WIDTH - 4, break_long_words=False))
    return textwrap.indent("\n\n".join([first, *equations, citation]), " " * 4).strip()


def _own_names(text: str) -> set[str]:
    """Attributes of `self` that the text of a method names."""
    nodes = ast.walk(ast.parse(textwrap.dedent(text)))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"}
