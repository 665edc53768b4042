"""The drop-in classes of rules that look at matrices: Muon, SOAP, Shampoo."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim.optimizer import ParamsT, StateDict

from ravine.base.errors import InputError
from ravine.optim import _settings
from ravine.optim._rule_optimizer import RuleOptimizer
from ravine.rules import muon, shampoo, soap

SCALES = {None: False, "original": False, "match_rms_adamw": True}
"""torch's `adjust_lr_fn` -> `moonlight`."""

NS_STEPS = 5


class Muon(RuleOptimizer):
    """Momentum with its singular values made about 1, for matrices: equations in `ravine.rules.muon.Muon`.

    A model has other parameters, too: `ravine.optim.muon_groups` makes a group of the matrices between its layers, and
    a group for AdamW (`elementwise=True`) of the rest. Several matrices in one weight, such as a fused query, key and
    value, are orthogonalised together; keep them in weights of their own, or stacked with `batched=True`.

    Args:
        params: matrices, named ones, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        weight_decay: decoupled weight decay, multiplied by lr.
        momentum: share of the momentum kept at each step.
        nesterov: look ahead along the momentum.
        ns_coefficients: of the Newton-Schulz iteration.
        eps: added to the Frobenius norm.
        ns_steps: torch's; only 5 is accepted.
        adjust_lr_fn: torch's word for the scale: "match_rms_adamw" is `moonlight`, None and "original" are not.
        moonlight: scale steps to AdamW's usual root mean square, so that AdamW's rates and decays fit.
        elementwise: take AdamW, for a group of what is not a matrix.
        adam_lr_ratio: AdamW's rate over lr.
        adam_betas: AdamW's shares of the moments kept at each step.
        adam_eps: added to the root of AdamW's second moment.
        batched: take the last two dimensions for matrices and those before for a batch; else the first is rows, the rest columns.
        corrected: correct the momentum's bias, as optax does.
        eps_floor: keep the norm above eps instead of adding eps, as torch does.
        half_precision: multiply in bfloat16 everywhere; by default on accelerators only.
        full_precision: never multiply in bfloat16.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "stacked" or "compiled".

    Raises:
        InputError: a parameter with fewer than two dimensions outside a group for AdamW.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.zeros(2, 2))
        >>> optimizer = Muon([weight], lr=1.0)
        >>> (5.0 * weight).sum().backward()
        >>> optimizer.step()
        >>> torch.linalg.matrix_rank(weight).item(), 0.6 < torch.linalg.matrix_norm(weight, 2).item() < 1.2
        (1, True)
    """

    rule = muon.Muon
    _takes_vectors = False

    def __init__(  # noqa: PLR0917 - torch's positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = NS_STEPS,
        adjust_lr_fn: str | None = None,
        *,
        moonlight: bool = False,
        elementwise: bool = False,
        adam_lr_ratio: float = 1.0,
        adam_betas: tuple[float, float] = (0.9, 0.95),
        adam_eps: float = 1e-10,
        batched: bool = False,
        corrected: bool = False,
        eps_floor: bool = False,
        half_precision: bool = False,
        full_precision: bool = False,
        maximize: bool = False,
        driver: str = "auto",
    ) -> None:
        settings: dict[str, Any] = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "eps": eps}
        settings |= {"ns_coefficients": ns_coefficients}
        settings |= {"adam_lr_ratio": adam_lr_ratio, "adam_betas": adam_betas, "adam_eps": adam_eps}
        settings |= {"moonlight": _is_moonlight(adjust_lr_fn, ns_steps) or moonlight, "elementwise": elementwise, "nesterov": nesterov}
        settings |= {"batched": batched, "corrected": corrected, "eps_floor": eps_floor}
        settings |= {"half_precision": half_precision, "full_precision": full_precision}
        super().__init__(params, settings, maximize=maximize, driver=driver)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """See `RuleOptimizer.add_param_group`.

        Args:
            param_group: of matrices, or with `elementwise=True` of anything.

        Raises:
            InputError: also for a parameter with fewer than two dimensions in a group of matrices.
        """
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        for position, param in enumerate(group["params"]):
            if param.ndim < 2 and not group["elementwise"] and not self._takes_vectors:
                place = _settings.place_of(group, len(self.param_groups) - 1, position)
                self.param_groups.pop()
                allowed = "Muon takes at least two dimensions, unless the group has elementwise=True, which is AdamW"
                remedy = "Use Muon(ravine.optim.muon_groups(model)) to have both groups made."
                raise InputError(f"{place} has shape {tuple(param.shape)}: {allowed}. {remedy}", given=tuple(param.shape))

    def state_dict(self) -> StateDict:
        """Settings and state; torch's names for the scale and the iterations besides ours."""
        saved = super().state_dict()
        for group in saved["param_groups"]:
            group |= {"adjust_lr_fn": "match_rms_adamw" if group["moonlight"] else None, "ns_steps": NS_STEPS}
        return saved

    def load_state_dict(self, state_dict: StateDict) -> None:
        """See `RuleOptimizer.load_state_dict`; what torch's groups lack takes this optimizer's defaults."""
        super().load_state_dict({**state_dict, "param_groups": [self._ours(group) for group in state_dict["param_groups"]]})

    def _ours(self, group: Mapping[str, Any]) -> dict[str, Any]:
        if "adjust_lr_fn" not in group:
            return dict(group)
        kept = {key: value for key, value in group.items() if key not in ("adjust_lr_fn", "ns_steps")}
        missing = {key: self.defaults[key] for key in ("adam_lr_ratio", "adam_betas", "adam_eps")}
        return {"moonlight": _is_moonlight(group["adjust_lr_fn"], group.get("ns_steps", NS_STEPS)), **missing, **kept}


