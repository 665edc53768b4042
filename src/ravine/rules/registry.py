"""Names of optimisers: which rule, with which preset, searched over which rates."""

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from ravine.base._checks import number, unknown_name
from ravine.base.errors import InputError
from ravine.rules._rule import Hyper, Rule
from ravine.rules._wrappers import wrapped
from ravine.rules.adabelief import AdaBelief
from ravine.rules.adadelta import Adadelta
from ravine.rules.adafactor import Adafactor
from ravine.rules.adagrad import Adagrad
from ravine.rules.adam import Adam
from ravine.rules.adamax import Adamax
from ravine.rules.adamw import AdamW
from ravine.rules.adan import Adan
from ravine.rules.ademamix import AdEMAMix
from ravine.rules.adopt import ADOPT
from ravine.rules.dadaptation import DAdaptAdam
from ravine.rules.lamb import LAMB
from ravine.rules.lars import LARS
from ravine.rules.lion import Lion
from ravine.rules.muon import Muon
from ravine.rules.nadam import NAdam
from ravine.rules.prodigy import Prodigy
from ravine.rules.radam import RAdam
from ravine.rules.rmsprop import RMSprop
from ravine.rules.schedule_free import AdamWScheduleFree, SGDScheduleFree
from ravine.rules.sgd import SGD
from ravine.rules.shampoo import Shampoo
from ravine.rules.soap import SOAP
from ravine.rules.softadam import SoftAdam
from ravine.rules.sophia import SophiaG, SophiaH


@dataclass(frozen=True, slots=True)
class Entry:
    """One registry name.

    Attributes:
        name: registry name.
        rule: the rule class.
        search_lr: centre of the learning-rate search, this optimiser's own scale.
        summary: one line for people.
        hypers: defaults that differ from the rule's own, by symbol.
        flags: flags that differ from the rule's own.
    """

    name: str
    rule: type[Rule]
    search_lr: float
    summary: str
    hypers: Mapping[str, float] = field(default_factory=dict)
    flags: Mapping[str, bool] = field(default_factory=dict)

    @property
    def defaults(self) -> dict[str, float]:
        """Every hyper's default under this name, by symbol."""
        return {hyper.symbol: hyper.default for hyper in self.rule.hypers} | dict(self.hypers)

    def grid(self, points: int = 12) -> tuple[float, ...]:
        """Half-decade learning rates around `search_lr`: from 3 decades below upwards, ascending."""
        first = round(2 * math.log10(self.search_lr)) - 6
        return tuple(10.0 ** (exponent / 2) for exponent in range(first, first + points))


