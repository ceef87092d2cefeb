"""`PairedRuns`: trainings of one network from many seeds, which recipes prune, rewind and go on with."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias

import keras
import numpy as np

from keras_efficient.checks import is_integer, positive_integer, random_seed
from keras_efficient.layers.pruning.kernels import PrunedKernel
from keras_efficient.layers.pruning.schedules import ConstantSparsity
from keras_efficient.pruning.model import Choice, prune_model
from keras_efficient.pruning.updates import prunable_layers, set_masks
from keras_efficient.training.engines.seeds import SeedEngine, Trainings, read_variables
from keras_efficient.training.measures import Measuring
from keras_efficient.training.preparation import prepare
from keras_efficient.training.pruning.comparison import Variant
from keras_efficient.training.stage import Stage

# (model, kernels, x, y, random) -> scores, an array for each kernel.
Score: TypeAlias = Callable[
    [keras.Model, list[PrunedKernel], np.ndarray, np.ndarray, np.random.Generator], Sequence[np.ndarray]
]
# "magnitude", "random" or such a function.
Criterion: TypeAlias = str | Score


_SCORES: dict[str, Score] = {
    "magnitude": lambda model, kernels, x, y, random: [kernel.scores() for kernel in kernels],
    "random": lambda model, kernels, x, y, random: [random.random(kernel.count) for kernel in kernels],
}


def find_score(criterion: Criterion) -> Score:
    if callable(criterion):
        return criterion
    if isinstance(criterion, str) and criterion in _SCORES:
        return _SCORES[criterion]
    raise ValueError(
        f"`criterion` must be one of {tuple(_SCORES)}, or a function (model, kernels, x, y, random) -> scores. "
        f"Received: criterion={criterion!r}"
    )


@dataclass
class RecipeState:
    """Where all trainings of one recipe stand.

    `trainings` has the variables, masks among them, `step` the batches since the data order began, `history` the
    training losses so far (an array (seeds, steps) per phase), `seconds` those of computing.
    """

    trainings: Trainings
    step: int = 0
    history: list = field(default_factory=list)
    seconds: float = 0.0


class PairedRuns:
    """The trainings of the network of `build` from several seeds; arguments as of the recipes.

    Training k of every recipe starts from the same weights and sees the batches in the same order; model and optimizer
    are made together, so that no optimizer trains the weights of another model.
    """

    def __init__(
        self,
        build: Callable[[], keras.Model],
        data: Sequence,
        seeds: int | Sequence[int],
        batch_size: int,
        layers: Choice = None,
    ):
        prepared = _prepared(build, data)
        self.data = prepared.data
        listed: Any = range(seeds) if is_integer(seeds) else seeds
        self.seeds = tuple(map(random_seed, listed))
        if not self.seeds:
            raise ValueError(f"`seeds` must be at least one. Received: seeds={seeds!r}")
        self.batch_size = positive_integer(batch_size, "batch_size")
        if self.batch_size > len(self.data.x_train):
            raise ValueError(
                f"`batch_size` must be from 1 to the {len(self.data.x_train)} training samples. "
                f"Received: batch_size={batch_size!r}"
            )
        starts = []
        for seed in self.seeds:
            keras.utils.set_random_seed(seed)
            model = prune_model(_built(build), ConstantSparsity(0.0), layers)
            model.optimizer.build(model.trainable_variables)
            starts.append(read_variables(model))
        self.start = Trainings.stack(starts)
        self.model = model
        self.kernels = [kernel for layer in prunable_layers(model) for kernel in layer.kernels]
        x, y, *evaluated = self.data.x_train, self.data.y_train, self.data.x_val, self.data.y_val
        if self.data.x_test is not None:
            evaluated = [self.data.x_test, self.data.y_test]
        self.engine = _make_engine(model, (x, y, *evaluated), Measuring(prepared.measures))

    @property
    def steps_per_epoch(self) -> int:
        return len(self.data.x_train) // self.batch_size

    def begin(self) -> RecipeState:
        """All trainings at their first weights."""
        return RecipeState(self.start)

    def train(self, run: RecipeState, steps: int) -> RecipeState:
        """Go on for so many batches."""
        if steps == 0:
            return run
        begin = time.perf_counter()
        first = run.step
        orders = np.stack([self._order(seed, first, steps) for seed in self.seeds])
        trainings, losses = self.engine.train(run.trainings, orders)
        return RecipeState(trainings, first + steps, [*run.history, losses], run.seconds + time.perf_counter() - begin)

    def _order(self, seed, first, steps):
        """Batches `first` to `first + steps - 1` of a seed's endless shuffled stream."""
        each = self.steps_per_epoch
        epochs = range(first // each, -(-(first + steps) // each))
        rows = [
            np.random.default_rng((seed, epoch)).permutation(len(self.data.x_train))[: each * self.batch_size]
            for epoch in epochs
        ]
        stream = np.concatenate(rows).reshape(-1, self.batch_size)
        skipped = first - epochs[0] * each
        return stream[skipped : skipped + steps].astype("int32")

    def prune(
        self, run: RecipeState, share: float, scope: str = "global", criterion: str | Callable = "magnitude"
    ) -> RecipeState:
        """Remove round(share x alive) weights: over all kernels, or of each."""
        score, pruned = find_score(criterion), []
        for number, seed in enumerate(self.seeds):
            self.engine.write(*run.trainings.of(number))
            random = np.random.default_rng((seed, 1, run.step))
            for pool in self._pools(scope):
                self._remove(pool, share, score, random)
            pruned.append(self.engine.read())
        return replace(run, trainings=Trainings.stack(pruned))

    def regrow(
        self, run: RecipeState, share: float, scope: str, criterion: Criterion, growth: str, batch: int = 256
    ) -> RecipeState:
        """Remove round(share x alive) weights as `prune` does, then let as many come back, which start at 0.

        growth: Which of those that are away come back: `"random"`, or `"gradient"`, those with the largest |gradient|
        on `batch` training samples that were drawn at random, as if all weights were there.
        """
        score, regrown = find_score(criterion), []
        for number, seed in enumerate(self.seeds):
            self.engine.write(*run.trainings.of(number))
            random = np.random.default_rng((seed, 2, run.step))
            for kernel in self.kernels:
                kernel.variable.assign(kernel.variable * kernel.mask)
            if growth == "gradient":
                growths = self._gradients(random, batch)
            else:
                growths = [random.random(kernel.count) for kernel in self.kernels]
            for pool in self._pools(scope):
                away = self._remove(pool, share, score, random)
                own = [growths[self.kernels.index(kernel)] for kernel in pool]
                # What is alive stays, whatever grows.
                scores = [np.where(kernel.alive() > 0, np.inf, each) for kernel, each in zip(pool, own, strict=True)]
                set_masks(pool, away, monotone=False, scores=scores)
            regrown.append(self.engine.read())
        return replace(run, trainings=Trainings.stack(regrown))

    def _remove(self, pool, share, score, random):
        """Remove round(share x alive) weights of `pool`; how many were away before."""
        alive = round(sum(kernel.alive().sum() for kernel in pool))
        away = sum(kernel.count for kernel in pool) - alive
        scores = score(self.model, pool, self.data.x_train, self.data.y_train, random)
        set_masks(pool, away + round(share * alive), scores=_checked(scores, pool))
        return away

    def _gradients(self, random, batch):
        """|d loss / d weight| of the units of each kernel, as if no mask were there; the model stays as it is."""
        before = self.engine.read()
        for kernel in self.kernels:
            kernel.keep(np.ones(kernel.count, "float32"))
        chosen = random.integers(0, len(self.data.x_train), batch)
        old = [keras.ops.convert_to_numpy(kernel.variable) for kernel in self.kernels]
        self._steps.train_on_batch(self.data.x_train[chosen], self.data.y_train[chosen])
        new = [keras.ops.convert_to_numpy(kernel.variable) for kernel in self.kernels]
        self.engine.write(*before)
        return [kernel.means(np.abs(a - b)) for kernel, a, b in zip(self.kernels, old, new, strict=True)]

    @cached_property
    def _steps(self):
        """The model with an optimizer whose one step is the gradient, times a number that keeps its digits."""
        steps = keras.Model(self.model.inputs[0], self.model.outputs[0])
        steps.compile(keras.optimizers.SGD(1024.0), self.model.loss)
        return steps

    def _pools(self, scope):
        """The kernels that are counted together."""
        return [self.kernels] if scope == "global" else [[kernel] for kernel in self.kernels]

    def rewind(self, run: RecipeState, to: RecipeState | None = None) -> RecipeState:
        """The weights of `to` (by default the first ones) and a fresh optimizer under the masks of `run`. The data
        order goes on from there."""
        to = self.begin() if to is None else to
        masks = {id(kernel.mask) for kernel in self.kernels}
        pairs = zip(
            self.model.non_trainable_variables, run.trainings.non_trainable, to.trainings.non_trainable, strict=True
        )
        non_trainable = [new if id(variable) in masks else old for variable, new, old in pairs]
        trainings = Trainings(to.trainings.trainable, non_trainable, self.start.optimizer)
        return replace(run, trainings=trainings, step=to.step)

    def sparsity(self, run: RecipeState) -> float:
        """The share of zeros in the masks of the first training."""
        self.engine.write(*run.trainings.of(0))
        count = sum(kernel.count for kernel in self.kernels)
        return 1 - float(sum(kernel.alive().sum() for kernel in self.kernels)) / count

    def finish(self, name: str, run: RecipeState) -> Variant:
        """Evaluate all trainings."""
        losses, accuracies = self.engine.evaluate(run.trainings)
        history = np.concatenate([np.asarray(part) for part in run.history], axis=1)
        epochs = max(1, history.shape[1] // self.steps_per_epoch)
        means = np.stack([part.mean(axis=1) for part in np.array_split(history, epochs, axis=1)], axis=1)
        return Variant(name, losses, accuracies, means, self.sparsity(run), run.seconds)


def _prepared(build, data):
    """Arrays and labels as the loss of the model takes them."""
    stage = Stage("float", 1, 1, loss=_built(build).loss)
    found = prepare(build, data, [stage], None, None, "val_loss")
    arrays = (found.data.x_train, found.data.y_train)
    if not all(isinstance(array, np.ndarray) for array in arrays) or found.data.w_train is not None:
        raise ValueError("Recipes train networks of one input and one output, without weights of the samples")
    return found


def _built(build):
    if not callable(build):
        raise TypeError(f"`build` must be a function that returns a compiled model. Received: build={build!r}")
    model = build()
    if isinstance(model, keras.Model) and model.built and model.compiled and model.optimizer is not None:
        return model
    raise TypeError(f"`build` must return a built and compiled Keras model. Received: {model!r}")


def _make_engine(model: keras.Model, data: tuple, measuring: Measuring) -> SeedEngine:
    # Imported here: each module needs its backend.
    if keras.backend.backend() == "jax":
        from keras_efficient.training.engines.seeds_jax import JaxSeedEngine

        return JaxSeedEngine(model, data, measuring)
    if keras.backend.backend() == "tensorflow":
        from keras_efficient.training.engines.seeds_tensorflow import TensorFlowSeedEngine

        return TensorFlowSeedEngine(model, data, measuring)
    return SeedEngine(model, data, measuring)


def _checked(scores: Sequence[np.ndarray], kernels: list[PrunedKernel]) -> list[np.ndarray]:
    """The scores of the units of each kernel, the smallest of which go first."""
    arrays = [np.asarray(each, "float32") for each in scores]
    shapes, expected = [each.shape for each in arrays], [(kernel.count,) for kernel in kernels]
    if shapes == expected and all((each >= 0).all() for each in arrays):
        return arrays
    raise ValueError(
        f"`criterion` must give arrays of the shapes {expected}, with numbers of at least 0. Received: shapes {shapes}"
    )
