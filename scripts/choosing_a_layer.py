"""One dense layer in fourteen forms: the bytes, the speed and the accuracy of each.

    image (784) -> the layer: 256 units, relu -> Dense(10)

on MNIST. Every form is trained for as many epochs. The learning rate is chosen of three by the validation accuracy of
the first seed; the trainings with that rate see the test images once, after their last epoch. Bytes are those of the
layer alone, as `ke.estimate_storage` prices it. The forward time is that of the layer alone against Keras's Dense in
the same process, in turn, compiled.

    python scripts/choosing_a_layer.py --data-dir DIR [--quick]
    python scripts/choosing_a_layer.py --data-dir DIR --only Monarch     # these forms, in the results that are there
    python scripts/choosing_a_layer.py --times     # measures the forward times anew, on a machine with less to do
"""

import argparse
import dataclasses
from collections.abc import Callable

import keras

import keras_efficient as ke
from measuring.epochs import accuracy
from measuring.results import record, write_results
from measuring.timing import compare, forward_step
from measuring.trainings import spread

INPUTS, UNITS, BATCH = 784, 256, 128
FACTOR = (16, 28)  # p and q of the Kronecker products: the square roots of units and inputs
LABELS = ("y_train", "y_val", "y_test")
RATES, SEEDS, EPOCHS, ROUNDS = (1e-3, 3e-3, 1e-2), (0, 1, 2), 5, 41
BITS = {"kernel_bits": 4, "bias_bits": 8, "activation_bits": 4}
_LOSS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


@dataclasses.dataclass(frozen=True)
class Form:
    """A form of the layer. `make(**common)` gives it; the rest says how it is trained.

    quantized: half of the epochs float, the other half with rounding and scales that train.
    sparsity: share of zeros in its kernel at the end. rate: factor on the learning rates.
    diagonals: the factors of ACDC take larger steps.
    """

    make: Callable
    quantized: bool = False
    sparsity: float = 0.0
    rate: float = 1.0
    diagonals: bool = False

    def layer(self):
        """A new layer, not yet built."""
        return self.make(activation="relu", name="layer", **(BITS if self.quantized else {}))


def forms():
    """The forms by their names in the table, Keras's own first."""

    def dense(**common):
        return (ke.DenseQ if "kernel_bits" in common else keras.layers.Dense)(UNITS, **common)

    def low_rank(**common):
        return ke.LowRankDense(UNITS, rank=16, **common)

    def monarch(**common):
        return ke.MonarchDense(UNITS, blocks=16, **common)

    def phm(**common):
        return ke.PHMDense(UNITS, 4, *FACTOR, **common)

    def acdc(**common):
        return ke.ACDCDense(UNITS, depth=4, transform="dct2d", **common)

    def random_basis(**common):
        return ke.RandomBasisDense(UNITS, dimensions=1000, **common)

    return {
        "`keras.layers.Dense`": Form(dense),
        "`DenseQ`, 4 bits": Form(dense, quantized=True),
        "`Dense`, pruned to 80 % zeros": Form(dense, sparsity=0.8),
        "`DenseQ`, 4 bits, pruned to 80 % zeros": Form(dense, quantized=True, sparsity=0.8),
        "`LowRankDense(rank=16)`": Form(low_rank),
        "`LowRankDense(rank=16)`, 4 bits": Form(low_rank, quantized=True),
        "`MonarchDense(blocks=16)`": Form(monarch),
        "`MonarchDense(blocks=16)`, 4 bits": Form(monarch, quantized=True),
        "`ACDCDense(depth=4)`": Form(acdc, diagonals=True),
        "`PHMDense(terms=4)`": Form(phm),
        "`PHMDense(terms=4)`, 4 bits": Form(phm, quantized=True),
        "`RandomBasisDense(dimensions=1000)`": Form(random_basis, rate=10),
        "`LPHMDense(rank=8)`": Form(lambda **common: ke.LPHMDense(UNITS, 8, *FACTOR, **common)),
        "`DualLPHMDense(rank=4)`": Form(lambda **common: ke.DualLPHMDense(UNITS, 4, *FACTOR, **common)),
    }


