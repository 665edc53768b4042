"""A rule as text: the methods that it has, and the functions that those name, each written once and after what it needs."""

import ast
import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable
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

WITH = '''

    def _with(self, **flags):
        return type(self)(self.core, **self.flags | flags)'''

AROUND = '''

    def around(self, core):
        return type(self)(core, **self.flags | core.flags)'''

APART = {
    True: """    def update_apart(self, p, g, s, c):
        delta, state = self.core.update(p, g, s, SimpleNamespace(**vars(c) | {"decay": 0.0}))
        return delta, -c.decay * p, state""",
    False: """    def update_apart(self, p, g, s, c):
        delta, state = self.core.update(p, g, s, c)
        return delta, 0.0, state""",
}
"""The core's change without its decoupled decay, and by it: with such a decay and without."""


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
        self._add(function.__name__, function)

    def need(self, function: Callable[..., Any], text: str) -> None:
        """What the text of a function names beside its own variables."""
        known = vars(sys.modules[function.__module__])
        definition = ast.parse(textwrap.dedent(text))
        stored = {node.id for node in ast.walk(definition) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        own = stored | {node.arg for node in ast.walk(definition) if isinstance(node, ast.arg)}
        for name in sorted(names_in(textwrap.dedent(text)) - own):
            if name in known:
                self._add(name, known[name])
            elif name == "torch":
                self.imports.add("import torch")  # which rules import where they use it

    def _add(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType):
            package, _, last = value.__name__.rpartition(".")
            self.imports.add(f"import {name}" if value.__name__ == name else f"from {package} import {last} as {name}".removesuffix(f"{last} as {last}") + (last if last == name else ""))
        elif name in TERMS and getattr(_terms, name, None) is value:
            self._add_term(name)
        elif inspect.isfunction(value) and value.__module__.startswith("ravine.") and name not in self._sections:
            text = definition_of(value)
            self.need(value, text)
            self._sections[name] = text

    def _add_term(self, name: str) -> None:
        if TERMS[name].startswith("from "):
            self.imports.add(TERMS[name])
        elif name not in self._sections:
            for other in sorted(names_in(TERMS[name]) & TERMS.keys() - {name}):
                self._add_term(other)
            self._sections[name] = TERMS[name]
