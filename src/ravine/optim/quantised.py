"""State in 8 bits: one code an element and one float32 scale a block of 256, the block's largest magnitude.

    signed      x = scale k |k| / 127^2,     k = -127 ... 127
    unsigned    x = scale k^4 / 255^4,       k = 0 ... 255, and 0 for 0 alone

The idea of blocks is that of Dettmers et al. (2022, arXiv:2110.02861). Their code is a table of 256 values; these are
arithmetic, which vector units can do, and no less accurate on moments (tests/unit/optim/test_quantised.py). The fourth
power spaces second moments as finely as their roots need, down to 2e-10 of the largest; as a second moment of 0 under a
first moment that is not would make a huge step, what is above 0 stays there.
"""

import torch
from torch import Tensor

from ravine.rules._keeping import BLOCK

_SIGNED, _UNSIGNED = 127, 255
_LEAST_SCALE = 1e-37
"""Below it, 1 / scale is infinite; the block counts as 0."""


def encode(values: Tensor, *, unsigned: bool) -> tuple[Tensor, Tensor]:
    """Codes of the values' shape, uint8 where they have no sign, else int8, and one scale a block.

    Args:
        values: a multiple of `BLOCK` elements.
        unsigned: whether no value is negative.
    """
    blocks = values.reshape(-1, BLOCK).to(torch.float32)
    scale = blocks.abs().amax(1)
    shares = blocks * torch.where(scale > _LEAST_SCALE, 1.0 / scale, 0.0)[:, None]
    if unsigned:
        codes = torch.maximum((shares.sqrt().sqrt() * _UNSIGNED).round(), (shares > 0).to(torch.float32)).to(torch.uint8)
    else:
        roots = shares.abs().sqrt() * _SIGNED
        codes = torch.where(shares < 0, -roots, roots).round().to(torch.int8)
    return codes.view(values.shape), scale


def decode(codes: Tensor, scale: Tensor) -> Tensor:
    """The float32 values that codes stand for.

    Args:
        codes: uint8 or int8.
        scale: one a block.
    """
    powers = codes.reshape(-1, BLOCK).to(torch.float32)
    if codes.dtype == torch.uint8:
        powers = powers * powers
        values = powers * powers * (scale * _UNSIGNED**-4)[:, None]
    else:
        values = powers * powers.abs() * (scale * _SIGNED**-2)[:, None]
    return values.view(codes.shape)


def decode_part(codes: Tensor, scale: Tensor, start: int) -> Tensor:
    """The float32 values of a part of a tensor, which may begin and end within blocks.

    Args:
        codes: of the part.
        scale: one a block of the whole tensor.
        start: where the part begins in the whole tensor's elements.
    """
    if not codes.numel():
        return codes.to(torch.float32)
    stop = start + codes.numel()
    first, last = start // BLOCK, -(-stop // BLOCK)
    blocks = torch.nn.functional.pad(codes.reshape(-1), (start - first * BLOCK, last * BLOCK - stop))
    return decode(blocks, scale[first:last])[start - first * BLOCK :][: codes.numel()].view(codes.shape)
