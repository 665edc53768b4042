"""BatchNorm over many processes: mean and variance of the whole batch, as one process has them.

    mu = sum x / n,    v = sum (x - mu)^2 / n    over the rows of all processes, n of them (times positions)

Sums are exchanged once for the mean and once for the variance, whose one-pass form E x^2 - mu^2 would lose bits. The
gradient of an exchanged sum is the sum of all processes' gradients. torch's own SyncBatchNorm does the same on GPUs only
(2.13).
"""

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def join(model: nn.Module) -> list[nn.Module]:
    """Let every BatchNorm of a model take its statistics from all processes while it trains.

    Returns:
        the modules, for `part`.
    """
    found: list[Any] = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    # Collectives of a Function of our own are no graph. Here, not above it: this imports the compiler, which takes a second.
    forward: Any = torch.compiler.disable(_forward) if found else None  # type: ignore[no-untyped-call]
    for module in found:
        # An attribute of this module before its class's method, so that names and class stay.
        module.forward = functools.partial(forward, module, module.forward)
    return found


def part(modules: Sequence[nn.Module]) -> None:
    """Give modules their own statistics back."""
    for module in modules:
        del module.forward


class _Summed(torch.autograd.Function):
    """Sum over all processes."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        """The sum."""
        found = own.clone()
        torch.distributed.all_reduce(found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Every process's loss depends on the sum."""
        found = gradients[0].clone()
        torch.distributed.all_reduce(found)
        return found


def _forward(module: _BatchNorm, own: Any, x: Tensor) -> Tensor:
    if not module.training:
        given: Tensor = own(x)
        return given
    axes, shape = [axis for axis in range(x.ndim) if axis != 1], [1, -1] + [1] * (x.ndim - 2)
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    held = wide.new_tensor([x.numel() // x.shape[1]])
    summed = _Summed.apply(torch.cat([wide.sum(axes), held]))  # type: ignore[no-untyped-call]
    count = summed[-1].detach()
    mean = summed[:-1] / count
    centred = wide - mean.view(shape)
    variance = _Summed.apply(centred.square().sum(axes)) / count  # type: ignore[no-untyped-call]
    _track(module, mean.detach(), variance.detach(), count)
    found = centred * (variance + module.eps).rsqrt().view(shape)
    if module.affine:
        found = found * module.weight.view(shape) + module.bias.view(shape)
    output: Tensor = found.to(x.dtype)
    return output


@torch.no_grad()
def _track(module: _BatchNorm, mean: Tensor, variance: Tensor, count: Tensor) -> None:
    """Take a batch into the running statistics, as torch does: the variance there is the unbiased one."""
    if not module.track_running_stats or module.running_mean is None or module.running_var is None:
        return
    assert module.num_batches_tracked is not None
    module.num_batches_tracked.add_(1)
    share = 1.0 / float(module.num_batches_tracked) if module.momentum is None else module.momentum
    module.running_mean.lerp_(mean.to(module.running_mean.dtype), share)
    module.running_var.lerp_((variance * count / (count - 1.0)).to(module.running_var.dtype), share)
