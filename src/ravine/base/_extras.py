"""Optional imports that name the extra to install."""

import importlib
from types import ModuleType

from ravine.base.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional dependency, or say which extra installs it.

    Args:
        module: dotted module name.
        extra: the extra of ravine that brings it.
        purpose: what it is needed for, as the object of "is needed for".

    Raises:
        MissingExtraError: the module is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"{module} is needed for {purpose} and is not installed. Install it with: pip install 'ravine[{extra}]'"
        raise MissingExtraError(message, extra=extra) from error
