"""Out of `torch.compile`'s way without loading it: torch's switch for that imports the compiler, which takes a second or two."""

import functools
import sys
from collections.abc import Callable
from typing import Any

import torch

_COMPILER = "torch._dynamo"


def uncompiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Out of `torch.compile`, which would specialise on step counts; torch's own optimizers use the same switch.

    It imports the compiler at its first call, which takes a second or two. Where that is not there, nobody compiles.
    """
    switched: Any = vars(torch)["_disable_dynamo"](function)

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return (switched if _COMPILER in sys.modules else function)(*args, **kwargs)

    return called


def unswitched(method: Callable[..., Any]) -> Callable[..., Any]:
    """A bound method of torch's base class without that switch, where it would only import the compiler."""
    bound: Any = method
    is_torchs = bound.__func__ is vars(torch.optim.Optimizer)[bound.__name__]
    if _COMPILER in sys.modules or not is_torchs or not hasattr(bound, "__wrapped__"):
        return method
    return functools.partial(bound.__wrapped__, bound.__self__)
