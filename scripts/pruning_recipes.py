"""The recipes of the seed study "Dynamic Pruning" over paired seeds, on its four data sets.

    KERAS_BACKEND=jax python scripts/pruning_recipes.py penguins --data-dir DIR
    python scripts/pruning_recipes.py fashion_mnist --data-dir DIR [--seeds 16] [--sparsity 0.31 0.67 0.9]
        [--regrowth] [--width 0.25] [--images 20000] [--epochs 1] [--batch-size 64]

Every recipe runs as the text of the study says ("as written": events at 1/3 and 2/3) and, where its program did
something else, as it was run. `--sparsity` runs one-shot, lottery ticket and dynamic pruning at other sparsities,
against dense training of equal budget; with `--regrowth` networks that are sparse from the start, each kernel alike
(static, SET, RigL), beside dynamic pruning over all kernels. `--width` is a share of the study's filters and units,
`--images` of its training images the first so many: what two cores can train. The file of results says what was
taken.

A whole training is one compiled loop: take JAX for the penguins, where all seeds run side by side, and TensorFlow for
the networks with convolutions.

| data | network | training |
|---|---|---|
| penguins | 12-12(relu)-3(tanh) | cross-entropy of the tanh outputs, Adam 1e-4, batch 50, 4000 epochs |
| fashion_mnist | conv 32 - conv 64 - pool 2 - 128 - 10 | Adadelta 1.0, batch 64, 1 epoch |
| flowers | 12 - pool - 20 - 32 convs, dense 32 - 5 (tanh), at 36 x 36 | Adam 1e-4, batch 32, 20 epochs |
| cifar10 | conv 64 - 64 - pool - 128 - pool, 256 - 10 | softmax twice, Adam 1e-4, batch 4, 2 epochs |

Weights and biases start uniform in +-1/sqrt(fan_in), as in the study.
"""

import argparse
import math

import keras

import keras_efficient as ke
from keras_efficient.training.pruning import Comparison, compare_recipes, dynamic_pruning, sparse_training
from keras_efficient.training.pruning.recipes import AS_WRITTEN
from measuring.results import write_results

L = keras.layers
# The events of the programs, where they differ from the text.
AS_RUN = {
    "penguins": {333 / 4000: 0.17, 666 / 4000: 0.17},
    "fashion_mnist": {333 / 938: 0.17, 666 / 938: 0.17},
}
TRAINING = {
    "penguins": {"epochs": 4000, "batch_size": 50, "seeds": 32},
    "fashion_mnist": {"epochs": 1, "batch_size": 64, "seeds": 16},
    "flowers": {"epochs": 20, "batch_size": 32, "seeds": 8},
    "cifar10": {"epochs": 2, "batch_size": 4, "seeds": 8},
}
# Of the flowers' network the study pruned the dense layers only.
PRUNED = {"flowers": lambda layer: isinstance(layer, L.Dense)}
QUICK = {
    "penguins": {"epochs": 24, "seeds": 3},
    "fashion_mnist": {"seeds": 2},
    "flowers": {"epochs": 1, "seeds": 2},
    "cifar10": {"epochs": 1, "seeds": 2},
}
QUICK_SAMPLES = 320
REGROWTH_BATCHES = 50


@keras.saving.register_keras_serializable(package="pruning_recipes")
class FanIn(keras.initializers.Initializer):
    """Uniform in +-1/sqrt(fan_in); biases are told theirs."""

    def __init__(self, fan_in=None):
        self.fan_in = fan_in
        self.seed = keras.random.SeedGenerator()

    def __call__(self, shape, dtype=None):
        limit = 1 / math.sqrt(self.fan_in or math.prod(shape[:-1]))
        return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=self.seed)

    def get_config(self):
        return {"fan_in": self.fan_in}


def dense(units, inputs, activation=None):
    return L.Dense(units, activation, kernel_initializer=FanIn(), bias_initializer=FanIn(inputs))


def conv(filters, channels, padding="valid", activation="relu"):
    start = {"kernel_initializer": FanIn(), "bias_initializer": FanIn(9 * channels)}
    return L.Conv2D(filters, 3, padding=padding, activation=activation, **start)


def penguins(shape, width):
    return [dense(units(12, width), 12, "relu"), dense(3, units(12, width), "tanh")], 1e-4


def units(count, width):
    """The share `width` of the study's filters or units."""
    return max(1, round(count * width))