def train(form, data, seed, rate, epochs):
    """The trained network, plain: without masks, in the mode it is used in."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((INPUTS,)), form.layer(), keras.layers.Dense(10, name="classes")])
    halves = [epochs - epochs // 2, epochs // 2] if form.quantized else [epochs]
    if form.sparsity:
        model = ke.prune_model(model, schedule(form, len(data.x_train) // BATCH * halves[0]), ["layer"])
    fit(model, form, data, rate, halves[0])
    if form.quantized:
        ke.calibrate(model, x=data.x_train[:256], rule="percentile")
        ke.set_mode(model, "learn_scales")
        fit(model, form, data, rate, halves[1])
    return ke.strip_pruning(model) if form.sparsity else model


def schedule(form, steps):
    """Zeros from a quarter of so many steps to three quarters of them."""
    frequency = max(1, steps // 40)
    return ke.PolynomialDecay(0.0, form.sparsity, begin_step=steps // 4, end_step=3 * steps // 4, frequency=frequency)


def fit(model, form, data, rate, epochs):
    """Train; the learning rate falls as a cosine."""
    steps = len(data.x_train) // BATCH
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(rate * form.rate, epochs * steps))
    optimizer = ke.DiagonalRates(optimizer) if form.diagonals else optimizer
    callbacks = [ke.PruningCallback()] if form.sparsity else []
    model.compile(optimizer, _LOSS, steps_per_execution=1 if callbacks else min(steps, 64))
    x, y = data.x_train[: steps * BATCH], data.y_train[: steps * BATCH]
    model.fit(x, y, batch_size=BATCH, epochs=epochs, callbacks=callbacks, verbose=0)


def measure(form, data, settings):
    """Learning rate, bytes and accuracies of a form."""

    def trained(seed, rate):
        model = train(form, data, seed, rate, settings["epochs"])
        return model, accuracy(model, data.x_val, data.y_val)

    first, *others = settings["seeds"]
    tries = {rate: trained(first, rate) for rate in settings["learning_rates"]}
    chosen = max(tries, key=lambda rate: tries[rate][1])
    finals = [tries[chosen], *(trained(seed, chosen) for seed in others)]
    row = next(row for row in ke.estimate_storage(finals[0][0]).layers if row.name == "layer")
    return {
        "bytes": float(row.weight_bytes),
        "numbers": row.parameters,
        "learning_rate": chosen * form.rate,
        "validation_accuracy": spread([val_accuracy for _, val_accuracy in finals]),
        "test_accuracy": spread([accuracy(model, data.x_test, data.y_test) for model, _ in finals]),
    }


def forward_times(every, rounds):
    """How many times as long as Dense each form takes for a batch, forward; a pruned layer is a plain one when used."""
    x = keras.random.normal((BATCH, INPUTS), seed=0)
    plain = {name: form for name, form in every.items() if not form.sparsity}
    models = {name: keras.Sequential([keras.Input((INPUTS,)), form.layer()]) for name, form in plain.items()}
    for model in models.values():
        ke.set_mode(model, "freeze_scales")
    times = compare({name: forward_step(model) for name, model in models.items()}, x, rounds)
    found = {(form.make, form.quantized): 1 / times[name]["times_faster"] for name, form in plain.items()}
    return {name: round(found[form.make, form.quantized], 2) for name, form in every.items()}


def earlier_rows():
    """The figures that are there, each form with the date and the machine that it was measured on."""
    earlier = record("choosing_a_layer")
    for row in earlier["figures"]["forms"].values():
        row.setdefault("measured", {"date": earlier["date"], "machine": earlier["machine"]})
    return earlier["figures"]


def load(data_dir, quick):
    """MNIST, an image a row."""
    data = ke.datasets.load_dataset("mnist", data_dir)
    count = 1_000 if quick else None
    rows = {part: getattr(data, part)[:count].reshape(-1, INPUTS) for part in ("x_train", "x_val", "x_test")}
    return dataclasses.replace(data, **rows, **{part: getattr(data, part)[:count] for part in LABELS})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--quick", action="store_true", help="1,000 images of each part, two epochs, one rate and seed")
    parser.add_argument("--only", default="", help="a part of the names of the forms to measure; the others stay")
    parser.add_argument("--times", action="store_true", help="only the forward times, in the results that are there")
    arguments = parser.parse_args()
    settings = {"learning_rates": RATES, "seeds": SEEDS, "epochs": EPOCHS, "batch": BATCH}
    if arguments.quick:
        settings = {"learning_rates": RATES[1:2], "seeds": SEEDS[:1], "epochs": 2, "batch": BATCH}
    every = forms()
    chosen = {name: form for name, form in every.items() if arguments.only in name}
    if not chosen:
        parser.error(f"--only must be a part of a form's name, of {', '.join(every)}. Received: {arguments.only}")
    first = dict(list(every.items())[:1])  # Dense, which all times are compared to
    times = forward_times(first | chosen, 3 if arguments.quick else ROUNDS)
    print(times, flush=True)
    found = {"dataset": "mnist", "inputs": INPUTS, "units": UNITS, **settings, "forms": {}}
    if arguments.times or arguments.only:
        found = earlier_rows()
    if not arguments.times:
        data = load(arguments.data_dir, arguments.quick)
        found["forms"] |= {name: measure(form, data, settings) for name, form in chosen.items()}
    for name in chosen:
        found["forms"][name]["forward_time"] = times[name]
        print(name, found["forms"][name])
    print(
        write_results(
            "choosing_a_layer", found, settings["seeds"], arguments.quick, continued=bool(arguments.only)
        ).name
    )


if __name__ == "__main__":
    main()
