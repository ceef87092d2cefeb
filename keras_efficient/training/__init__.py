"""Training in stages of trials, and the choice among them."""

from typing import TYPE_CHECKING

from keras_efficient.lazy_names import lazy_names

if TYPE_CHECKING:
    from keras_efficient.training.on_demand import *  # noqa: F403
else:
    __getattr__, __dir__ = lazy_names(__name__, "keras_efficient.training.on_demand")
