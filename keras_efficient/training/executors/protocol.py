"""What runs the trials."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol


class Executor(Protocol):
    """The part of `concurrent.futures.Executor` that is used: whatever has it will do."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future:
        """Run a function in a worker, some time."""
