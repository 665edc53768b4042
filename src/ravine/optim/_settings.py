"""Settings of a parameter group, under torch's names, checked when given and read as a rule's hypers at every step."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from ravine.base._checks import number, unknown_name
from ravine.base.errors import InputError
from ravine.optim import _storage
from ravine.optim._drivers import DRIVERS
from ravine.rules._rule import Hyper, Rule
from ravine.rules._step import Symbols
from ravine.rules.registry import check, with_flags

TORCH_SWITCHES = ("foreach", "fused", "capturable", "differentiable", "decoupled_weight_decay")
"""Keys of torch's own param groups that say how torch computes; ours say `driver`."""


LR_SCALE = "lr_scale"
"""Key of a param group, for every class: its rate is `lr * lr_scale`. Schedulers act on `lr` and leave it alone."""


CAPTURABLE = "capturable"
"""The driver of torch's `capturable=True`: nothing of a step is read by the host, so that a CUDA graph can hold it."""


def switches(rule: type[Rule]) -> tuple[str, ...]:
    """Flags that a person sets; the others follow from hypers."""
    return tuple(flag.name for flag in rule.flags if not flag.of)


def known_keys(rule: type[Rule]) -> list[str]:
    """Every key of a param group that has a meaning for `rule`."""
    hypers = dict.fromkeys(hyper.group_key for hyper in rule.hypers)
    return [*hypers, *switches(rule), "maximize", "driver", *_storage.DEFAULTS]


def defaults(rule: type[Rule], given: Mapping[str, float]) -> dict[str, Any]:
    """Hypers by symbol as settings by torch's keys, pairs such as `betas` as tuples; the rule's defaults fill the rest."""
    settings: dict[str, Any] = {}
    for hyper in rule.hypers:
        value = given.get(hyper.symbol, hyper.default)
        settings[hyper.group_key] = value if hyper.index is None else (*settings.get(hyper.group_key, ()), value)
    return settings


def read(rule: type[Rule], group: Mapping[str, Any]) -> dict[str, float]:
    """Every hyper of a group by symbol; one-element tensors are read now, never remembered. The rate is scaled (`LR_SCALE`)."""
    hypers = {hyper.symbol: float(_value(hyper, group)) for hyper in rule.hypers}
    return hypers | {"lr": hypers["lr"] * float(group.get(LR_SCALE, 1.0))}


def read_unseen(rule: type[Rule], group: Mapping[str, Any]) -> dict[str, Any]:
    """Every hyper of a group by symbol and the peak rate, tensors as tensors: their values are not looked at."""
    hypers = {hyper.symbol: _value(hyper, group) for hyper in rule.hypers}
    scale = group.get(LR_SCALE, 1.0)
    return hypers | {"lr": hypers["lr"] * scale, "peak_lr": group.get("initial_lr", group["lr"]) * scale}


def check_capturable(rule: type[Rule], group: Mapping[str, Any], *, where: str) -> None:
    """Refuse the capturable driver where a step cannot do without the host.

    Raises:
        InputError: with `where` in its message.
    """
    if group["driver"] != CAPTURABLE:
        return
    reason = ""
    if not rule_of(rule, group, read(rule, group)).is_plain:
        reason = f"{rule.name} decides on the host what a step does"
    elif _storage.Storage.of(group) != _storage.Storage():
        reason = "state and weights are kept in other formats than the arithmetic's"
    else:
        try:
            t = torch.ones((), dtype=torch.float64)
            rule_of(rule, group, read(rule, group)).scalars(Symbols(**read(rule, group), peak_lr=peak_rate(group)), t)
        except TypeError as error:
            reason = str(error)
    if reason:
        allowed = f"must be one of 'auto', {', '.join(repr(name) for name in DRIVERS if name != CAPTURABLE)}"
        raise InputError(f"driver='capturable' for {where}: {allowed}, for {reason}. Leave capturable out.", given=CAPTURABLE)


def peak_rate(group: Mapping[str, Any]) -> float:
    """A group's rate before any schedule, scaled: what a scheduler of torch remembers, or the rate itself."""
    return float(group.get("initial_lr", group["lr"])) * float(group.get(LR_SCALE, 1.0))


