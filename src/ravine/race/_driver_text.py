"""The class of `torch.optim.Optimizer` that runs a rule in a script: its state, its step, and what else the loop calls."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from ravine.race._rule_text import RuleText, description
from ravine.race._source_text import WIDTH, literal
from ravine.rules import Slot
from ravine.rules._ascent import SECOND_GRADIENT
from ravine.tasks.kinds import parameter_kinds

KINDS = ("matrix", "lookup", "output", "vector")

TOTAL = '''def total(terms):
    """Sums of terms over all parameters, by name."""
    sums = {}
    for each in terms:
        for name, term in each.items():
            sums[name] = sums[name] + term if name in sums else term
    return SimpleNamespace(**sums)'''

ON = """    def on(self, flag):
        return flag in {flags}"""

STEP = '''    @torch.no_grad()
    def step(self, closure=None):
        """Change every parameter that has a gradient."""
        self.steps += 1
        for group in self.param_groups:
{scalars}
            for p in group["params"]:
                if p.grad is not None:
                    s = self.state[p] or {start}
                    delta, after = {part}.update({p}, {g}, SimpleNamespace({s}), c)
                    self.state[p] = s | after
                    p{write}'''

WHOLE_STEP = '''    @torch.no_grad()
    def step(self, closure=None):
        """Measure all parameters that have a gradient, conclude for the model, and change every one of them."""
        self.steps += 1
        (group,) = self.param_groups
{scalars}
        params = [p for p in group["params"] if p.grad is not None]
        if not self.whole:
            self.whole = {whole}
        terms, known = [], SimpleNamespace(**c, **self.whole)
        for p in params:
            s = self.state[p] or {start}
            measured, after = {part}.measure({p}, {g}, SimpleNamespace({s}), known)
            self.state[p] = s | after
            terms.append(measured)
        after, further = {rule}.conclude(total(terms), SimpleNamespace(**self.whole), SimpleNamespace(**c))
        self.whole |= after
        known = SimpleNamespace(**c | further)
        for p in params:
            s = self.state[p]
            delta, after = {part}.update({p}, {g}, SimpleNamespace({s}), known)
            self.state[p] = s | after
            p{write}'''

AVERAGE = '''    @torch.no_grad()
    def average(self):
        """Put the weights to evaluate at in the place of those that are trained."""
        for p, s in self.state.items():
            p.copy_({rule}.evaluate({p}, SimpleNamespace({s}), self.last))'''

UPHILL = '''    @contextmanager
    def uphill(self, model):
        """Where the second gradient is taken; afterwards weights and buffers are as they were."""
        kept = [(tensor, tensor.clone()) for tensor in (*model.parameters(), *model.buffers())]
        with torch.no_grad():
            (group,) = self.param_groups
            c = SimpleNamespace(**{rule}.scalars({h}, self.steps + 1))
            params = [p for p in group["params"] if p.grad is not None]
            sums = total({rule}.ascent_terms({p}, {g}, c) for p in params)
            for p in params:
                p{write_way}
        yield
        with torch.no_grad():
            for tensor, values in kept:
                tensor.copy_(values)'''


class DriverText:
    """The optimiser's class around a rule.

    Args:
        text: of the rule.
        is_narrow: whether parameters are narrower than float32: their update is computed in float32 and rounded once.
    """

    def __init__(self, text: RuleText, *, is_narrow: bool) -> None:
        self._text, self._rule, self._is_narrow = text, text.rule, is_narrow
        self._has_kinds = "part" in text.entries
        self._is_whole = "measure" in text.entries or bool(text.rule.lane_slots)
        for slot in self._slots:
            if slot.shape is not None:
                text.definitions.add(getattr(slot.shape, "func", slot.shape))
        if self._has_kinds:
            text.definitions.add(parameter_kinds)

    @property
    def name(self) -> str:
        """Of the class."""
        return type(self._rule).__name__

    @property
    def first_arguments(self) -> list[str]:
        """What the class is called with before hypers."""
        return ["model.parameters()", *(["parameter_kinds(model).values()"] if self._has_kinds else [])]

    @property
    def averages(self) -> bool:
        """Whether weights to evaluate at are not those that are trained."""
        return "evaluate" in self._text.entries

    @property
    def sections(self) -> tuple[str, ...]:
        """Top-level definitions, the class last."""
        needs_total = self._is_whole or SECOND_GRADIENT in self._rule.needs
        classes = self._text.classes() if self._text.is_apart else []
        return (*self._text.definitions.sections, *([TOTAL] if needs_total else []), *classes, self._class())

    @property
    def _slots(self) -> list[Slot]:
        """Of any parameter."""
        found = [slot for kind in KINDS for slot in self._rule.part(kind).active_slots]
        return list(dict.fromkeys(found))

    @property
    def _source(self) -> str:
        return "self.rule" if self._text.is_apart else "self"

    def _class(self) -> str:
        kind = type(self._rule)
        doc = f"Runs {self._text.expression}." if self._text.is_apart else description(kind) + "\n    "
        methods = [self._constructor()]
        if not self._text.is_apart:
            flags = tuple(flag.name for flag in self._rule.flags if self._rule.on(flag.name))
            methods += [ON.format(flags=literal(flags))] if "self.on(" in self._text.text else []
            methods += [self._text.methods]
        methods += [self._start_method()] if not self._is_simple else []
        methods += [self._uphill()] if SECOND_GRADIENT in self._rule.needs else []
        methods += [self._whole_step() if self._is_whole else self._step()]
        methods += [self._average()] if self.averages else []
        return f'class {self.name}(torch.optim.Optimizer):\n    """{doc}"""\n\n' + "\n\n".join(methods)

    def _constructor(self) -> str:
        defaults = {hyper.symbol: literal(hyper.default) for hyper in self._rule.hypers}
        hypers = ["lr", *(f"{symbol}={default}" for symbol, default in defaults.items() if symbol != "lr")]
        head = opened("    def __init__(", ["self", "params", *(["kinds"] if self._has_kinds else []), *hypers], "):", indent=4)
        entries = [f'"{symbol}": {symbol}' for symbol in defaults]
        lines = [head, _settings(entries), "        self.steps = 0"]
        if self._text.is_apart:
            lines.append(f"        self.rule = {self._text.expression}")
        if self._has_kinds:
            lines.append('        self.kinds = dict(zip(self.param_groups[0]["params"], kinds))')
        if self._is_whole:
            lines.append("        self.whole = {}  # state of the whole model")
        if "curvature" in self._rule.needs:
            lines.append("        self.curvature = {}  # the newest estimate for every parameter")
        return "\n".join(lines)

    def _parts(self, variables: str = "**s") -> dict[str, str]:
        """What stands in the templates."""
        rule = "rule" if "at" in self._text.entries else self._source
        part = f"{rule}.part(self.kinds[p])" if self._has_kinds else rule
        more = ", curvature=self.curvature.get(p)" if "curvature" in self._rule.needs else ""
        narrow = self._is_narrow
        return {
            "rule": rule,
            "part": part,
            "p": "p.float()" if narrow else "p",
            "g": "p.grad.float()" if narrow else "p.grad",
            "s": variables + more,
            "write": ".copy_(p.float() + delta)" if narrow else ".add_(delta)",
            "start": self._start_expression() if self._is_simple else f"self.start(p, group{f', {part}' if self._has_kinds else ''})",
        }

    @property
    def _h(self) -> str:
        peak = ', peak_lr=group.get("initial_lr", group["lr"])' if "h.peak_lr" in self._text.text else ""
        return f"SimpleNamespace(**group{peak})"

    def _scalars(self, *, is_plain: bool) -> str:
        """Lines that bind `c`, a dictionary or with `is_plain` a namespace, and the rule of the step."""
        lines, h = list[str](), self._h
        if "at" in self._text.entries:
            lines += [f"h = {h}", f"rule = {self._source}.at(self.steps, h)"]
            h = "h"
        values = f"{self._parts()['rule']}.scalars({h}, self.steps)"
        lines += [f"c = SimpleNamespace(**{values})" if is_plain else f"c = {values}"]
        if self.averages:
            lines += [f"self.last = {'c' if is_plain else 'SimpleNamespace(**c)'}"]
        margin = " " * (12 if is_plain else 8)
        return "\n".join(margin + line for line in lines)

    def _step(self) -> str:
        return STEP.format(scalars=self._scalars(is_plain=True), **self._parts())

    def _whole_step(self) -> str:
        dtype = ", dtype=torch.float32" if self._is_narrow else ""
        filled = {slot.symbol: f'group["{slot.fill}"]' if slot.fill else "0.0" for slot in self._rule.lane_slots}
        entries = [f'"{symbol}": params[0].new_full((), {value}{dtype})' for symbol, value in filled.items()]
        whole = opened("            self.whole = {", entries, "}", indent=12).removeprefix("            self.whole = ")
        text = WHOLE_STEP.format(scalars=self._scalars(is_plain=False), whole=whole, **self._parts())
        return text if entries else text.replace("        if not self.whole:\n            self.whole = {}\n", "")

    def _average(self) -> str:
        parts = self._parts("**self.whole, **s" if self._is_whole else "**s")
        return AVERAGE.format(rule=self._source, p=parts["p"], s=parts["s"])

    def _uphill(self) -> str:
        parts = self._parts()
        way = f"{self._source}.ascent({parts['p']}, {parts['g']}, sums, c)"
        write = f".copy_(p.float() + {way})" if self._is_narrow else f".add_({way})"
        return UPHILL.format(rule=self._source, h=self._h, p=parts["p"], g=parts["g"], write_way=write)

    @property
    def _is_simple(self) -> bool:
        """Whether a parameter's first state fits into an expression."""
        return not self._has_kinds and not any(slot.shape or slot.copies for slot in self._slots)

    def _start_expression(self) -> str:
        dtype = ", dtype=torch.float32" if self._is_narrow else ""
        zeros = [slot.symbol for slot in self._slots if not slot.fill]
        filled = [f'"{slot.symbol}": {self._first(slot)}' for slot in self._slots if slot.fill]
        zero = f"torch.zeros_like(p{dtype})"
        first = f"{{slot: {zero} for slot in {literal(tuple(zeros))}}}" if len(zeros) > 1 else "".join(f'{{"{s}": {zero}}}' for s in zeros)
        return " | ".join([*([first] if first else []), *(f"{{{entry}}}" for entry in filled)]) or "{}"

    def _start_method(self) -> str:
        arguments = f"self, p, group{', rule' if self._has_kinds else ''}"
        lines = [f"    def start({arguments}):", '        """State of a parameter before its first step."""']
        everywhere = [slot for slot in self._slots if all(slot in self._rule.part(kind).active_slots for kind in KINDS)]
        if self._slots == everywhere:
            return "\n".join([*lines, opened("        return {", list(self._entries(everywhere)), "}", indent=8)])
        lines.append(opened("        state = {", list(self._entries(everywhere)), "}", indent=8))
        for slot in self._slots:
            if slot not in everywhere:
                lines += [f'        if rule.on("{slot.when}"):', f'            state["{slot.symbol}"] = {self._first(slot)}']
        return "\n".join([*lines, "        return state"])

    def _entries(self, slots: Sequence[Slot]) -> Iterator[str]:
        """Of a dictionary: one a slot, or one for all axes."""
        for (symbol, shape), members in itertools.groupby(slots, key=lambda slot: (slot.symbol.rstrip("0123456789"), _shape_text(slot))):
            alike = list(members)
            if "axis" in shape:
                yield f'**{{f"{symbol}{{axis}}": {self._first(alike[0])} for axis in range({len(alike)})}}'
            else:
                yield from (f'"{slot.symbol}": {self._first(slot)}' for slot in alike)

    def _first(self, slot: Slot) -> str:
        """A slot's first value."""
        dtype = ", dtype=torch.float32" if self._is_narrow else ""
        if slot.copies:
            return "p.to(torch.float32, copy=True)" if self._is_narrow else "p.clone()"
        if slot.shape is not None:
            return f"p.new_zeros({_shape_text(slot)}{dtype})"
        return f'torch.full_like(p, group["{slot.fill}"]{dtype})' if slot.fill else f"torch.zeros_like(p{dtype})"


