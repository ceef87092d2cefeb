"""Every public signature is complete, and a type checker is told to read them.

Public is what the package and its subpackages list in `__all__`. Of a function all parameters and the result have
types; of a class the parameters of its constructor, and its public methods and properties, inherited ones of this
package included. Names that begin with an underscore are left out, as are special methods but `__init__`.
"""

import importlib
import inspect
import pkgutil
from functools import cached_property
from pathlib import Path

import keras_efficient as ke

_MODULES = [module.name for module in pkgutil.walk_packages(ke.__path__, "keras_efficient.") if module.ispkg]


def _is_ours(thing):
    return getattr(thing, "__module__", "").partition(".")[0] == "keras_efficient"


def _public_things():
    """{full name: function or class}, each once."""
    things = {}
    for name in ("keras_efficient", *_MODULES):
        module = importlib.import_module(name)
        for member in getattr(module, "__all__", ()):
            thing = getattr(module, member)
            if _is_ours(thing) and (inspect.isclass(thing) or inspect.isfunction(thing)):
                things.setdefault(f"{thing.__module__}.{thing.__qualname__}", thing)
    return things


def _functions_of(cls):
    """The constructor, public methods and properties of a class, as pairs of a function and whether it is bound."""
    for name, member in inspect.getmembers_static(cls):
        if name.startswith("_") and name != "__init__":
            continue
        if isinstance(member, property):
            yield from ((part, True) for part in (member.fget, member.fset) if _is_ours(part))
        elif isinstance(member, cached_property):
            yield member.func, True
        else:
            function = getattr(member, "__func__", member)
            if inspect.isfunction(function) and _is_ours(function):
                yield function, not isinstance(member, staticmethod)


def _without_type(function, bound=False):
    """The parameters that have no type, and "return" if the result has none."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())[bound:]
    found = [parameter.name for parameter in parameters if parameter.annotation is parameter.empty]
    has_result = function.__name__ == "__init__" or signature.return_annotation is not signature.empty
    return found if has_result else [*found, "return"]


def _incomplete(things):
    """{name of a function: what has no type}."""
    found = {}
    for thing in things:
        for function, bound in _functions_of(thing) if inspect.isclass(thing) else [(thing, False)]:
            found[f"{function.__module__}.{function.__qualname__}"] = _without_type(function, bound)
    return {name: names for name, names in found.items() if names}


def test_public_signatures_are_complete():
    things = _public_things()
    assert len(things) > 150
    assert not _incomplete(things.values())


class _Example:
    def method(self, typed: int, untyped) -> None: ...

    @property
    def value(self): ...

    def _left_out(self, anything): ...


def test_the_check_finds_what_is_missing(monkeypatch):
    monkeypatch.setattr(_Example.method, "__module__", "keras_efficient.example")
    monkeypatch.setattr(_Example.value.fget, "__module__", "keras_efficient.example")
    found = _incomplete([_Example])
    assert list(found.values()) == [["untyped"], ["return"]]


def test_checkers_are_told_that_there_are_types():
    assert Path(ke.__file__).with_name("py.typed").is_file()