def rule_of(rule: type[Rule], group: Mapping[str, Any], hypers: Mapping[str, float]) -> Rule:
    """The rule with its flags as the group has them now."""
    return with_flags(rule, hypers, {name: bool(group[name]) for name in switches(rule)})


def check_group(rule: type[Rule], group: Mapping[str, Any], *, where: str) -> None:
    """Refuse values outside their interval.

    Raises:
        InputError: with `where` in its message.
    """
    for hyper in rule.hypers:
        check(hyper, _one_number(hyper, rule, group, where), where=where)
    for name in (*switches(rule), "maximize"):
        if not isinstance(group[name], bool):
            raise InputError(f"{name}={group[name]!r} for {where}: must be True or False.", given=group[name])
    check_driver(group["driver"])
    _storage.check(group, where=where)
    if LR_SCALE in group:
        number(LR_SCALE, group[LR_SCALE], at_least=0.0, below=float("inf"), where=where, do="Leave it out for 1.")
    rule_of(rule, group, read(rule, group))
    check_capturable(rule, group, where=where)


def refuse_misspelt(rule: type[Rule], keys: Iterable[str], *, where: str) -> None:
    """Refuse keys that a slip of the finger turns into a setting of `rule`.

    Every other key is the user's own, or a scheduler's (`initial_lr`, `max_momentum`), and stays: a name that holds a
    setting's whole name before or after an underscore is never a slip.

    Raises:
        UnknownNameError: naming `where` and the key, with the setting that was meant.
    """
    known = [*known_keys(rule), LR_SCALE]
    for key in keys:
        if key not in (*known, "params", "param_names") and any(_is_slip(key, name) for name in known):
            raise unknown_name(f"setting of {where}", key, known)


def is_by_schedule(decoupled: object, where: str) -> bool:
    """AdamW's `decoupled` as the rule's flag.

    Raises:
        InputError: neither word, with `where` in its message.
    """
    if decoupled not in ("lr", "schedule"):
        allowed = "must be 'lr', as in torch, or 'schedule', for a decay that the rate does not multiply"
        raise InputError(f"decoupled={decoupled!r} for {where}: {allowed}. Leave it out for 'lr'.", given=decoupled)
    return decoupled == "schedule"


