"""Wrappers: rules around any rule, put together as classes, so that one text runs in every driver and in the fleet."""

import functools
import inspect
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from ravine.rules._declarations import Citation
from ravine.rules._rule import Rule, Scalar, State, Tensors
from ravine.rules._step import Symbols

GRAINS = ("element", "tensor", "matrix")
"""Granularities, the coarsest last."""

DECOUPLING = ("decoupled", "decoupled_weight_decay")
"""Flags under which a rule that also knows coupled L2 takes its decay from the weights."""


ENTANGLED = ("lamb", "soap")
"""Rules whose decay is no term of its own: a part of what is normalised, or taken from the weights after the step."""


class Wrapper(Rule):
    """A rule around another, `core`: its own hypers, flags and slots come after the core's, its scalars beside them.

    A subclass declares what it adds; symbols begin with its name, so that no two parts of a rule share one. `wrap`
    makes the class of the combination, which hands on every method of `Rule` that the core has and the wrapper has not.
    """

    citation: ClassVar[Citation]
    refuses: ClassVar[Mapping[str, str]] = {}
    """Methods of `Rule` that a core must not have of its own, and why."""
    core_class: ClassVar[type[Rule]]
    layers: ClassVar[tuple[type["Wrapper"], ...]]

    def __init__(self, **flags: bool) -> None:
        super().__init__(**flags)
        self.core = self.core_class(**{flag.name: self.on(flag.name) for flag in self.core_class.flags})

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (_innermost(type(self)), self.layers, {flag.name: self.on(flag.name) for flag in self.flags})

    @classmethod
    def refusal(cls, inner: type[Rule]) -> str:
        """Why the wrapper cannot stand around a rule, or nothing."""
        return next((reason for name, reason in cls.refuses.items() if getattr(inner, name) is not getattr(Rule, name)), "")

    def own(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        """The wrapper's own scalars."""
        del h, t
        return {}

    def gradient(self, p: Tensors, g: Tensors, c: Any) -> Tensors:
        """What the core is to take for the gradient."""
        del p, c
        return g

    def scalars(self, h: Any, t: Scalar) -> Mapping[str, Scalar]:
        return {**self.core.scalars(h, t), **self.own(h, t)}

    def update(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, State]:
        return self.core.update(p, self.gradient(p, g, c), s, c)

    def update_apart(self, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[Tensors, Tensors | float, State]:
        """The core's update with its change in two parts: without decoupled decay, and by it.

        Rules call the factor of decoupled decay as `decay_scalar` says, and their change holds - c.decay p, but for those
        `ENTANGLED`.
        """
        name = decay_scalar(self.core)
        switches = [flag.name for flag in self.core.flags if flag.name in DECOUPLING]
        is_apart = hasattr(c, name) and self.core.name.split("+")[0] not in ENTANGLED
        if not is_apart or not all(self.core.on(name) for name in switches):
            delta, state = self.core.update(p, g, s, c)
            return delta, 0.0, state
        delta, state = self.core.update(p, g, s, Symbols(**{**vars(c), name: 0.0}))
        return delta, -getattr(c, name) * p, state

    def around(self, core: Rule) -> Self:
        """The same wrapper around its core with other flags."""
        return self if core is self.core else self._with(**{flag.name: core.on(flag.name) for flag in core.flags})


@functools.cache
def wrap(kind: type[Wrapper], inner: type[Rule]) -> type[Wrapper]:
    """The class of `kind` around `inner`; the same arguments give the same class.

    Args:
        kind: a wrapper.
        inner: a rule, wrapped itself or not. Nothing stops a combination that `kind.refusal` refuses.
    """
    layers = (*inner.layers, kind) if issubclass(inner, Wrapper) else (kind,)
    members: dict[str, Any] = {
        "__doc__": kind.__doc__,
        "__module__": kind.__module__,
        "name": f"{inner.name}+{kind.name}",
        "hypers": (*inner.hypers, *kind.hypers),
        "flags": (*inner.flags, *kind.flags),
        "slots": (*inner.slots, *kind.slots),
        "granularity": max(inner.granularity, kind.granularity, key=GRAINS.index),
        "needs": inner.needs | kind.needs,
        "gradients_per_step": inner.gradients_per_step + kind.gradients_per_step - Rule.gradients_per_step,
        "core_class": inner,
        "layers": layers,
    }
    for name, method in vars(Rule).items():
        is_extra = inspect.isfunction(method) and not name.startswith("_") and name not in ("on", "scalars", "update")
        if is_extra and getattr(kind, name) is method and getattr(inner, name) is not method:
            members[name] = _HANDING_ON.get(name) or _handed_on(name)
    return type(f"{inner.__name__}{kind.__name__}", (kind,), members)


def wrap_all(inner: type[Rule], layers: Sequence[type[Wrapper]]) -> type[Rule]:
    """A rule in several wrappers, the innermost first."""
    return functools.reduce(lambda rule, kind: wrap(kind, rule), layers, inner)


def decay_scalar(rule: Rule) -> str:
    """The scalar by which a rule takes decoupled decay from the weights; Muon has another for what is not a matrix."""
    return "adam_decay" if rule.on("elementwise") else "decay"


def squares(g: Tensors) -> Tensors:
    """The sum of squares of a tensor, 0-d."""
    return (g * g).sum()


def kept_where_skipped(taken: Any, s: Any, delta: Tensors, state: State) -> tuple[Tensors, State]:
    """A change and the next slots where `taken` is 1; no change and the old slots where it is 0, exactly.

    Args:
        taken: 0-d, 1 or 0.
        s: slots before the step.
        delta: the change.
        state: slots after the step, as far as they are new.
    """
    return (delta.where(taken > 0.5, 0.0), {name: value.where(taken > 0.5, getattr(s, name)) for name, value in state.items()})


def _at(self: Wrapper, t: int, h: Any) -> Wrapper:
    return self.around(self.core.at(t, h))


def _part(self: Wrapper, kind: str) -> Wrapper:
    return self.around(self.core.part(kind))


def _measure(self: Wrapper, p: Tensors, g: Tensors, s: Any, c: Any) -> tuple[State, State]:
    return self.core.measure(p, self.gradient(p, g, c), s, c)


_HANDING_ON: Mapping[str, Any] = {"at": _at, "part": _part, "measure": _measure}
"""Methods whose arguments or results the wrapper changes on the way."""


def _handed_on(name: str) -> Any:
    def method(self: Wrapper, *arguments: Any) -> Any:
        return getattr(self.core, name)(*arguments)

    method.__name__ = name
    return method


def _innermost(kind: type[Rule]) -> type[Rule]:
    return _innermost(kind.core_class) if issubclass(kind, Wrapper) else kind


def _rebuild(inner: type[Rule], layers: Sequence[type[Wrapper]], flags: Mapping[str, bool]) -> Rule:
    return wrap_all(inner, layers)(**flags)
