"""The operations that an architecture is made of. One that counts and one that makes layers share the architecture."""

from abc import ABC, abstractmethod
from typing import Any


class ArchitectureBuilder(ABC):
    """What a function of `drawings` draws with: one method per operation, each from a map to the next.

    What a map is, the builder decides: a shape where operations are counted, a tensor where layers
    are made. Windows have the padding "same", and rows and columns are alike. `counted` says
    whether the research log counts the operation: it does where it is a module of its own.
    """

    @abstractmethod
    def channels(self, x: Any) -> int:
        """The channels of a map."""

    @abstractmethod
    def convolution(
        self, x: Any, filters: int, kernel_size: int = 1, strides: int = 1, groups: int = 1, use_bias: bool = False
    ) -> Any:
        """A convolution that stays what it is."""

    @abstractmethod
    def replaceable(self, x: Any, filters: int, kernel_size: int = 1, strides: int = 1, use_bias: bool = False) -> Any:
        """A convolution that gives way to another operation, where one is wanted."""

    @abstractmethod
    def depthwise(self, x: Any, kernel_size: int = 3, strides: int = 1) -> Any:
        """A convolution of each channel alone, without bias."""

    @abstractmethod
    def normalized(self, x: Any) -> Any:
        """Batch normalization."""

    @abstractmethod
    def relu(self, x: Any, counted: bool = True) -> Any:
        """The positive part."""

    @abstractmethod
    def added(self, x: Any, y: Any) -> Any:
        """The sum of two maps."""

    @abstractmethod
    def stage(self, x: Any) -> Any:
        """The map itself, marked as the end of a stage: where a student looks at its teacher."""

    @abstractmethod
    def classified(self, x: Any, classes: int, counted: bool = False) -> Any:
        """The mean over rows and columns (`counted` or not), and a dense layer on it."""
