"""What a pruned 4-bit network takes in C: weights, decoder, flash and cycles, sparse against dense.

Trains a small dense network on the digits, prunes it on the way (polynomial schedule), and exports it twice: with
its pruned kernels in the smallest encoding, and densely. Both must give the integer model's logits on all test
images. The decoder is what the code of the sparse program has more than that of the dense one, measured on a
simulated ATmega328P where the tools are installed.

    python scripts/measure_pruned_firmware.py [--quick]
"""

import argparse
import json
import tempfile

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.export.verify import ToolFailedError, ToolMissingError, run_on_avr, run_on_host
from measuring.results import write_results

SPARSITIES = (0.3, 0.5, 0.7, 0.8, 0.9)
UNITS = 64


def trained(data, sparsity, epochs):
    """A network whose scales are learned while its kernels are pruned, stripped; and its test accuracy."""
    keras.utils.set_random_seed(0)
    layers = [
        keras.Input((8, 8, 1)),
        ke.ConvQ(8, 3, activation="relu"),
        keras.layers.Flatten(),
        ke.DenseQ(UNITS, activation="relu"),
        ke.DenseQ(10, activation_bits=8),
    ]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"])
    model.fit(data.x_train, data.y_train, epochs=epochs, batch_size=64, verbose=0)
    ke.calibrate(model, x=data.x_train[:128], rule="percentile")
    ke.set_mode(model, "learn_scales")
    steps = epochs * -(-len(data.x_train) // 64)
    schedule = ke.PolynomialDecay(0.0, sparsity, 0, steps // 2, frequency=max(1, steps // 40))
    pruned = ke.prune_model(model, schedule)
    pruned.fit(data.x_train, data.y_train, epochs=epochs, batch_size=64, verbose=0, callbacks=[ke.PruningCallback()])
    stripped = ke.strip_pruning(pruned)
    ke.set_mode(stripped, "freeze_scales")
    return stripped


def program(model, images, sparse, on_device):
    """Bytes of one export, and whether its logits are the integer model's."""
    with tempfile.TemporaryDirectory() as directory:
        report = ke.export_c(model, directory, sparse=sparse)
        expected = ke.export.IntegerModel(model).predict(images)
        figures = {
            "weight_bytes": report.weight_bytes,
            "formats": [row["weight_format"] for row in report.layers if "weight_format" in row],
            "equal_logits": int((run_on_host(directory, images).logits == expected).all(axis=1).sum()),
        }
        try:
            run = run_on_avr(directory, images[:on_device], optimization="-Os")
        except (ToolMissingError, ToolFailedError) as error:
            return {**figures, "avr": str(error).strip().splitlines()[-1]}
    return {
        **figures,
        "flash_bytes": run.flash_bytes,
        "code_bytes": run.flash_bytes - report.weight_bytes,
        "mean_cycles": run.image_cycles.mean,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two sparsities, few epochs and images")
    quick = parser.parse_args().quick
    data = ke.datasets.load_dataset("digits")
    images = np.round(data.x_test * 256).astype(np.uint8)[: 20 if quick else None]
    figures = {"images": len(images), "networks": []}
    for sparsity in (0.5, 0.8) if quick else SPARSITIES:
        model = trained(data, sparsity, 2 if quick else 40)
        estimate = ke.estimate_storage(model)
        sparse, dense = (program(model, images, choice, 2 if quick else 16) for choice in (True, False))
        row = {"sparsity": sparsity, "predicted_weight_bytes": estimate.weight_bytes, "sparse": sparse, "dense": dense}
        row["weights_ratio"] = sparse["weight_bytes"] / dense["weight_bytes"]
        if "code_bytes" in sparse and "code_bytes" in dense:
            row["decoder_bytes"] = sparse["code_bytes"] - dense["code_bytes"]
            row["flash_ratio"] = sparse["flash_bytes"] / dense["flash_bytes"]
        logits = ke.export.IntegerModel(model).predict(images)
        row["test_accuracy"] = float((logits.argmax(axis=1) == data.y_test[: len(images)]).mean())
        figures["networks"].append(row)
        print(json.dumps(row, indent=1), flush=True)
    write_results("pruned_firmware", figures, [0], quick=quick)


if __name__ == "__main__":
    main()