def fashion_mnist(shape, width):
    a, b, c = (units(count, width) for count in (32, 64, 128))
    inputs = b * ((shape[0] - 4) // 2) ** 2
    return [conv(a, 1), conv(b, a), L.MaxPooling2D(), L.Flatten(), dense(c, inputs, "relu"), dense(10, c)], None


def flowers(shape, width):
    a, b, c, d = (units(count, width) for count in (12, 20, 32, 32))
    body = [conv(a, 3, "same", None), L.BatchNormalization(), L.ReLU(), L.MaxPooling2D(), conv(b, a, "same")]
    body += [conv(c, b, "same", None), L.BatchNormalization(), L.ReLU(), L.Flatten()]
    return [*body, dense(d, c * (shape[0] // 2) ** 2, "relu"), dense(5, d, "tanh")], 1e-4


def cifar10(shape, width):
    a, b, c = (units(count, width) for count in (64, 128, 256))
    size = ((shape[0] - 4) // 2 - 2) // 2
    body = [conv(a, 3), conv(a, a), L.MaxPooling2D(), conv(b, a), L.MaxPooling2D(), L.Flatten()]
    # The study's loss takes the logarithm of a softmax of these outputs, which are a softmax already.
    return [*body, dense(c, b * size**2, "relu"), dense(10, c, "softmax")], 1e-4


NETWORKS = {f.__name__: f for f in (penguins, fashion_mnist, flowers, cifar10)}


def builder(name, shape, width):
    """The function that recipes call for every seed."""

    def build():
        layers, rate = NETWORKS[name](shape, width)
        model = keras.Sequential([keras.Input(shape), *layers])
        optimizer = keras.optimizers.Adadelta(1.0) if rate is None else keras.optimizers.Adam(rate, epsilon=1e-8)
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        return model

    return build


def arrays(name, data_dir, quick, image_size, images):
    """(x_train, y_train, x_val, y_val, x_test, y_test) as the study scales them."""
    data = ke.datasets.load_dataset(name, data_dir, image_size=image_size if name == "flowers" else None)
    parts = list(data.arrays())
    if name == "fashion_mnist":
        parts[::2] = [(x * (256 / 255) - 0.1307) / 0.3081 for x in parts[::2]]
    if name == "cifar10":
        parts[::2] = [x * (512 / 255) - 1 for x in parts[::2]]
    parts[:2] = [part[:images] for part in parts[:2]]
    return [part[:QUICK_SAMPLES] for part in parts] if quick else parts


def with_regrowth(build, data, sparsity, choices):
    """Static, SET and RigL, and dynamic pruning to the same sparsity in two steps."""
    table = sparse_training(build, data, sparsity, frequency=REGROWTH_BATCHES, **choices)
    each = 1 - (1 - sparsity) ** 0.5
    dynamic = dynamic_pruning(build, data, {1 / 3: each, 2 / 3: each}, **choices)["dynamic"]
    return Comparison((*table.variants, dynamic), table.seeds, {})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=NETWORKS)
    parser.add_argument("--data-dir", help="folder of the data files")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--sparsity", type=float, nargs="+", help="one comparison each; without it, the study's")
    parser.add_argument("--regrowth", action="store_true", help="sparse from the start, beside dynamic pruning")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--width", type=float, default=1.0, help="share of the study's filters and units")
    parser.add_argument("--images", type=int, help="of the training set; without it, all")
    parser.add_argument("--image-size", type=int, default=36, help="of the flowers")
    parser.add_argument("--plot", help="image file of the (last) comparison")
    parser.add_argument("--quick", action="store_true", help="few seeds, epochs and samples")
    given = parser.parse_args()
    if given.regrowth and given.sparsity is None:
        parser.error("--regrowth needs --sparsity")
    name, data = given.data, arrays(given.data, given.data_dir, given.quick, given.image_size, given.images)
    choices = {**TRAINING[name], **(QUICK[name] if given.quick else {})}
    choices |= {key: value for key in ("seeds", "epochs", "batch_size") if (value := getattr(given, key)) is not None}
    choices["layers"] = PRUNED.get(name)
    build, figures = builder(name, data[0].shape[1:], given.width), {}
    for sparsity in given.sparsity or [None]:
        title = "as written" if sparsity is None else f"sparsity {sparsity}"
        if sparsity is None:
            table = compare_recipes(build, data, 0.3, AS_WRITTEN, **choices)
        elif given.regrowth:
            table = with_regrowth(build, data, sparsity, choices)
        else:
            table = compare_recipes(build, data, sparsity, **choices)
        figures[title] = table.to_dict()
        print(f"{name}, {title}\n{table}\n", flush=True)
    if given.sparsity is None and name in AS_RUN:
        run = dynamic_pruning(build, data, AS_RUN[name], **choices)
        figures["dynamic as run"] = run.to_dict()
        print(f"{name}, dynamic at the epochs of the program\n{run}\n")
    if given.plot:
        table.plot(given.plot)
    seeds = list(range(choices["seeds"]))
    which = f"pruning_{name}" + ("_regrowth" if given.regrowth else "_sparsities" if given.sparsity else "")
    training = {key: value for key, value in choices.items() if key != "layers"}
    training |= {"width": given.width, "images": len(data[0])}
    training |= {"image_size": given.image_size} if name == "flowers" else {}
    write_results(which, {"training": training, **figures}, seeds, quick=given.quick)


if __name__ == "__main__":
    main()
