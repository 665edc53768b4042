"""Sophia's drop-in classes, and the estimates of curvature that they take: squared gradients and Hessian products."""

from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from typing import Any, ClassVar, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ravine.base.errors import InputError
from ravine.optim import _settings
from ravine.optim._rule_optimizer import Batch, RuleOptimizer
from ravine.optim._storage import StateOptions
from ravine.rules import sophia
from ravine.rules._rule import Rule, State

CURVATURE = "curvature"
"""State key under which an estimate waits for the next step, and the rule's name for it."""


def sampled_cross_entropy(logits: Tensor, *, classes: int = 1, generator: torch.Generator | None = None) -> Tensor:
    """The mean cross-entropy of class scores on labels drawn from them: the loss whose gradient `SophiaG` squares.

    Args:
        logits: class scores, of any shape.
        classes: the dimension of the classes; 1 as in torch's losses, -1 for language models.
        generator: what to draw from; torch's own if None.

    Example:
        >>> import torch
        >>> sampled_cross_entropy(torch.tensor([[50.0, 0.0]], requires_grad=True)).item()
        0.0
    """
    scores = logits.movedim(classes, -1).flatten(0, -2)
    with torch.no_grad():
        labels = torch.multinomial(scores.float().softmax(-1), 1, generator=generator)[:, 0]
    return torch.nn.functional.cross_entropy(scores, labels)


class _Sophia(RuleOptimizer):
    """What both forms share: estimates wait in the state until the next step takes them in."""

    remedy: ClassVar[str]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; see `RuleOptimizer.step`.

        Raises:
            InputError: also where a group has gone without any estimate of the curvature for as long as one lasts.
        """
        for index, group in enumerate(self.param_groups):
            if group["estimates"]:
                continue
            steps = max((int(self.state[param].get("step", 0)) for param in group["params"] if param in self.state), default=0)
            if steps >= sophia.SophiaG.interval:
                given = f"{type(self).__name__}, group {index}: {steps} steps without any estimate of the curvature"
                raise InputError(f"{given}: must have one every {sophia.SophiaG.interval} steps or so. {self.remedy}", given=steps)
        return super().step(closure)

    def _take(self, estimates: Iterable[Tensor | None]) -> None:
        """Keep estimates, one a parameter or None, for the next step."""
        with torch.no_grad():
            found = list(estimates)
            params = list(self._places())
            if len(found) != len(params):
                raise InputError(
                    f"{len(found)} tensors for {len(params)} parameters: must be one each, or None, in the order of the groups."
                )
            for (index, position, param), estimate in zip(params, found, strict=True):
                if estimate is None:
                    continue
                if estimate.shape != param.shape:
                    place = _settings.place_of(self.param_groups[index], index, position)
                    given = f"a tensor of shape {tuple(estimate.shape)} for {place}, whose shape is {tuple(param.shape)}"
                    raise InputError(f"{given}: must be equal. Give one a parameter, in the order of the groups.", given=estimate.shape)
                self.state[param][CURVATURE] = estimate.detach().to(torch.promote_types(param.dtype, torch.float32), copy=True)
                self.param_groups[index]["estimates"] += 1

    def _every(self) -> list[Tensor]:
        return [param for group in self.param_groups for param in group["params"]]

    def _batches(self, group: dict[str, Any], params: Sequence[Tensor]) -> Iterator[Batch]:
        for is_new in (False, True):
            alike = [param for param in params if (CURVATURE in self.state.get(param, ())) == is_new]
            for batch in super()._batches(group, alike):
                batch.rule = batch.rule._with(refresh=is_new)
                yield batch

    def _slots(self, rule: Rule, state: MutableMapping[str, Any]) -> State:  # type: ignore[override]  # an estimate is used up
        slots = super()._slots(rule, state)
        return slots | {CURVATURE: state.pop(CURVATURE)} if rule.on("refresh") else slots


class SophiaG(_Sophia):
    """Momentum over curvature by labels that the model draws: equations in `ravine.rules.sophia.SophiaG`.

    Every tenth step or so, before `step`, call `update_curvature(sampled_cross_entropy(model(inputs)))`, or another
    loss on labels drawn from the model's output; never on the true labels.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate, the longest step of a coordinate; a number or a one-element tensor.
        betas: shares of the momentum kept at each step, and of the curvature kept at each estimate.
        rho: factor on the curvature: larger cuts fewer coordinates off.
        weight_decay: share of the weight removed per step and unit of lr.
        bs: predictions (tokens) in the mean that is the loss; the authors' `step(bs=5120)`.
        eps: least value of the scaled curvature.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> model, inputs = torch.nn.Linear(2, 3), torch.ones(8, 2)
        >>> optimizer = SophiaG(model.parameters(), bs=8)
        >>> optimizer.update_curvature(sampled_cross_entropy(model(inputs)))
        >>> torch.nn.functional.cross_entropy(model(inputs), torch.zeros(8, dtype=torch.int64)).backward()
        >>> optimizer.step()
        >>> sorted(optimizer.state[model.weight])
        ['exp_avg', 'hessian', 'step']
    """

    rule = sophia.SophiaG
    remedy = "Call update_curvature(sampled_cross_entropy(model(inputs))) before the step."

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-4,
        betas: tuple[float, float] = (0.965, 0.99),
        rho: float = 0.04,
        weight_decay: float = 0.1,
        *,
        bs: float = 1.0,
        eps: float = 1e-12,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "betas": betas, "rho": rho, "weight_decay": weight_decay, "bs": bs, "eps": eps, "estimates": 0}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)

    def update_curvature(self, loss: Tensor | None = None) -> None:
        """Keep squared gradients of a loss on sampled labels for the next step.

        Args:
            loss: the mean loss on labels drawn from the model's output; gradients in `.grad` stay as they are. Without
                it, the gradients in `.grad` are squared, as after `loss.backward()` under data parallelism.

        Raises:
            InputError: no parameter has a gradient.
        """
        if loss is None:
            gradients: Sequence[Tensor | None] = [param.grad for param in self._every()]
        else:
            gradients = torch.autograd.grad(loss, self._every(), allow_unused=True)
        if all(gradient is None for gradient in gradients):
            raise InputError(
                "no parameter has a gradient to square: call backward() on the loss of sampled labels first, or give the loss."
            )
        self._take(None if gradient is None else gradient * gradient for gradient in gradients)


class SophiaH(_Sophia):
    """Momentum over curvature by Hessian products: equations in `ravine.rules.sophia.SophiaH`.

    Every tenth step or so, before `step`, call `update_curvature(loss)` while the loss still has its graph.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate, the longest step of a coordinate; a number or a one-element tensor.
        betas: shares of the momentum kept at each step, and of the curvature kept at each estimate.
        rho: factor on the curvature: larger cuts fewer coordinates off.
        weight_decay: share of the weight removed per step and unit of lr.
        eps: least value of the scaled curvature.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = SophiaH([weight], lr=0.5, betas=(0.0, 0.5), rho=1.0, weight_decay=0.0)
        >>> loss = (weight**2).sum()
        >>> optimizer.update_curvature(loss)
        >>> loss.backward()
        >>> optimizer.step()
        >>> optimizer.state[weight]["hessian"].tolist()
        [1.0, 1.0]
    """

    rule = sophia.SophiaH
    remedy = "Call update_curvature(loss) before loss.backward()."

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 6e-4,
        betas: tuple[float, float] = (0.96, 0.99),
        rho: float = 0.01,
        weight_decay: float = 0.1,
        *,
        eps: float = 1e-12,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "betas": betas, "rho": rho, "weight_decay": weight_decay, "eps": eps, "estimates": 0}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)

    def update_curvature(
        self,
        loss: Tensor | None = None,
        *,
        products: Sequence[Tensor | None] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Keep an estimate of the Hessian's diagonal for the next step.

        Args:
            loss: with its graph, which stays; differentiated twice along random signs. Gradients in `.grad` stay as
                they are.
            products: u (H u) instead, one tensor a parameter in the order of the groups, for products taken elsewhere.
            generator: what the signs are drawn from; torch's own if None.

        Raises:
            InputError: neither or both are given, no parameter is in the loss, or a shape is not the parameter's.
        """
        if (loss is None) == (products is None):
            given = "neither loss nor products" if loss is None else "both loss and products"
            raise InputError(f"update_curvature got {given}: must be one of them. Give the loss, unless the products were taken elsewhere.")
        if loss is not None:
            found = zip(self._directions(), hutchinson(loss, self._every(), generator), strict=True)
            products = [None if product is None else sign * product for sign, product in found]
        self._take(products or ())

    def _directions(self) -> list[float]:
        """-1 for parameters of groups that climb, whose loss is the negated one, else 1."""
        return [-1.0 if group["maximize"] else 1.0 for group in self.param_groups for _ in group["params"]]


