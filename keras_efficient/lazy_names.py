"""Names of a package that are imported when one of them is first asked for."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazy_names(package: str, module: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose other names a module holds: all that it imports `as` themselves.

    The module is imported by the first access to a name that the package does not have yet. Type checkers read `from
    MODULE import *` instead, in an `if TYPE_CHECKING:` before the call.
    """

    def get(name: str) -> Any:
        if name.startswith("_") and name != "__all__":  # what inspection asks of every module
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        names, own = import_module(module), vars(import_module(package))
        if name == "__all__":
            return sorted(each for each in vars(names) if not each.startswith("_"))
        # A subpackage without a line of its own is there as soon as the module has imported it.
        if hasattr(names, name):
            return own.setdefault(name, getattr(names, name))
        if name in own:
            return own[name]
        raise AttributeError(f"module '{package}' has no attribute '{name}'")

    def names() -> list[str]:
        return sorted({*vars(import_module(package)), *get("__all__")})

    return get, names
