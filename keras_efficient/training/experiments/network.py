"""The section `network`: a description, a file that holds one, or a function that builds a model."""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

from keras_efficient.descriptions import expand, read_description

_FORMS = 'a description, a JSON file with one, or {builder: "module:function", arguments: {...}}'


@dataclass(frozen=True)
class Builder:
    """A function of the user's that builds a Keras model; called without arguments, as `train_network` does.

    `builder` is "module:function"; the module may lie in `folder`, besides where Python looks.
    """

    builder: str
    arguments: dict = field(default_factory=dict)
    folder: str = ""

    def __post_init__(self):
        if not isinstance(self.builder, str) or self.builder.count(":") != 1 or not all(self.builder.split(":")):
            raise ValueError(f"`builder` must be 'module:function'. Received: builder={self.builder!r}")
        if not isinstance(self.arguments, dict):
            raise ValueError(f"`arguments` must be names and values. Received: arguments={self.arguments!r}")

    def check(self) -> None:
        """Import the function, which runs its module; a ValueError where it is not there, or takes other arguments."""
        try:
            inspect.signature(self.function()).bind(**self.arguments)
        except TypeError as error:
            raise ValueError(f"`{self.builder}` cannot take the arguments {self.arguments}: {error}") from None

    def function(self) -> Callable[..., keras.Model]:
        """The function, imported."""
        module, name = self.builder.split(":")
        if self.folder and self.folder not in sys.path:
            sys.path.append(self.folder)
        try:
            function = getattr(import_module(module), name)
        except Exception as error:  # a module may raise anything
            raise ValueError(f"`{self.builder}` cannot be imported: {type(error).__name__}: {error}") from error
        if not callable(function):
            raise ValueError(f"`{self.builder}` must be a function. Received: {function!r}")
        return function

    def __call__(self) -> keras.Model:
        return self.function()(**self.arguments)


def resolve_network(network: Any, folder: Path) -> list | dict:
    """The description, or {"builder", "arguments"}: what the file says, freed of the place of the files.

    A function is not imported: `Builder.check` is for that.
    """
    if isinstance(network, str):
        return read_description(folder / Path(network).expanduser())
    if isinstance(network, dict) and "builder" in network:
        source = make_builder(network, folder)
        return {"builder": source.builder, "arguments": source.arguments}
    if not isinstance(network, list) or not network:
        raise ValueError(f"`network` must be {_FORMS}. Received: {network!r}")
    if all(isinstance(item, str) for item in network):
        raise ValueError(f"`network` is a list by nature; for choices write {{grid: {network}}}")
    return network


def make_source(network: list | dict, folder: Path | str) -> list | Builder:
    """What `train_network` takes, from what `resolve_network` returns."""
    return list(network) if isinstance(network, list) else make_builder(network, folder)


def make_builder(network: dict, folder: Path | str) -> Builder:
    """The function that the section names."""
    given = {name: value for name, value in network.items() if value is not None}
    return Builder(**given, folder=str(folder))


def check_shapes(network: list | dict, input_shape: tuple) -> None:
    """Raise a ValueError unless a description is right for samples of `input_shape`."""
    if not isinstance(network, list):
        return
    stated = getattr(network, "input_shape", None)
    if stated is not None and tuple(stated) != tuple(input_shape):
        raise ValueError(f"the file describes a network for inputs of {tuple(stated)}, the data has {input_shape}")
    expand(network, input_shape)
