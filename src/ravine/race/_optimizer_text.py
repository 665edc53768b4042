"""An optimiser as text: a class of `torch.optim` where there is one, else a small class around the rule's own source."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ravine.race._source_text import WIDTH, body_of, literal, names_in
from ravine.rules import Rule

TORCH_CLASSES = frozenset({"SGD", "Adagrad", "RMSprop", "Adam", "AdamW", "Adadelta", "Adamax", "NAdam", "RAdam"})
"""Rules whose namesake in `torch.optim` takes the same steps; the parity tests hold them to it."""

TERMS = {
    "power": "from math import pow as power",
    "root": "from math import sqrt as root",
    "choose": "def choose(condition, yes, no):\n    return yes if condition else no",
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

CARRIED = '''class {name}(torch.optim.Optimizer):
    """{doc}

    {citation}
    """

    def __init__(self, params, {arguments}):
        super().__init__({settings})
        self.steps = 0
{on}
    def scalars(self, h, t):
{scalars}

    def update(self, p, g, s, c):
{update}

    @torch.no_grad()
    def step(self, closure=None):
        """Change every parameter that has a gradient."""
        self.steps += 1
        for group in self.param_groups:
            c = SimpleNamespace(**self.scalars(SimpleNamespace(**group{peak}), self.steps))
            for p in group["params"]:
                if p.grad is not None:
                    s = self.state[p] or {slots}
                    delta, after = self.update({wide_p}, {wide_g}, SimpleNamespace(**s), c)
                    self.state[p] = s | after
                    p{write}'''

ON = """
    def on(self, flag):
        return flag in {flags}
"""


@dataclass(frozen=True, slots=True)
class OptimizerText:
    """How a script makes its optimiser.

    Attributes:
        expression: makes it from `model` and `LR`.
        sections: top-level definitions that the expression needs.
        imports: lines that those need.
    """

    expression: str
    sections: tuple[str, ...] = ()
    imports: tuple[str, ...] = ("import torch",)


def optimizer_text(rule: Rule, hypers: Mapping[str, float], *, is_narrow: bool = False) -> OptimizerText:
    """The text of an optimiser at the rate `LR`.

    Args:
        rule: with its flags set.
        hypers: every hyper by symbol; `lr` is not read.
        is_narrow: whether parameters are narrower than float32: a race computes their update in float32 and rounds
            once, which torch's classes do not.
    """
    name = type(rule).__name__
    if name in TORCH_CLASSES and not is_narrow and _is_known_to_torch(rule):
        arguments = ["model.parameters()", "lr=LR", *_torch_arguments(rule, hypers)]
        return OptimizerText(f"torch.optim.{name}({', '.join(arguments)})")
    others = [hyper.symbol for hyper in rule.hypers if hyper.symbol != "lr"]
    changed = [f"{h.symbol}={literal(hypers[h.symbol])}" for h in rule.hypers if h.symbol in others and hypers[h.symbol] != h.default]
    bodies = {method: body_of(getattr(type(rule), method)) for method in ("scalars", "update")}
    names = _names(bodies["scalars"]) | _names(bodies["update"])
    names |= {name for term in names & TERMS.keys() for name in names_in(TERMS[term])}
    needed = [text for term, text in TERMS.items() if term in names]
    text = _carried(rule, bodies, is_narrow=is_narrow)
    functions, imports = (tuple(t for t in needed if t.startswith("from ") == wanted) for wanted in (False, True))
    return OptimizerText(
        f"{name}({', '.join(['model.parameters()', 'lr=LR', *changed])})",
        (*functions, text),
        ("import torch", "from types import SimpleNamespace", *imports),
    )


def _is_known_to_torch(rule: Rule) -> bool:
    """Whether torch's class has every switch that is on."""
    parameters = inspect.signature(getattr(torch.optim, type(rule).__name__)).parameters
    return all(flag.name in parameters for flag in rule.flags if not flag.of and rule.on(flag.name))


def _torch_arguments(rule: Rule, hypers: Mapping[str, float]) -> list[str]:
    """Settings that differ from torch's own defaults, under torch's names."""
    settings: dict[str, Any] = {}
    for hyper in rule.hypers:
        value = hypers[hyper.symbol]
        settings[hyper.group_key] = value if hyper.index is None else (*settings.get(hyper.group_key, ()), value)
    settings |= {flag.name: rule.on(flag.name) for flag in rule.flags if not flag.of}
    parameters = inspect.signature(getattr(torch.optim, type(rule).__name__)).parameters
    return [
        f"{key}={literal(value)}"
        for key, value in settings.items()
        if key in parameters and key != "lr" and value != parameters[key].default
    ]


def _carried(rule: Rule, bodies: Mapping[str, str], *, is_narrow: bool) -> str:
    kind = type(rule)
    flags = tuple(flag.name for flag in rule.flags if rule.on(flag.name))
    defaults = {hyper.symbol: literal(hyper.default) for hyper in kind.hypers}
    return CARRIED.format(
        name=kind.__name__,
        doc=_equations(kind),
        citation=kind.citation,
        arguments=", ".join(["lr"] + [f"{symbol}={default}" for symbol, default in defaults.items() if symbol != "lr"]),
        settings=_settings(list(defaults)),
        on=ON.format(flags=literal(flags)) if "self.on(" in bodies["update"] + bodies["scalars"] else "",
        peak=', peak_lr=group.get("initial_lr", group["lr"])' if "h.peak_lr" in bodies["scalars"] else "",
        scalars=bodies["scalars"],
        update=bodies["update"],
        slots=_start(rule, ", dtype=torch.float32" if is_narrow else ""),
        wide_p="p.float()" if is_narrow else "p",
        wide_g="p.grad.float()" if is_narrow else "p.grad",
        write=".copy_(p.float() + delta)" if is_narrow else ".add_(delta)",
    )


def _settings(symbols: Sequence[str]) -> str:
    """What the constructor hands on, one setting a line where they are many."""
    entries = [f'"{symbol}": {symbol}' for symbol in symbols]
    flat = f"params, {{{', '.join(entries)}}}"
    if len(flat) + len("        super().__init__()") <= WIDTH:
        return flat
    lines = "\n".join(f"                {entry}," for entry in entries)
    return f"\n            params,\n            {{\n{lines}\n            }},\n        "


def _start(rule: Rule, dtype: str) -> str:
    """Expression of a parameter's first state."""
    zeros = [slot.symbol for slot in rule.active_slots if not slot.fill]
    filled = [f'"{slot.symbol}": torch.full_like(p, group["{slot.fill}"]{dtype})' for slot in rule.active_slots if slot.fill]
    zero = f"torch.zeros_like(p{dtype})"
    parts = [f"{{slot: {zero} for slot in {literal(tuple(zeros))}}}"] if len(zeros) > 1 else [f'{{"{symbol}": {zero}}}' for symbol in zeros]
    return " | ".join([*parts, *(f"{{{entry}}}" for entry in filled)]) or "{}"


def _equations(kind: type[Rule]) -> str:
    """The first lines of a rule's docstring: one sentence and the equations."""
    parts = (inspect.getdoc(kind) or "").split("\n\n")
    return f"{parts[0]}\n\n" + "\n".join(f"    {line}" for line in parts[1].splitlines())


def _names(body: str) -> set[str]:
    return names_in("def method():\n" + body)
