"""Functions of two numbers on which optimisers are watched: each with its minima, a place to start and a piece to draw."""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import torch

from ravine.base._checks import number, unknown_name
from ravine.base.errors import InputError
from ravine.surfaces.formula import Formula
from ravine.surfaces.minima import HIGHEST, find_minima

Point: TypeAlias = tuple[float, float]
Domain: TypeAlias = tuple[Point, Point]
"""((least x, greatest x), (least y, greatest y))."""

NEAR = 0.01
"""Share of the domain's shorter side: closer to a minimum than that counts as there."""

OWN_DOMAIN: Domain = ((-5.0, 5.0), (-5.0, 5.0))
OWN_START: Point = (-3.0, 2.0)


@dataclass(frozen=True)
class Surface:
    """A function of x and y, and how it is looked at.

    Attributes:
        name: what tables call it; of a formula, its text.
        formula: the function.
        domain: what is drawn.
        minima: of the least height, all of them; empty where there is none.
        start: where paths begin.
        tolerance: distance from a minimum that counts as there.
        source: who described it.
        summary: one line for people.

    Raises:
        InputError: the domain is empty, or height or slope are not finite at the start.

    Example:
        >>> create("rosenbrock").minima, float(create("bowl")([3.0, 4.0]))
        (((1.0, 1.0),), 12.5)
    """

    name: str
    formula: Formula
    domain: Domain
    minima: tuple[Point, ...]
    start: Point
    tolerance: float
    source: str = ""
    summary: str = ""

    def __post_init__(self) -> None:
        for axis, (low, high) in zip("xy", self.domain, strict=True):
            if not (math.isfinite(high - low) and low < high):
                given = f"the domain of {self.name!r} goes from {axis}={low:g} to {axis}={high:g}"
                raise InputError(f"{given}: must ascend and be finite. Give it such as -5,5,-5,5.", given=self.domain)
        number("tolerance", self.tolerance, above=0, below=math.inf, where=repr(self.name))
        x, y = (torch.tensor(float(value), dtype=torch.float64, requires_grad=True) for value in self.start)
        height = self.formula(x, y)
        slopes = torch.autograd.grad(height, (x, y), allow_unused=True, materialize_grads=True)
        known = {"height": height, "slope in x": slopes[0], "slope in y": slopes[1]}
        what = next((name for name, value in known.items() if not value.abs() <= HIGHEST), "")
        if what:
            given = f"{self.name!r} has no finite {what} at its start ({self.start[0]:g}, {self.start[1]:g})"
            raise InputError(f"{given}. Give another start, such as --start 1,1.", given=self.start)

    def __call__(self, positions: Any) -> np.ndarray:
        """Heights, float64 (...), at positions (..., 2); infinite where they are beyond `HIGHEST`."""
        points = torch.as_tensor(np.asarray(positions, dtype=np.float64))
        with torch.no_grad():
            heights = self.formula(points[..., 0], points[..., 1]).numpy()
        return np.where(np.abs(heights) > HIGHEST, np.copysign(np.inf, heights), heights)

    @property
    def floor(self) -> float | None:
        """The height of the minima; None where there is none."""
        return float(self(self.minima[0])) if self.minima else None


def ravine(condition: float = 20.0, angle: float = 0.0) -> Surface:
    """A quadratic ravine: 0.5 (u^2 + condition v^2), its long axis u turned by `angle` degrees."""
    condition = number("condition", condition, at_least=1, below=math.inf, where="'ravine'")
    angle = number("angle", angle, above=-math.inf, below=math.inf, where="'ravine'")
    turned = math.radians(angle)
    c, s = (round(value, 15) + 0.0 for value in (math.cos(turned), math.sin(turned)))
    u, v = ("x", "y") if s == 0 and c == 1 else (f"({c!r}*x + {s!r}*y)", f"({-s!r}*x + {c!r}*y)")
    start = (-4.0 * c - s, -4.0 * s + c)
    tall = max(2.5, 1.25 * abs(start[1]))
    text = f"0.5*({u}**2 + {condition:g}*{v}**2)"
    settings = ",".join([f"condition={condition:g}"] * (condition != 20) + [f"angle={angle:g}"] * (angle != 0))
    name = f"ravine:{settings}" if settings else "ravine"
    domain = ((-5.0, 5.0), (-tall, tall))
    return Surface(name, Formula(text), domain, ((0.0, 0.0),), start, 0.02 * tall, "textbook", "a long quadratic valley with steep sides")


