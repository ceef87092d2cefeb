"""Which engine a run computes with: decided once, before its first file."""

import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from keras_efficient.training.engines import (
    CHOSEN_ENGINES,
    COMPILED_ENGINE,
    DEFAULT_ENGINE,
    KERAS_ENGINE,
    check_engine,
    reason_against_compiled,
)
from keras_efficient.training.manifest import engine_of
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.prefix import split_prefix
from keras_efficient.training.stage import Stage

# Of one sample: a network of three stages takes about as long in Keras then (float ones less, quantized ones more).
_MOST_PRODUCTS = 3_000_000


def choose_engine(asked: str, directory: Path, reason_against: Callable[[], str | None], stacklevel: int = 3) -> str:
    """The engine of a run: "compiled" where nothing speaks against it, else "keras".

    A run that has begun keeps the engine that it began with. Where a new run is left to Keras that was not asked for
    by name, or "compiled" was asked for and Keras had begun, one warning says why. `reason_against` tells why the
    compiled engine cannot compute the run; None: it can. A ValueError for a damaged manifest.
    """
    if check_engine(asked) == KERAS_ENGINE:
        return asked
    begun = engine_of(directory)
    if asked == DEFAULT_ENGINE and begun in CHOSEN_ENGINES:
        return begun
    reason = reason_against() if begun not in CHOSEN_ENGINES else None
    if begun == KERAS_ENGINE:
        reason = f"the run in '{directory}' was begun with it"
    if reason is None:
        return COMPILED_ENGINE
    warnings.warn(f"Keras trains, slower than the compiled engine: {reason}", stacklevel=stacklevel)
    return KERAS_ENGINE


def reason_against_stages(
    source: NetworkSource, stages: Iterable[Stage], one_hot: bool, asked: str = COMPILED_ENGINE
) -> str | None:
    """Why the compiled engine cannot compute all stages of a run here, or is not worth it where "auto" was asked for;
    None: it can."""
    most_products = _MOST_PRODUCTS if asked == DEFAULT_ENGINE else None
    for number, stage in enumerate(stages):
        callbacks = stage.make_callbacks()
        _, body = split_prefix(source.build(stage.mode, seed=0), whole=bool(callbacks))
        has_rows = one_hot or bool(stage.distillation)
        loss, optimizer = stage.loss_for(has_rows), stage.make_optimizer()
        reason = reason_against_compiled(body, optimizer, loss, 2 if has_rows else 1, callbacks, most_products)
        if reason is not None:
            return f"{reason} (stage {number}, {stage.mode})"
    return None
