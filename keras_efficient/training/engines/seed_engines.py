"""Which engine trains `Trainings`."""

import keras

from keras_efficient.training.engines.seeds import SeedEngine


def make_seed_engine(model: keras.Model, data: tuple) -> SeedEngine:
    """The engine of the backend that runs."""
    # Imported here: each module needs its backend.
    if keras.backend.backend() == "jax":
        from keras_efficient.training.engines.seeds_jax import JaxSeedEngine

        return JaxSeedEngine(model, data)
    if keras.backend.backend() == "tensorflow":
        from keras_efficient.training.engines.seeds_tensorflow import TensorFlowSeedEngine

        return TensorFlowSeedEngine(model, data)
    return SeedEngine(model, data)