def hutchinson(loss: Tensor, params: Sequence[Tensor], generator: torch.Generator | None = None) -> list[Tensor | None]:
    """An unbiased estimate of the Hessian's diagonal, u (H u) with random signs u; None for parameters that the loss does not use.

    Args:
        loss: with its graph, which stays.
        params: what to differentiate by.
        generator: what the signs are drawn from, on the parameters' device; torch's own if None.

    Raises:
        InputError: the loss uses none of the parameters.
    """
    gradients = torch.autograd.grad(loss, params, create_graph=True, allow_unused=True)
    used = [index for index, gradient in enumerate(gradients) if gradient is not None]
    if not used:
        raise InputError("the loss uses none of the parameters: its curvature cannot be estimated. Give the loss that is minimised.")
    signs = [
        torch.randint(0, 2, params[index].shape, generator=generator, device=params[index].device).to(params[index].dtype) * 2 - 1
        for index in used
    ]
    along = torch.stack([(gradients[index] * sign).sum().to(loss.dtype) for index, sign in zip(used, signs, strict=True)]).sum()
    # A loss that is linear in all its parameters has no curvature, and no graph left to differentiate.
    curved = along.requires_grad
    second = torch.autograd.grad(along, [params[i] for i in used], allow_unused=True, retain_graph=True) if curved else [None] * len(used)
    result: list[Tensor | None] = [None] * len(params)
    for index, sign, product in zip(used, signs, second, strict=True):
        result[index] = torch.zeros_like(params[index]) if product is None else sign * product
    return result