def _plain(name: str, text: str, **rest: Any) -> Callable[[], Surface]:
    """A function without settings; by default around the origin, where its minimum is."""
    domain: Domain = rest.pop("domain", ((-5.0, 5.0), (-5.0, 5.0)))
    tolerance = NEAR * min(high - low for low, high in domain)
    minima = rest.pop("minima", ((0.0, 0.0),))
    return lambda: Surface(name, Formula(text), domain, minima, tolerance=tolerance, **rest)


_HALF_ROOT_3 = math.sqrt(3) / 2
_TANG = -2.9035340277711771

REGISTRY: Mapping[str, Callable[..., Surface]] = MappingProxyType(
    {
        "ravine": ravine,
        "bowl": _plain(
            "bowl",
            "0.5*(x**2 + y**2)",
            start=(-4.0, 2.0),
            source="textbook",
            summary="round: every direction alike",
        ),
        "saddle": _plain(
            "saddle",
            "0.5*x**2 - 0.5*y**2 + 0.25*y**4",
            domain=((-2.0, 2.0), (-2.0, 2.0)),
            minima=((0.0, 1.0), (0.0, -1.0)),
            start=(-1.5, 0.001),
            source="textbook, with y^4 so that there is something to arrive at",
            summary="a pass between two minima; paths start on the way up to it",
        ),
        "monkey_saddle": _plain(
            "monkey_saddle",
            "x**3 - 3*x*y**2 + 0.75*(x**2 + y**2)**2",
            domain=((-1.6, 1.6), (-1.6, 1.6)),
            minima=((-1.0, 0.0), (0.5, _HALF_ROOT_3), (0.5, -_HALF_ROOT_3)),
            start=(1.0, 0.02),
            source="textbook, with r^4 so that there is something to arrive at",
            summary="a flat pass between three minima: the curvature vanishes as well",
        ),
        "plateau": _plain(
            "plateau",
            "1 - exp(-0.5*(x**2 + y**2))",
            start=(-3.0, 1.2),
            source="textbook",
            summary="almost flat away from its one hole",
        ),
        "rosenbrock": _plain(
            "rosenbrock",
            "(1 - x)**2 + 100*(y - x**2)**2",
            domain=((-2.0, 2.0), (-1.0, 3.0)),
            minima=((1.0, 1.0),),
            start=(-1.2, 1.0),
            source="Rosenbrock (1960), An automatic method for finding the greatest or least value of a function",
            summary="a curved valley with a nearly flat floor",
        ),
        "beale": _plain(
            "beale",
            "(1.5 - x + x*y)**2 + (2.25 - x + x*y**2)**2 + (2.625 - x + x*y**3)**2",
            domain=((-1.0, 4.5), (-2.5, 2.5)),
            minima=((3.0, 0.5),),
            start=(1.0, 1.5),
            source="Beale (1958), On an iterative method for finding a local minimum of a function of more than one variable",
            summary="flat in the middle, with walls that rise as the eighth power",
        ),
        "himmelblau": _plain(
            "himmelblau",
            "(x**2 + y - 11)**2 + (x + y**2 - 7)**2",
            minima=(
                (3.0, 2.0),
                (-2.805118086952745, 3.131312518250573),
                (-3.779310253377747, -3.283185991286170),
                (3.584428340330492, -1.848126526964404),
            ),
            start=(0.0, 0.0),
            source="Himmelblau (1972), Applied Nonlinear Programming",
            summary="four minima, all equally deep",
        ),
        "rastrigin": _plain(
            "rastrigin",
            "20 + x**2 - 10*cos(2*pi*x) + y**2 - 10*cos(2*pi*y)",
            start=(-3.4, 2.3),
            source="Rastrigin (1974), Systems of extremal control",
            summary="a bowl with a dent at every whole number",
        ),
        "ackley": _plain(
            "ackley",
            "20 + e - 20*exp(-0.2*sqrt(0.5*(x**2 + y**2))) - exp(0.5*(cos(2*pi*x) + cos(2*pi*y)))",
            start=(-3.4, 2.3),
            source="Ackley (1987), A Connectionist Machine for Genetic Hillclimbing",
            summary="dents around a funnel whose tip has no slope of its own",
        ),
        "styblinski_tang": _plain(
            "styblinski_tang",
            "0.5*(x**4 - 16*x**2 + 5*x + y**4 - 16*y**2 + 5*y)",
            minima=((_TANG, _TANG),),
            start=(4.0, -1.0),
            source="Styblinski and Tang (1990), Experiments in nonconvex optimization",
            summary="four hollows, one of them the deepest",
        ),
    }
)
"""Every function by its name; called, it makes the surface."""


