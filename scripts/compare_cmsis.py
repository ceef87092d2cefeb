"""Instructions, flash and RAM of our C on simulated Cortex-M cores, beside CMSIS-NN's kernels with the same shapes.

The four networks of MLPerf Tiny by shape, with random weights and biases, at 8, 4 and 2 bits, and the study's network
(models/mnist_2kb, trained, 4 bits). Ours as `export_c` writes them with target "arm" (portable C) and "dsp" (two
products at a time); every run's logits are compared with the integer model. Instructions are exact; cycles are an
estimate for a Cortex-M4 whose memory has no wait states, by one rule for both sides. Takes a quarter of an hour.
Needs gcc-arm-none-eabi and qemu-system-arm; for the other side also cmake and a clone of the public repository:

    git clone https://github.com/ARM-software/CMSIS-NN
    python scripts/compare_cmsis.py --cmsis-nn CMSIS-NN

Without --cmsis-nn only ours is counted, and the record says so. --quick: one network at 8 bits and one level.
"""

import argparse
import tempfile
from pathlib import Path

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.export.verify import ToolMissingError, run_on_arm
from keras_efficient.export.verify.compilers import ARM_INSTALL
from measuring.results import ROOT, write_results
from peers.cmsis_nn import KERNELS, LEVELS, CmsisNN, built_by
from peers.counted_builds import our_build, peer_build, tools
from peers.firmware_goals import GOALS, reached
from peers.tiny_networks import BIASES, NETWORKS, WEIGHTS, autoencoder, keras_model, mnist

OUR_LEVELS = ("-Os", "-O2", "-O3")
CORES = {"dsp": ("cortex-m4", "cortex-m3"), "arm": ("cortex-m4", "cortex-m3", "cortex-m0")}
PEER_CORES = ("cortex-m4", "cortex-m3", "cortex-m0")
BITS = (8, 4, 2)
INPUTS, INPUTS_SEED = 2, 0
STUDY = ROOT / "models/mnist_2kb/mnist_2kb.keras"
STUDY_BITS = 4


def inputs(network, count):
    """Random inputs in the range of the network's."""
    random = np.random.default_rng(INPUTS_SEED)
    return random.uniform(network.lowest, 1, (count, *network.input_shape)).astype("float32")


def quantized(network, bits):
    """The network with random weights; the study's is trained."""
    if network.name == "mnist":
        return keras.saving.load_model(STUDY, compile=False)
    model, x = keras_model(network), inputs(network, 16)
    last = {model.layers[-1].name: {"activation_bits": network.logits_bits}} if network.logits_bits < 16 else {}
    return ke.quantize_model(model, kernel_bits=bits, activation_bits=bits, overrides=last, x=x)


def our_rows(network, bits, levels, folder):
    """A row for each target, core and level."""
    model = quantized(network, bits)
    integers = ke.export.IntegerModel(model)
    codes = integers.encode(inputs(network, INPUTS))
    expected = integers.predict(codes)
    for target, cores in CORES.items():
        place = folder / f"{network.name}_{bits}_{target}"
        ke.export_c(model, place, target=target, logits_bits=network.logits_bits)
        for core in cores:
            for level in levels:
                row = {"network": network.name, "bits": bits, "target": target, "core": core, "level": level}
                yield {**row, **our_build(place, codes, expected, core, level)}


def peer_rows(cmsis_nn, network, levels):
    for kernels in KERNELS:
        for core in PEER_CORES:
            for level in levels:
                row = {"network": network.name, "kernels": kernels, "core": core, "level": level}
                yield {**row, **peer_build(cmsis_nn, network, kernels, core, level, INPUTS)}


def told(rows):
    """The rows as a list, each printed when it is there."""
    kept = []
    for row in rows:
        print(", ".join(map(str, row.values())), flush=True)
        kept.append(row)
    return kept


def about_peer(cmsis_nn):
    """Where the other side comes from, and the lines that built it."""
    if cmsis_nn is None:
        return "not counted: no --cmsis-nn"
    lines = [" ".join(map(_quoted, line)) for line in built_by("CORE", "LEVEL")]
    return {
        "repository": "https://github.com/ARM-software/CMSIS-NN",
        "commit": cmsis_nn.revision,
        "built_by": lines,
        "outputs": "of every run within 1 of what numpy computes",  # peers/cmsis_nn.py raises where they are not
    }


def _quoted(word):
    return f'"{word}"' if " " in word else word


def compare(sources, quick, folder):
    """All figures."""
    networks = [autoencoder] if quick else NETWORKS
    levels = OUR_LEVELS[-1:] if quick else OUR_LEVELS
    cases = [(make(), bits) for make in networks for bits in (BITS[:1] if quick else BITS)]
    cases += [] if quick else [(mnist(), STUDY_BITS)]
    ours = told(row for network, bits in cases for row in our_rows(network, bits, levels, folder))
    cmsis_nn = None if sources is None else CmsisNN(sources.resolve(), folder)
    shapes = {network.name: network for network, _ in cases if network.logits_bits == 16}
    peers = () if cmsis_nn is None else shapes.values()
    theirs = told(row for network in peers for row in peer_rows(cmsis_nn, network, LEVELS[-1:] if quick else LEVELS))
    counted = {(row["network"], row["bits"]) for row in ours if "instructions" in row}
    return {
        "simulated": "qemu; cycles are estimates for a Cortex-M4 without wait states",
        "tools": tools(),
        "inputs": INPUTS,
        "products": {name: network.products for name, network in shapes.items()},
        "cmsis_nn_from": about_peer(cmsis_nn),
        "ours": ours,
        "cmsis_nn": theirs,
        "goals": [reached(goal, ours) for goal in GOALS if (goal.network, goal.bits) in counted],
    }


def missing_tools():
    """What to install; None where all is there."""
    try:
        run_on_arm(ROOT / "models/mnist_2kb/c", np.zeros((1, 784), int))
    except ToolMissingError as error:
        return str(error)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cmsis-nn", type=Path, help="a clone of CMSIS-NN; without it only ours is counted")
    parser.add_argument("--quick", action="store_true", help="one network at 8 bits, one level")
    arguments = parser.parse_args()
    if missing := missing_tools():
        figures = {"not counted": missing, "install": ARM_INSTALL}
    else:
        with tempfile.TemporaryDirectory() as folder:
            figures = compare(arguments.cmsis_nn, arguments.quick, Path(folder))
    write_results("compare_cmsis", figures, [WEIGHTS, BIASES, INPUTS_SEED], arguments.quick)
    wrong = [row for row in figures.get("ours", []) if not row.get("equal")]
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
