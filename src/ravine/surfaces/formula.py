"""A formula in x and y as a function of tensors: read by a parser of its own, never evaluated as Python."""

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import torch
from torch import Tensor

from ravine.base.errors import InputError

Value: TypeAlias = Tensor | float
Term: TypeAlias = Callable[[Tensor, Tensor], Value] | float
"""A function of x and y, or a number."""

LONGEST = 1000
"""Characters: far more than a formula for people has, and too few to exhaust the parser."""

VARIABLES = ("x", "y")
CONSTANTS: Mapping[str, float] = MappingProxyType({"pi": math.pi, "e": math.e})

FUNCTIONS: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {
        "abs": torch.abs,
        "atan": torch.atan,
        "cos": torch.cos,
        "cosh": torch.cosh,
        "erf": torch.erf,
        "exp": torch.exp,
        "log": torch.log,
        "max": torch.maximum,
        "min": torch.minimum,
        "sigmoid": torch.sigmoid,
        "sin": torch.sin,
        "sinh": torch.sinh,
        "sqrt": torch.sqrt,
        "tan": torch.tan,
        "tanh": torch.tanh,
    }
)
"""What a formula may call; `max` and `min` take two arguments, the others one."""

OPERATORS: Mapping[type[ast.operator], Callable[[Value, Value], Value]] = MappingProxyType(
    {
        ast.Add: torch.add,
        ast.Sub: torch.sub,
        ast.Mult: torch.mul,
        ast.Div: torch.div,
        ast.Pow: torch.pow,
    }
)

ALLOWED = (
    f"numbers, {', '.join([*VARIABLES, *CONSTANTS])}, + - * / ** ( ) and {', '.join(name + '()' for name in FUNCTIONS)}; "
    'write it like "x**2 + 3*y**2"'
)


@dataclass(frozen=True)
class Formula:
    """A formula in x and y.

    Args:
        text: numbers, x, y, pi, e, + - * / ** ( ) and `FUNCTIONS`; ^ is read as **.

    Raises:
        InputError: anything else is in it, or neither x nor y.

    Example:
        >>> Formula("x**2 + 3*y")(torch.tensor(2.0), torch.tensor(1.0))
        tensor(7.)
    """

    text: str
    _term: Callable[[Tensor, Tensor], Value] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        term = _Reader(self.text).read()
        if isinstance(term, float):
            raise InputError(f"the formula {self.text!r} holds neither x nor y. Give one of both, such as x**2 + 3*y**2.", given=self.text)
        object.__setattr__(self, "_term", term)

    def __reduce__(self) -> tuple[type["Formula"], tuple[str]]:
        return Formula, (self.text,)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Its value for every pair, in the dtype of x and y; what is not defined is NaN or infinite."""
        value = self._term(x, y)
        assert isinstance(value, Tensor), "a formula with x or y in it gives a tensor"
        return value


class _Reader:
    """Turns the syntax tree of a text into functions, node by node; what is not on the list is refused."""

    def __init__(self, text: str) -> None:
        self._text = text

    def read(self) -> Term:
        if not isinstance(self._text, str) or not self._text.strip():
            raise InputError(f"the formula {self._text!r} is empty: must be text. Allowed are {ALLOWED}.", given=self._text)
        if len(self._text) > LONGEST:
            raise InputError(f"the formula has {len(self._text):,} characters: at most {LONGEST:,}. Shorten it.", given=self._text)
        try:
            # In Python ^ binds weaker than +, and nobody who writes x^2 + y^2 means that.
            tree = ast.parse(self._text.strip().replace("^", "**"), mode="eval")
            return self._term(tree.body)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"the formula {self._text!r} cannot be read. Allowed are {ALLOWED}.", given=self._text) from None

    def _term(self, node: ast.expr) -> Term:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return self._number(value)
            case ast.Name(id=name):
                return self._name(name)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self._term(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _applied(torch.mul, -1.0, self._term(operand))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
                return _applied(OPERATORS[type(op)], self._term(left), self._term(right))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
        raise self._refused(ast.unparse(node))

    def _number(self, value: float) -> float:
        try:
            return float(value)
        except OverflowError:
            return math.inf

    def _name(self, name: str) -> Term:
        if name in VARIABLES:
            return _first if name == "x" else _second
        if name not in CONSTANTS:
            raise self._refused(name)
        return CONSTANTS[name]

    def _call(self, name: str, arguments: list[ast.expr]) -> Term:
        if name not in FUNCTIONS:
            raise self._refused(f"{name}()")
        wanted = 2 if name in ("max", "min") else 1
        if len(arguments) != wanted:
            given = f"{name}() in the formula {self._text!r} has {len(arguments)} argument{'s' * (len(arguments) != 1)}"
            raise InputError(f"{given}: must have {wanted}. Write it like {name}({', '.join(VARIABLES[:wanted])}).", given=self._text)
        return _applied(FUNCTIONS[name], *map(self._term, arguments))

    def _refused(self, what: str) -> InputError:
        return InputError(f"{what!r} in the formula {self._text!r} is not known. Allowed are {ALLOWED}.", given=self._text)


def _first(x: Tensor, y: Tensor) -> Tensor:
    del y
    return x


def _second(x: Tensor, y: Tensor) -> Tensor:
    del x
    return y


def _applied(operation: Callable[..., Value], *terms: Term) -> Term:
    """An operation on terms; on numbers alone it is done at once, in float64, where 9**9**9 is infinite and takes no time."""
    numbers = [term for term in terms if isinstance(term, float)]
    if len(numbers) == len(terms):
        return float(operation(*(torch.tensor(number, dtype=torch.float64) for number in numbers)))
    takes_numbers = operation in OPERATORS.values()

    def applied(x: Tensor, y: Tensor) -> Value:
        values = [term if isinstance(term, float) else term(x, y) for term in terms]
        if not takes_numbers:
            values = [value if isinstance(value, Tensor) else torch.full_like(x, value) for value in values]
        return operation(*values)

    return applied
