"""The drop-in classes of Adam's relatives that `torch.optim` has not: AdaBelief, Adan, AdEMAMix, ADOPT, SoftAdam."""

from typing import Unpack

from torch import Tensor
from torch.optim.optimizer import ParamsT

from ravine.optim._rule_optimizer import RuleOptimizer
from ravine.optim._storage import StateOptions
from ravine.rules import adabelief, adan, ademamix, adopt, softadam


class AdaBelief(RuleOptimizer):
    """Adam that divides by the gradient's deviation from its mean: equations in `ravine.rules.adabelief.AdaBelief`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        betas: shares of the first moment and of the variance kept at each step.
        eps: added to the variance at each step, and to its root.
        weight_decay: share of the weight removed per step and unit of lr.
        rectify: scale the first steps as RAdam does; the authors' code does.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = AdaBelief([weight], lr=0.25, betas=(0.5, 0.999))
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = adabelief.AdaBelief

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-16,
        weight_decay: float = 0.0,
        *,
        rectify: bool = False,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "rectify": rectify}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class Adan(RuleOptimizer):
    """Nesterov momentum from the running change of the gradient: equations in `ravine.rules.adan.Adan`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate, up to 10 times Adam's; a number or a one-element tensor.
        betas: shares of the first moment, the mean change and the second moment kept at each step.
        eps: added to the root of the second moment.
        weight_decay: share of the weight removed per step and unit of lr.
        no_prox: shrink the weights as AdamW does instead of dividing them.
        uncorrected: start the means at their first values, as the paper does, instead of correcting for zero.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = Adan([weight], lr=0.5)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = adan.Adan

    def __init__(  # noqa: PLR0917 - the authors' positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float, float] = (0.98, 0.92, 0.99),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        no_prox: bool = False,
        *,
        uncorrected: bool = False,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "no_prox": no_prox, "uncorrected": uncorrected}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class AdEMAMix(RuleOptimizer):
    """AdamW with a second, slow momentum: equations in `ravine.rules.ademamix.AdEMAMix`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        betas: shares of the fast mean, the second moment and the slow mean kept at each step.
        alpha: weight of the slow mean.
        t_beta3: steps over which betas[2] rises from betas[0]; 0 for none.
        t_alpha: steps over which alpha rises from 0; 0 for none.
        eps: added to the root of the corrected second moment.
        weight_decay: share of the weight removed per step and unit of lr.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = AdEMAMix([weight], lr=0.5, betas=(0.9, 0.999, 0.5), alpha=0.0)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = ademamix.AdEMAMix

    def __init__(  # noqa: PLR0917 - the authors' positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float, float] = (0.9, 0.999, 0.9999),
        alpha: float = 5.0,
        t_beta3: float = 0.0,
        t_alpha: float = 0.0,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {
            "lr": lr,
            "betas": betas,
            "alpha": alpha,
            "t_beta3": t_beta3,
            "t_alpha": t_alpha,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class ADOPT(RuleOptimizer):
    """Adam that normalises by what it knew before the gradient: equations in `ravine.rules.adopt.ADOPT`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate; a number or a one-element tensor.
        betas: shares of the first and of the second moment kept at each step.
        eps: least value of the root of the second moment.
        weight_decay: L2 coefficient, added to the gradient unless decoupled.
        decoupled: take the L2 term from the weights instead, multiplied by lr.
        clip: exponent with which the bound of a normalised gradient grows with the step.
        unclipped: do not bound the normalised gradient.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = ADOPT([weight], lr=1.0, betas=(0.5, 0.9999))
        >>> weight.sum().backward()
        >>> optimizer.step()  # learns the size of the gradient and moves nothing
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = adopt.ADOPT

    def __init__(  # noqa: PLR0917 - the authors' positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.9999),
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        decoupled: bool = False,
        *,
        clip: float = 0.25,
        unclipped: bool = False,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled": decoupled,
            "clip": clip,
            "unclipped": unclipped,
        }
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)


class SoftAdam(RuleOptimizer):
    """Between SGD with momentum and Adam: equations in `ravine.rules.softadam.SoftAdam`.

    Args:
        params: parameters, named parameters, or dictionaries that describe groups.
        lr: learning rate, on the scale of SGD's; a number or a one-element tensor.
        betas: shares of the first and of the second moment kept at each step.
        eps: its square is added to the mean second moment.
        eta: how far towards Adam: 0 is SGD with momentum.
        weight_decay: share of the weight removed per step and unit of lr.
        nesterov: look ahead along the first moment; the authors' code does.
        maximize: climb instead of descend.
        driver: "auto", "per_tensor", "foreach", "compiled" or "native".
        storage: state_dtype, weights and seed; see `StateOptions`.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
        >>> optimizer = SoftAdam([weight], lr=1.0, betas=(0.5, 0.999), eta=0.0)
        >>> weight.sum().backward()
        >>> optimizer.step()
        >>> [round(value, 6) for value in weight.tolist()]
        [0.5, 1.5]
    """

    rule = softadam.SoftAdam

    def __init__(  # noqa: PLR0917 - the authors' positional order
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-1,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        eta: float = 1.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        driver: str = "auto",
        **storage: Unpack[StateOptions],
    ) -> None:
        settings = {"lr": lr, "betas": betas, "eps": eps, "eta": eta, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__(params, settings, maximize=maximize, driver=driver, **storage)