def names() -> tuple[str, ...]:
    """Names of the functions, simplest first."""
    return tuple(REGISTRY)


def create(text: str, *, start: Point | None = None, domain: Domain | None = None, **settings: Any) -> Surface:
    """The surface that a text names.

    Args:
        text: one of `names()`, with settings such as "ravine:condition=100,angle=30", or a formula in x and y.
        start: where paths begin; the surface's own place if None.
        domain: what is drawn, and where minima of a formula are looked for.
        settings: the same as those in the text.

    Raises:
        UnknownNameError: no such function or setting; the message offers the nearest ones.
        InputError: the formula cannot be read, or is not finite at the start.
    """
    if not isinstance(text, str):
        raise InputError(f"{text!r} is no surface: must be text. Give one of {', '.join(names())}, or a formula in x and y.", given=text)
    name, colon, rest = (part.strip() for part in text.partition(":"))
    name = name.replace("-", "_") if name.replace("-", "_") in REGISTRY else name
    if name not in REGISTRY and not colon and re.search(r"\b[xy]\b", text):
        return _from_formula(text, start, domain, settings)
    if name not in REGISTRY:
        raise unknown_name("surface", name, REGISTRY, do='A formula of your own holds x and y, such as "x**2 + 3*y**2".')
    given = _settings(name, rest, text) | settings
    for key in given:
        if REGISTRY[name] is not ravine:
            raise InputError(f"{key}={given[key]!r} for {name!r}: this surface has no settings. Leave it out.", given=text)
        if key not in ("condition", "angle"):
            raise unknown_name(f"setting of {name!r}", key, ("condition", "angle"))
    return _placed(REGISTRY[name](**given), start, domain)


def _settings(name: str, rest: str, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, rest.split(",")):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value or key in found:
            problem = "is given twice" if key in found else "must be NAME=VALUE"
            raise InputError(f"{part!r} in {text!r}: {problem}. Write it like {name}:condition=100,angle=30.", given=text)
        found[key] = value
    return found


def _from_formula(text: str, start: Point | None, domain: Domain | None, settings: Mapping[str, Any]) -> Surface:
    if settings:
        key = next(iter(settings))
        raise InputError(f"{key}={settings[key]!r}: a formula has no settings. Leave it out.", given=settings[key])
    formula, piece = Formula(text), domain or OWN_DOMAIN
    tolerance = NEAR * min(high - low for low, high in piece)
    bare = Surface(text.strip(), formula, piece, (), start or OWN_START, max(tolerance, 1e-300), "your own", "a formula of your own")
    return _replaced(bare, minima=find_minima(formula, piece))


def _placed(surface: Surface, start: Point | None, domain: Domain | None) -> Surface:
    changes: dict[str, Any] = {"start": start} if start is not None else {}
    return _replaced(surface, **changes, **({"domain": domain} if domain is not None else {}))


def _replaced(surface: Surface, **changes: Any) -> Surface:
    return dataclasses.replace(surface, **changes) if changes else surface