def _is_moonlight(adjust_lr_fn: str | None, ns_steps: int) -> bool:
    """Torch's two settings, refused where ravine has no such form."""
    if adjust_lr_fn not in SCALES:
        raise InputError(f"adjust_lr_fn={adjust_lr_fn!r} for Muon: must be None, 'original' or 'match_rms_adamw'.", given=adjust_lr_fn)
    if ns_steps != NS_STEPS:
        raise InputError(f"ns_steps={ns_steps!r} for Muon: only {NS_STEPS} is allowed. Leave it out.", given=ns_steps)
    return SCALES[adjust_lr_fn]


class SOAP(RuleOptimizer):
    """Adam in the eigenbases of Shampoo's statistics: equations and limits in `ravine.rules.soap.SOAP`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        betas: shares of the moments kept at each step.
        shampoo_beta: share of the statistics kept at each step; the second of `betas` if negative.
        eps: added to the root of the second moment.
        weight_decay: decoupled weight decay, multiplied by lr.
        precondition_frequency: steps between two turns of the eigenbases.
        normalize_grads: give every step the same root mean square.
        uncorrected: leave the moments' bias as it is.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "stacked" or "compiled".

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.zeros(3, 2))
        >>> optimizer = SOAP([weight])
        >>> weight.sum().backward()
        >>> optimizer.step()  # which only sets the bases
        >>> optimizer.state[weight]["basis_0"].shape, weight.abs().max().item()
        (torch.Size([3, 3]), 0.0)
    """

    rule = soap.SOAP

    def __init__(  # noqa: PLR0917 - the authors' positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 3e-3,
        betas: tuple[float, float] = (0.95, 0.95),
        shampoo_beta: float = -1.0,
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        precondition_frequency: int = 10,
        *,
        normalize_grads: bool = False,
        uncorrected: bool = False,
        maximize: bool = False,
        driver: str = "auto",
    ) -> None:
        settings = {"lr": lr, "betas": betas, "shampoo_beta": shampoo_beta, "eps": eps, "weight_decay": weight_decay}
        settings |= {"precondition_frequency": precondition_frequency, "normalize_grads": normalize_grads, "uncorrected": uncorrected}
        super().__init__(params, settings, maximize=maximize, driver=driver)


class Shampoo(RuleOptimizer):
    """The gradient times roots of its summed statistics: equations and limits in `ravine.rules.shampoo.Shampoo`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        momentum: share of the buffer kept at each step.
        weight_decay: L2 coefficient, added to the gradient.
        eps: added to the eigenvalues of the statistics.
        precondition_frequency: steps between two computations of the roots.
        beta2: share of the statistics kept at each step; 1 sums them.
        exponent_override: inverse of the power; 0 for twice the number of axes.
        grafted: give a tensor's step the norm of its gradient.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "stacked" or "compiled".

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.zeros(2, 2))
        >>> weight.grad = torch.tensor([[4.0, 0.0], [0.0, 1.0]])
        >>> Shampoo([weight], lr=1.0, eps=0.0).step()
        >>> [round(value, 4) for value in weight.diagonal().tolist()]
        [-1.0, -1.0]
    """

    rule = shampoo.Shampoo

    def __init__(  # noqa: PLR0917 - the positional order that is usual for it
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-1,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        eps: float = 1e-4,
        precondition_frequency: int = 1,
        *,
        beta2: float = 1.0,
        exponent_override: float = 0.0,
        grafted: bool = False,
        maximize: bool = False,
        driver: str = "auto",
    ) -> None:
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "eps": eps, "beta2": beta2, "grafted": grafted}
        settings |= {"precondition_frequency": precondition_frequency, "exponent_override": exponent_override}
        super().__init__(params, settings, maximize=maximize, driver=driver)
