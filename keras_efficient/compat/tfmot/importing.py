"""The one place that imports tfmot."""

import os
from types import ModuleType

_LEGACY = "TF_USE_LEGACY_KERAS"


def import_tfmot() -> ModuleType:
    """Import `tensorflow_model_optimization` without what it does to a process.

    On import, tfmot sets `TF_USE_LEGACY_KERAS=1`. `tf.keras` looks that up when it is first used, and is Keras 2
    from then on; so are child processes. Here `tf.keras` is used first, and the variable is put back. Where tfmot was
    imported already, nothing can be put back. tfmot itself works with `tf_keras` in either case.

    Raises:
        ImportError: If tfmot or tf_keras is missing: both come with the extra `tfmot`.

    >>> tfmot = ke.compat.tfmot.import_tfmot()
    """
    import tensorflow

    before = os.environ.get(_LEGACY)
    try:
        _ = tensorflow.keras.layers  # any attribute: from now on it stays what it is
        import tensorflow_model_optimization
    except ImportError as error:
        raise ImportError(
            "`import_tfmot` needs tensorflow-model-optimization and tf_keras: "
            f"pip install 'keras_efficient[tfmot]'. Received: {error}"
        ) from error
    finally:
        os.environ.pop(_LEGACY, None)
        if before is not None:
            os.environ[_LEGACY] = before
    return tensorflow_model_optimization
