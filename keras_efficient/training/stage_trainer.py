"""All trials of a stage on one model: built and traced once, reset for each trial."""

from pathlib import Path

import keras
import numpy as np

from keras_efficient.copies.compiling import exclude
from keras_efficient.layers.quantized.mode import MODES
from keras_efficient.quantization import calibrate, round_scales, scale_variables
from keras_efficient.training.data import TrainingData, class_indices, samples
from keras_efficient.training.engines import make_engine
from keras_efficient.training.halving import Goal
from keras_efficient.training.measures import Measures, Measuring
from keras_efficient.training.network_source import NetworkSource
from keras_efficient.training.prefix import PrefixCache, split_prefix
from keras_efficient.training.progress import OnEpoch
from keras_efficient.training.stage import Stage
from keras_efficient.training.state import SAVE_SECONDS
from keras_efficient.training.trial import Trial, TrialResult

# As many samples as the study sets its scales from.
_CALIBRATION_SAMPLES = 128


class StageTrainer:
    """Runs the trials of one stage.

    They start from the checkpoint `start`, which a stage in `start_mode` made, or (None) from fresh weights of their
    seeds. `prefixes` are those of other networks on the same data.
    """

    def __init__(
        self,
        source: NetworkSource,
        stage: Stage,
        data: TrainingData,
        measures: Measures,
        start: Path | None = None,
        start_mode: str = "float",
        engine: str = "keras",
        prefixes: PrefixCache | None = None,
    ):
        self.measuring = Measuring(measures)
        self.source, self.stage, self.data, self.start = source, stage, data, start
        self.needs_scales = MODES[stage.mode].quantized and not MODES[start_mode].quantized
        self.model = source.build(stage.mode, seed=0)
        if start is not None:
            self.model.load_weights(start)
            self._prepare_scales()
            self._start_weights = self.model.get_weights()
        self.engine = self._make_engine(engine, prefixes or PrefixCache())
        self._initial_optimizer = list(map(keras.ops.convert_to_numpy, self.engine.optimizer.variables))

    def run(
        self,
        trial: int,
        seed: int,
        directory: Path,
        on_epoch: OnEpoch = lambda epoch, logs: None,
        save_seconds: float = SAVE_SECONDS,
        goal: Goal | None = None,
    ) -> TrialResult:
        """Run one trial, or what is left of it up to the goal. Nothing of an earlier trial of this object enters it."""
        if self.start is not None:
            self.model.set_weights(self._start_weights)
        else:
            self.model.set_weights(self.source.build(self.stage.mode, seed).get_weights())
            self._prepare_scales()
        for variable, value in zip(self.engine.optimizer.variables, self._initial_optimizer, strict=True):
            variable.assign(value)
        return Trial(self, TrialResult(trial, seed), on_epoch, save_seconds).run(directory, goal)

    def _make_engine(self, engine, prefixes):
        callbacks = self.stage.make_callbacks()
        # Callbacks see the whole model: one that saves it must not save a part.
        prefix, body = split_prefix(self.model, whole=bool(callbacks))
        data = self.data
        inputs = [prefixes.apply(prefix, x) for x in (data.x_train, data.x_val)]
        optimizer = self.stage.make_optimizer()
        exclude(optimizer, scale_variables(self.model))
        loss = self.stage.loss_for(data.one_hot)
        arrays = (inputs[0], data.y_train, inputs[1], data.y_val)
        weights, factors = data.w_train, self.stage.class_weight
        if factors is not None:
            found = np.array([factors.get(index, 1.0) for index in class_indices(data.y_train).tolist()], "float32")
            weights = found if weights is None else found * weights
        return make_engine(
            body, optimizer, loss, arrays, self.stage.batch_size, callbacks, engine, (weights, data.w_val)
        )

    def _calibration_samples(self):
        """The first validation samples, and of training samples what these lack."""
        found = samples(self.data.x_val, slice(_CALIBRATION_SAMPLES))
        lacking = _CALIBRATION_SAMPLES - len(keras.tree.flatten(found)[0])
        more = samples(self.data.x_train, slice(lacking))
        return keras.tree.map_structure(lambda *parts: np.concatenate(parts), found, more)

    def _prepare_scales(self):
        if self.needs_scales:
            calibrate(self.model, x=self._calibration_samples(), rule="percentile")
        if self.stage.mode == "freeze_scales":
            round_scales(self.model)
