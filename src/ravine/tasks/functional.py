"""A module run with tensors that are not its own."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.stateless import _reparametrize_module


def functional_call(
    module: nn.Module,
    state: Mapping[str, Tensor],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
) -> Any:
    """Run a module with other parameters and buffers; it has its own again afterwards.

    As `torch.func.functional_call`, which leaves the given tensors in a module that stands in several places
    (`nn.Sequential(*[block] * 5)`): it takes such a module's tensors out once a place and puts them back in the same
    order, not in the reverse (pytorch issue 164759).

    Args:
        module: any module.
        state: name -> tensor. What is not named stays the module's own.
        args: the module's arguments.
        kwargs: its keyword arguments.
        tie_weights: whether a tensor that stands in several places is replaced in all of them when one is named.
    """
    with _reparametrize_module(module, dict(state), tie_weights=tie_weights, stack_weights=True):
        return module(*args, **(kwargs or {}))