_ENTRIES = (
    Entry("sgd", SGD, 1e-1, "plain stochastic gradient descent"),
    Entry("momentum", SGD, 1e-2, "SGD with heavy-ball momentum 0.9", {"momentum": 0.9}),
    Entry("nesterov", SGD, 1e-2, "SGD with Nesterov momentum 0.9", {"momentum": 0.9}, {"nesterov": True}),
    Entry("adagrad", Adagrad, 1e-2, "rates fall with each coordinate's summed squared gradients"),
    Entry("rmsprop", RMSprop, 1e-3, "gradient over its running root mean square"),
    Entry("adam", Adam, 1e-3, "bias-corrected first moment over root of the second"),
    Entry("adamw", AdamW, 1e-3, "Adam with decoupled weight decay 0.01"),
    Entry("lion", Lion, 1e-4, "sign of an interpolated momentum"),
    # 5e-3 is SGD's usual 5e-4 times the 1 / (1 - 0.9) by which the buffer multiplies a coupled term.
    Entry("sgdw", SGD, 1e-2, "momentum with decoupled weight decay 0.005", {"momentum": 0.9, "l2": 5e-3}, {"decoupled": True}),
    Entry(
        "rmsprop_tf",
        RMSprop,
        1e-3,  # as rmsprop: the forms differ in their first steps and near gradients of 0
        "RMSprop as in TensorFlow 1: eps under the root, a start at 1",
        {"alpha": 0.9, "eps": 1e-10},
        {"eps_inside": True, "ones": True, "lr_in_momentum": True},
    ),
    # The paper has no rate, which is 1; torch's default.
    Entry("adadelta", Adadelta, 1.0, "gradient in units of past changes over past gradients"),
    # The half-decade next to the paper's 2e-3.
    Entry("adamax", Adamax, 10**-2.5, "Adam with the largest recent gradient for the root mean square"),
    # Steps of Adam's size: Adam's rate, for the next three as well.
    Entry("amsgrad", Adam, 1e-3, "Adam that divides by its largest second moment", flags={"amsgrad": True}),
    Entry("nadam", NAdam, 1e-3, "Adam with Nesterov's momentum, warmed up"),
    Entry("radam", RAdam, 1e-3, "Adam with its first steps rectified"),
    # The paper's and the code's default.
    Entry("adabelief", AdaBelief, 1e-3, "Adam that divides by the gradient's deviation from its mean"),
    # The authors advise 5 to 10 times Adam's rate; their code's default is 1e-3.
    Entry("adan", Adan, 10**-2.5, "Nesterov momentum from the running change of the gradient"),
    # The authors' default, and AdamW's.
    Entry("ademamix", AdEMAMix, 1e-3, "AdamW with a second, slow momentum"),
    # The authors' default.
    Entry("adopt", ADOPT, 1e-3, "Adam that normalises by what it knew before the gradient"),
    # The authors' default: with eta = 1 its rates are SGD's.
    Entry("softadam", SoftAdam, 1e-1, "between SGD with momentum and Adam", flags={"nesterov": True}),
    # The rate is the share of a tensor's norm that a step moves: a hundredth, as for Adafactor.
    Entry("lamb", LAMB, 1e-2, "Adam's step at a share of each tensor's own norm"),
    # A step of rate 1 moves a thousandth of a tensor's norm, which momentum makes a hundredth.
    Entry("lars", LARS, 1.0, "SGD with momentum and a rate of each tensor's own"),
    # The paper's 1e-2, the share of the weights' size that a step moves at most.
    Entry("adafactor", Adafactor, 1e-2, "second moments of matrices from their rows and columns alone"),
    # Moonlight's scale makes steps as long as AdamW's, so AdamW's rate serves both branches; decay as AdamW's default.
    Entry("muon", Muon, 1e-3, "orthogonalised momentum for matrices, AdamW for the rest", {"weight_decay": 1e-2}, {"moonlight": True}),
    # The authors' default is 3e-3.
    Entry("soap", SOAP, 10**-2.5, "Adam in the eigenbases of Shampoo"),
    # Steps shrink as Adagrad's do, but one singular vector, not every coordinate, has length 1: its default is ten times Adagrad's.
    Entry("shampoo", Shampoo, 1e-1, "gradient times inverse roots of its statistics along every axis"),
    # The rate is a factor on what is estimated, and 1 is the method.
    Entry("dadapt_adam", DAdaptAdam, 1.0, "Adam that estimates its rate from below"),
    Entry("prodigy", Prodigy, 1.0, "Adam that estimates its rate, weighing late gradients more"),
    # 10 times SGD's 0.1, and the half-decade of their code's 2.5e-3: the authors advise 10 to 50 times SGD's, 1 to 10 times AdamW's.
    Entry("schedule_free_sgd", SGDScheduleFree, 1.0, "SGD averaged while it runs, in place of a schedule"),
    Entry("schedule_free_adamw", AdamWScheduleFree, 10**-2.5, "AdamW averaged while it runs, in place of a schedule"),
    # The authors' script has 3e-4 and 6e-4 for its two larger models; the longest step of a coordinate, as for Lion.
    Entry("sophia_g", SophiaG, 10**-3.5, "momentum over curvature from labels that the model draws"),
    Entry("sophia_h", SophiaH, 10**-3.5, "momentum over curvature from Hessian products"),
)

