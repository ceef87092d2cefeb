"""One-shot, lottery ticket and dynamic pruning, and sparse training, each beside its controls."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import keras

from keras_efficient.checks import fraction, one_of, positive_integer
from keras_efficient.layers.pruning.prunable import SCOPES
from keras_efficient.pruning.model import Choice
from keras_efficient.training.pruning.comparison import BASELINE, Comparison, Variant
from keras_efficient.training.pruning.runs import Criterion, PairedRuns, RecipeState, find_score

TWICE = "unpruned, twice as long"
# The two events of the seed study: "17 % at 1/3 and 2/3 of the way".
AS_WRITTEN = {1 / 3: 0.17, 2 / 3: 0.17}


class _Bench:
    """Trainings that recipes share: the unpruned network, and the network trained twice as long."""

    def __init__(
        self,
        build: Callable[[], keras.Model],
        data: Sequence,
        epochs: int,
        seeds: int | Sequence[int],
        batch_size: int,
        scope: str,
        criterion: Criterion,
        layers: Choice,
    ):
        self.scope, self.criterion = one_of(scope, "scope", SCOPES), criterion
        find_score(criterion)
        self.runs = PairedRuns(build, data, seeds, batch_size, layers)
        self.steps = positive_integer(epochs, "epochs") * self.runs.steps_per_epoch  # batches of a training

    @cached_property
    def trained(self) -> RecipeState:
        return self.runs.train(self.runs.begin(), self.steps)

    @cached_property
    def twice(self) -> Variant:
        return self.runs.finish(TWICE, self.runs.train(self.trained, self.steps))

    def prune(self, run: RecipeState, share: float, criterion: Criterion | None = None) -> RecipeState:
        return self.runs.prune(run, share, self.scope, criterion or self.criterion)

    def comparison(self, variants: Sequence[Variant], controls: Mapping[str, str]) -> Comparison:
        unpruned = self.runs.finish(BASELINE, self.trained)
        unique = {variant.name: variant for variant in (unpruned, *variants)}
        return Comparison(tuple(unique.values()), self.runs.seeds, dict(controls))


def one_shot(
    build: Callable[[], keras.Model],
    data: Sequence,
    sparsity: float = 0.3,
    epochs: int = 10,
    seeds: int | Sequence[int] = 16,
    batch_size: int = 32,
    scope: str = "global",
    criterion: Criterion = "magnitude",
    layers: Choice = None,
) -> Comparison:
    """Train, then prune once; and prune once, then train as long again.

    Variants: `unpruned`; `one-shot` (no training after the pruning); `one-shot, trained on`, with the control
    `unpruned, twice as long` of equal budget.

    Args:
        build: Function that returns a new compiled model; its loss and optimizer are used.
        data: As `train_network` takes it, of one input and output; the last part is evaluated on.
        sparsity: Share of the prunable weights that goes; biases stay.
        epochs: Of one training. Batches that are not full are dropped.
        seeds: How many trainings, or their seeds. Training k of all variants has the same first weights and the
            same data order. On JAX and TensorFlow a training is one compiled loop; on JAX those of dense
            networks run side by side.
        batch_size: Samples per batch.
        scope: `"global"`: the smallest of all kernels go; `"kernel"`: as many of each.
        criterion: What weights go by: `"magnitude"`, or `"random"` as a control; or a function
            (model, kernels, x_train, y_train, random) that returns an array of scores, none negative, for the weights
            of each kernel. The smallest go.
        layers: Which layers are pruned; see `ke.prune_model`.

    Returns:
        A `Comparison`: a table of means, paired differences, standard errors and win counts.

    Raises:
        ValueError, TypeError: For wrong arguments.
    """
    bench = _Bench(build, data, epochs, seeds, batch_size, scope, criterion, layers)
    return bench.comparison(*_one_shot(bench, fraction(sparsity, "sparsity")))


def lottery_ticket(
    build: Callable[[], keras.Model],
    data: Sequence,
    sparsity: float = 0.3,
    epochs: int = 10,
    seeds: int | Sequence[int] = 16,
    batch_size: int = 32,
    scope: str = "global",
    criterion: Criterion = "magnitude",
    layers: Choice = None,
    rewind_epoch: int = 0,
) -> Comparison:
    """Train, prune, rewind the weights that are left, reset the optimizer, train again.

    The weights go back to their first values, or to those after `rewind_epoch` epochs; the second training
    takes the epochs that are left. Variants: `unpruned`; `lottery ticket`; `random ticket`, the same with
    weights that went by chance; `unpruned, twice as long`, the control of equal budget.

    Source: Frankle & Carbin, ICLR 2019; rewinding: Frankle et al., ICML 2020.

    Args:
        rewind_epoch: 0 to `epochs` - 1.
        build, data, sparsity, epochs, seeds, batch_size, scope, criterion, layers: See `one_shot`.
    """
    bench = _Bench(build, data, epochs, seeds, batch_size, scope, criterion, layers)
    if isinstance(rewind_epoch, bool) or not isinstance(rewind_epoch, int) or not 0 <= rewind_epoch < epochs:
        raise ValueError(f"`rewind_epoch` must be from 0 to epochs - 1. Received: rewind_epoch={rewind_epoch!r}")
    return bench.comparison(*_lottery(bench, fraction(sparsity, "sparsity"), rewind_epoch))


def dynamic_pruning(
    build: Callable[[], keras.Model],
    data: Sequence,
    events: Mapping[float, float] | None = None,
    epochs: int = 10,
    seeds: int | Sequence[int] = 16,
    batch_size: int = 32,
    scope: str = "global",
    criterion: Criterion = "magnitude",
    layers: Choice = None,
) -> Comparison:
    """Prune during the training, which carries on with the weights it has.

    Variants: `unpruned`, of equal budget; `dynamic`.

    Source: the seed study "Dynamic Pruning"; its text says 17 % of what is alive at 1/3 and at 2/3 of the
    training (the default here), its program did it at 1/12 and 1/6.

    Args:
        events: {share of the training that is over: share of the alive weights that goes}.
        build, data, epochs, seeds, batch_size, scope, criterion, layers: See `one_shot`.
    """
    bench = _Bench(build, data, epochs, seeds, batch_size, scope, criterion, layers)
    return bench.comparison(*_dynamic(bench, _check_events(AS_WRITTEN if events is None else events)))


def sparse_training(
    build: Callable[[], keras.Model],
    data: Sequence,
    sparsity: float = 0.3,
    epochs: int = 10,
    seeds: int | Sequence[int] = 16,
    batch_size: int = 32,
    scope: str = "kernel",
    criterion: Criterion = "magnitude",
    layers: Choice = None,
    frequency: int = 100,
    moved: float = 0.3,
) -> Comparison:
    """Train a network that is sparse from the start, and let its connections move.

    Weights go by chance at the start. From then on, every `frequency` batches until three quarters of the training
    of T batches are over, the smallest of those that are alive go and as many come back, which start at 0:

        moved / 2 * (1 + cos(pi batch / (3/4 T)))   of what is alive

    Variants, all of equal budget: `unpruned`; `static`, whose connections stay; `SET`, where chance says what comes
    back; `RigL`, where the weights with the largest gradients do (on 256 samples, as if they were there). Moments of
    the optimizer stay as they are.

    Source: Mocanu et al., Nature Communications 2018 (SET); Evci et al., ICML 2020 (RigL).

    Args:
        frequency: Batches from one move to the next.
        moved: Share of the alive weights that moves at the start.
        build, data, sparsity, epochs, seeds, batch_size, scope, criterion, layers: See `one_shot`; `criterion` says
            what goes during the training.
    """
    bench = _Bench(build, data, epochs, seeds, batch_size, scope, criterion, layers)
    frequency, moved = positive_integer(frequency, "frequency"), fraction(moved, "moved")
    return bench.comparison(*_sparse(bench, fraction(sparsity, "sparsity"), frequency, moved))


def compare_recipes(
    build: Callable[[], keras.Model],
    data: Sequence,
    sparsity: float = 0.3,
    events: Mapping[float, float] | None = None,
    epochs: int = 10,
    seeds: int | Sequence[int] = 16,
    batch_size: int = 32,
    scope: str = "global",
    criterion: Criterion = "magnitude",
    layers: Choice = None,
) -> Comparison:
    """`one_shot`, `lottery_ticket` and `dynamic_pruning` in one table, on one set of unpruned trainings.

    Arguments as there; without `events`, two equal ones at 1/3 and 2/3 that end at `sparsity`.
    """
    bench = _Bench(build, data, epochs, seeds, batch_size, scope, criterion, layers)
    sparsity = fraction(sparsity, "sparsity")
    each = 1 - (1 - sparsity) ** 0.5
    events = _check_events({1 / 3: each, 2 / 3: each} if events is None else events)
    variants: list[Variant] = []
    controls: dict[str, str] = {}
    for more, others in (_one_shot(bench, sparsity), _lottery(bench, sparsity, 0), _dynamic(bench, events)):
        variants += more
        controls |= others
    return bench.comparison(variants, controls)


def _one_shot(bench, sparsity):
    pruned = bench.prune(bench.trained, sparsity)
    on = bench.runs.train(pruned, bench.steps)
    names = ("one-shot", "one-shot, trained on")
    variants = [bench.runs.finish(name, run) for name, run in zip(names, (pruned, on), strict=True)]
    return [*variants, bench.twice], {names[1]: TWICE}


def _lottery(bench, sparsity, rewind_epoch):
    early = bench.runs.train(bench.runs.begin(), rewind_epoch * bench.runs.steps_per_epoch)
    variants = []
    for name, criterion in (("lottery ticket", bench.criterion), ("random ticket", "random")):
        ticket = bench.runs.rewind(bench.prune(bench.trained, sparsity, criterion), early)
        variants.append(bench.runs.finish(name, bench.runs.train(ticket, bench.steps - early.step)))
    return [*variants, bench.twice], {variant.name: TWICE for variant in variants}


def _dynamic(bench, events):
    run = bench.runs.begin()
    for place, share in sorted(events.items()):
        run = bench.prune(bench.runs.train(run, round(place * bench.steps) - run.step), share)
    return [bench.runs.finish("dynamic", bench.runs.train(run, bench.steps - run.step))], {}


def _sparse(bench, sparsity, frequency, moved):
    runs = bench.runs
    start = bench.prune(runs.begin(), sparsity, "random")
    variants, end = [runs.finish("static", runs.train(start, bench.steps))], round(0.75 * bench.steps)
    for name, growth in (("SET", "random"), ("RigL", "gradient")):
        run = start
        for step in range(frequency, end, frequency):
            share = moved / 2 * (1 + math.cos(math.pi * step / end))
            run = runs.regrow(runs.train(run, step - run.step), share, bench.scope, bench.criterion, growth)
        variants.append(runs.finish(name, runs.train(run, bench.steps - run.step)))
    return variants, {}


def _check_events(events: Mapping[float, float]) -> dict[float, float]:
    if not isinstance(events, Mapping) or not events:
        raise TypeError(f"`events` must be {{share of the training: share that goes}}. Received: events={events!r}")
    return {fraction(place, "events"): fraction(share, "events") for place, share in events.items()}
