"""Error of int8 LiteRT files of ACDC networks on data of unit variance, and their bytes.

N = 64; root of the mean squared difference between the file's output and the Keras model's over 1,000 samples, divided
by the deviation of the model's output; 256 other samples calibrate. Diagonals N(1, 0.06).

    python scripts/measure_acdc_litert.py [--quick]
"""

import argparse
import statistics

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.export.litert_report import litert_outputs
from measuring.results import write_results

SIZE = 64


def networks(seed):
    """Stacks by name."""
    found = {}
    for transform in ("dct", "dct2d"):
        for depth in (1, 2, 4, 12):
            for activation in (None, "relu") if depth > 1 else (None,):
                start = keras.initializers.RandomNormal(1.0, 0.06, seed=seed)
                layer = ke.ACDCDense(
                    SIZE, depth, transform, "random", activation, seed=seed, diagonal_initializer=start
                )
                name = f"{transform}, {depth} layers, {activation or 'linear'}"
                found[name] = keras.Sequential([keras.Input((SIZE,)), layer])
    return found


def measure(model, samples):
    """Bytes of the file, and the relative error of its outputs."""
    content = ke.export.convert_litert(model, samples[:256])
    outputs = litert_outputs(content, samples[256:])
    expected = model.predict(samples[256:], batch_size=1000, verbose=0)
    error = float(np.sqrt(np.mean((outputs - expected) ** 2)))
    return {"bytes": len(content), "error": error, "relative_error": error / float(expected.std())}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed")
    seeds = [0] if parser.parse_args().quick else [0, 1, 2]
    found = {}
    for seed in seeds:
        samples = np.random.default_rng(seed).normal(size=(1256, SIZE)).astype("float32")
        for name, model in networks(seed).items():
            found.setdefault(name, []).append(measure(model, samples))
    figures = {
        name: {key: statistics.mean(each[key] for each in runs) for key in runs[0]} for name, runs in found.items()
    }
    for name, row in figures.items():
        print(name, row)
    write_results("acdc_litert", figures, seeds=seeds, quick=len(seeds) == 1)


if __name__ == "__main__":
    main()