REGISTRY: Mapping[str, Entry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""Every registered optimiser by name."""


def names() -> tuple[str, ...]:
    """Registry names, simplest first."""
    return tuple(REGISTRY)


def get(name: str) -> Entry:
    """The entry called `name`, or, for a name such as "adamw+clip+lookahead", its first part's in the wrappers that follow.

    Wrappers (`ravine.rules.WRAPPERS`) stand around the rule in the order of their names, the last one outermost.

    Raises:
        UnknownNameError: no such name; the message offers the nearest ones.
        InputError: a wrapper that cannot stand around what it is to stand around.
    """
    if name in REGISTRY:
        return REGISTRY[name]
    first, *layers = name.split("+") if isinstance(name, str) else [name]
    if first not in REGISTRY:
        raise unknown_name("optimizer", first, REGISTRY)
    return _wrapped_entry(name, first, tuple(layers))


@functools.cache
def _wrapped_entry(name: str, first: str, layers: tuple[str, ...]) -> Entry:
    inner = REGISTRY[first]
    rule = functools.reduce(lambda rule, layer: wrapped(rule, layer, within=name), layers, inner.rule)
    return replace(inner, name=name, rule=rule, summary=f"{inner.summary}; with {', '.join(layers)}")


def check(hyper: Hyper, value: object, *, where: str) -> float:
    """`value` as a float inside the hyper's permitted interval, or `InputError` naming `where`."""
    return number(
        hyper.group_key if hyper.index is None else hyper.symbol,
        value,
        at_least=hyper.low if math.isfinite(hyper.low) else None,
        above=hyper.low if math.isinf(hyper.low) else None,
        below=hyper.high if hyper.open_above or math.isinf(hyper.high) else None,
        at_most=hyper.high if math.isfinite(hyper.high) and not hyper.open_above else None,
        where=where,
        do="Leave it out to use the default." if hyper.symbol != "lr" else "Use such a value, or leave it out.",
    )


def resolve(name: str, settings: Mapping[str, float | bool]) -> tuple[Rule, dict[str, float]]:
    """Turn a name and settings (by symbol or flag name) into a rule with its flags set, and a full set of hypers.

    Raises:
        UnknownNameError: a setting that this optimiser does not have.
        InputError: a value outside its interval.
    """
    entry = get(name)
    hypers = {hyper.symbol: hyper for hyper in entry.rule.hypers}
    switches = {flag.name for flag in entry.rule.flags if not flag.of}
    for setting in settings:
        if setting not in hypers and setting not in switches:
            raise unknown_name(f"setting of {name!r}", setting, [*hypers, *switches])
    given = entry.defaults | dict(settings)
    values = {symbol: check(hyper, given[symbol], where=repr(name)) for symbol, hyper in hypers.items()}
    chosen = {flag: bool(value) for flag, value in (dict(entry.flags) | dict(settings)).items() if flag in switches}
    return with_flags(entry.rule, values, chosen), values


def with_flags(rule: type[Rule], hypers: Mapping[str, float], switches: Mapping[str, bool]) -> Rule:
    """The rule with `switches` set and every flag that follows from a hyper derived.

    Raises:
        InputError: a combination that the rule does not define (Nesterov without momentum).
    """
    derived = {flag.name: hypers[flag.of] != 0 for flag in rule.flags if flag.of in hypers}
    result = rule(**derived, **switches)
    if result.on("corrected_maximum") and not result.on("amsgrad"):
        raise InputError("corrected_maximum=True with amsgrad=False: without AMSGrad there is no maximum. Set amsgrad=True as well.")
    if "dampening" in hypers and result.on("nesterov") and (not result.on("buffered") or hypers["dampening"] != 0):
        given = f"nesterov=True with momentum={hypers['momentum']:g}, dampening={hypers['dampening']:g}"
        raise InputError(f"{given}: Nesterov needs momentum above 0 and dampening 0. Set momentum=0.9 and leave dampening out.")
    return result