def by_schedule_as_word(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the rule's flag, where it is there, as `decoupled`.

    Raises:
        InputError: both are given, or the flag is not a truth value.
    """
    kept = {key: value for key, value in settings.items() if key != "schedule_decay"}
    if "schedule_decay" not in settings:
        return kept
    flag = settings["schedule_decay"]
    if "decoupled" in settings or not isinstance(flag, bool):
        remedy = "Give only decoupled='lr' or decoupled='schedule'."
        raise InputError(f"schedule_decay={flag!r} for 'adamw': must be True or False, and without decoupled. {remedy}", given=flag)
    return kept | {"decoupled": "schedule" if flag else "lr"}


def check_driver(name: object) -> None:
    """Refuse a driver that does not exist."""
    if name not in ("auto", *DRIVERS):
        raise unknown_name("driver", str(name), ("auto", *DRIVERS))


def choose_driver(
    driver: str,
    *,
    foreach: bool | None = None,
    fused: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
) -> str:
    """Torch's switches as the name of a driver; those that ravine cannot honour are refused, not ignored."""
    if differentiable:
        remedy = "Use the class of torch.optim for that."
        raise InputError(f"differentiable=True: ravine has no such form of the step, only False is allowed. {remedy}", given=True)
    named = {"capturable": CAPTURABLE if capturable else "", "fused": "native" if fused else ""}
    named["foreach"] = "" if foreach is None else "foreach" if foreach else "per_tensor"
    meant = {name: driver for name, driver in named.items() if driver and not (name == "foreach" and not foreach and capturable)}
    if len(meant) > 1:
        given = " and ".join(f"{name}=True" for name in meant)
        raise InputError(f"{given}: two answers to one question. Give only one of them.", given=tuple(meant))
    for name, other in meant.items():
        if driver not in ("auto", other):
            value = True if name != "foreach" else foreach
            raise InputError(f"driver={driver!r} and {name}={value!r}: two answers to one question. Give only driver.", given=driver)
        return other
    return driver


def refuse_unknown(kind: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Raise for the first setting of `given` that is not `known`, offering the nearest.

    Raises:
        UnknownNameError: naming `kind` and the setting.
    """
    choices = list(known)
    for name in given:
        if name not in choices:
            raise unknown_name(f"setting of {kind}", name, choices)


def _is_slip(key: str, name: str) -> bool:
    if key[:1] != name[:1] or key.startswith(f"{name}_") or key.endswith(f"_{name}"):
        return False
    # Two slips in a name of two or three letters leave nothing of it.
    return _edit_distance(key, name) <= (2 if len(name) > 4 else 1)


def _edit_distance(first: str, second: str) -> int:
    """Letters to insert, delete or replace to turn one text into the other (Levenshtein 1966)."""
    row = list(range(len(second) + 1))
    for place, letter in enumerate(first, 1):
        above, row = row, [place]
        for index, other in enumerate(second):
            row.append(min(row[-1] + 1, above[index + 1] + 1, above[index] + (letter != other)))
    return row[-1]


def _value(hyper: Hyper, group: Mapping[str, Any]) -> Any:
    value = group[hyper.group_key]
    return value if hyper.index is None else value[hyper.index]


def _one_number(hyper: Hyper, rule: type[Rule], group: Mapping[str, Any], where: str) -> Any:
    """The hyper's value, with its container's length and its own size checked."""
    value = group[hyper.group_key]
    usual = defaults(rule, {})[hyper.group_key]
    if hyper.index is not None and (not isinstance(value, (tuple, list)) or len(value) != len(usual)):
        size = "a pair of numbers" if len(usual) == 2 else f"{len(usual)} numbers"
        raise InputError(f"{hyper.group_key}={value!r} for {where}: must be {size}, such as {usual}.", given=value)
    value = _value(hyper, group)
    if isinstance(value, Tensor) and value.numel() != 1:
        size = f"a tensor of shape {tuple(value.shape)}"
        raise InputError(f"{hyper.group_key} for {where} is {size}: must be a number or a tensor with one element.", given=value)
    if isinstance(value, (str, bool)):
        raise InputError(f"{hyper.group_key}={value!r} for {where}: must be a number. Give one such as {hyper.default:g}.", given=value)
    return value


def check_params(params: Any, index: int) -> None:
    """Refuse parameters of a group that are complex, not floating or given twice.

    Raises:
        InputError: saying which.
    """
    seen: set[int] = set()
    for position, entry in enumerate([params] if isinstance(params, Tensor) else params):
        name, tensor = entry if isinstance(entry, tuple) else (position, entry)
        if not isinstance(tensor, Tensor):
            return  # torch's own TypeError says it
        place = f"parameter {name!r} of group {index}"
        if not tensor.dtype.is_floating_point:
            remedy = "Use torch.view_as_real for complex numbers." if tensor.is_complex() else "Convert it with .float()."
            raise InputError(f"{place} is {tensor.dtype}: must be real and floating. {remedy}", given=tensor.dtype)
        if id(tensor) in seen:
            raise InputError(f"{place} is listed twice: every parameter may appear once. Remove one of the two.")
        seen.add(id(tensor))


def place_of(group: Mapping[str, Any], index: int, position: int) -> str:
    """How an error calls a parameter."""
    names = group.get("param_names")
    return f"parameter {repr(names[position]) if names else position} of group {index}"


def with_gradient(group: Mapping[str, Any], index: int) -> Iterator[Tensor]:
    """Parameters of a group that have a gradient.

    Raises:
        InputError: a gradient is sparse.
    """
    for position, param in enumerate(group["params"]):
        if param.grad is None:
            continue
        if param.grad.layout != torch.strided:
            place = place_of(group, index, position)
            remedy = "Use sparse=False in the embedding, or torch.optim.SparseAdam."
            raise InputError(f"the gradient of {place} is {param.grad.layout}: must be dense. {remedy}", given=param.grad.layout)
        yield param
