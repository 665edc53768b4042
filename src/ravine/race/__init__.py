"""From a plan to a ranked record.

The package shares its name with the public function `ravine.race`. Importing any module of it makes Python bind the
package to that name, so the package itself can be called and hands over to the function.
"""

import importlib
import sys
from types import ModuleType
from typing import Any


class _CallablePackage(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return importlib.import_module("ravine._api").race(*arguments, **options)


sys.modules[__name__].__class__ = _CallablePackage