def _shape_text(slot: Slot) -> str:
    """Expression of a slot's shape; of the slots of several axes, the same with `axis` for the number."""
    if isinstance(slot.shape, functools.partial):
        settings = ", ".join(["axis", *map(literal, slot.shape.args[1:])])
        return f"{slot.shape.func.__name__}({settings}, p.shape)"
    return f"{slot.shape.__name__}(p.shape)" if slot.shape is not None else ""


def opened(before: str, parts: Sequence[Any], after: str, *, indent: int) -> str:
    """Parts between brackets as a formatter would set them: on one line, on one of their own, or one a line.

    Args:
        before: from the start of the line to the bracket.
        parts: what to separate by commas.
        after: the closing bracket and the rest.
        indent: spaces before the line.
    """
    flat = f"{before}{', '.join(parts)}{after}"
    if len(flat) <= WIDTH:
        return flat
    margin = " " * (indent + 4)
    inner = f"{margin}{', '.join(parts)}"
    if before.endswith("{") or len(inner) > WIDTH:
        inner = "\n".join(f"{margin}{part}," for part in parts)
    return f"{before}\n{inner}\n{' ' * indent}{after}"


def _settings(entries: Sequence[str]) -> str:
    """The call of the constructor of `torch.optim.Optimizer`, one setting a line where they are many."""
    flat = f"        super().__init__(params, {{{', '.join(entries)}}})"
    if len(flat) <= WIDTH:
        return flat
    lines = "\n".join(f"                {entry}," for entry in entries)
    return f"        super().__init__(\n            params,\n            {{\n{lines}\n            }},\n        )"
