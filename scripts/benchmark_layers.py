"""Quantized layers against plain Keras layers and against peers, and structured layers against Dense, on one core.

Networks: the study's network for MNIST (average pooling, three convolutions of 3 x 3, max pooling, dense), in plain
Keras layers, in ours in each mode, and, on request, in

    hgq2             HGQ2 (pip install HGQ2), as it comes: a bit width for every weight and activation
    hgq2_per_tensor  the same with one bit width a tensor, which is nearest to ours
    tfmot            tfmot.quantization.keras.quantize_model (pip install 'keras_efficient[tfmot]'), TensorFlow only.
                     It is Keras 2 and turns tf.keras into it, so that it has a process of its own

"fit" and "predict" are Keras's, as a user calls them without further settings: XLA on JAX, none on TensorFlow. All
sides take turns; a time is the processor time of the process on one core, since wall time counts other work on the
machine. A ratio is to the plain network in the same round (tfmot: in Keras 2), median of the rounds. The network in
Keras 2 also runs in the process of our layers; "against_ours" is learn_scales against a peer, with tfmot each in units
of that network in its own process.

Layers: 1024 to 1024, batch 64, against Dense; forward, and forward and backward to weights and input.

    KERAS_BACKEND=tensorflow python scripts/benchmark_layers.py [--peers hgq2,tfmot] [--quick]
    KERAS_BACKEND=jax python scripts/benchmark_layers.py [--peers hgq2] [--quick]
"""

import argparse
import importlib.metadata
import importlib.util
import statistics
import sys
import time
from pathlib import Path

import keras

import keras_efficient as ke
from measuring.results import write_results
from measuring.timing import compare, forward_step, gradient_step, in_new_process, summary
from peers.layer_sides import MODES
from peers.serving import ServingProcess

SIDES = Path(__file__).parent / "peers" / "layer_sides.py"
# Name on the command line: module, distribution, sides
PEERS = {
    "hgq2": ("hgq", "HGQ2", ("hgq2", "hgq2_per_tensor")),
    "tfmot": ("tensorflow_model_optimization", "tensorflow-model-optimization", ("tf_keras", "tfmot")),
}
NEAREST = "learn_scales"  # of our modes, to what the peers do
SIZE, BATCH, SEED = 1024, 64, 0


def installed(peers):
    """The peers that are there, with their versions."""
    return {
        name: importlib.metadata.version(PEERS[name][1]) for name in peers if importlib.util.find_spec(PEERS[name][0])
    }


class Sides:
    """The processes, and which of them has which side."""

    def __init__(self, peers):
        modern = ["plain", *MODES, *(PEERS["hgq2"][2] if "hgq2" in peers else ())]
        both = ["tf_keras"] if "tfmot" in peers else []
        self.process = ServingProcess(sys.executable, SIDES, [], {})
        self.places = {side: (self.process, side) for side in modern}
        self.places |= {f"{side}_beside_ours": (self.process, side) for side in both}
        self.legacy = ServingProcess(sys.executable, SIDES, [], {"TF_USE_LEGACY_KERAS": "1"}) if both else None
        if both:
            self.places |= {side: (self.legacy, side) for side in PEERS["tfmot"][2]}

    def seconds(self, side, task, batch):
        """Processor seconds a batch; text where the side does not run."""
        process, name = self.places[side]
        return process.ask(f"{name} {task} {batch}")

    def close(self):
        """End the processes; the numbers that each side's network holds."""
        found = self.process.close()
        return found | (self.legacy.close() if self.legacy else {})


def measure(sides, task, batch, rounds):
    """Figures of a task: each side against its plain network; what did not run, with the reason."""
    first = {side: sides.seconds(side, task, batch) for side in sides.places}  # compiles
    failed = {side: {"failed": reason} for side, reason in first.items() if isinstance(reason, str)}
    taken = {side: [] for side in first if side not in failed}
    for _ in range(rounds):
        for side, times in taken.items():
            times.append(sides.seconds(side, task, batch))
    figures = {side: summary(times, taken[yardstick(side)]) for side, times in taken.items()}
    for side in set(taken) - {"plain", "tf_keras", "tf_keras_beside_ours", *MODES}:
        figures[side]["against_ours"] = against_ours(taken, side)
    return figures | failed


def yardstick(side):
    """The plain network of the same Keras, in the same process."""
    return "tf_keras" if side == "tfmot" else "tf_keras_beside_ours" if side == "tf_keras_beside_ours" else "plain"


def against_ours(taken, peer):
    """How many times faster our nearest mode is than a peer."""
    rounds = list(zip(taken[peer], taken[NEAREST], strict=True))
    if peer == "tfmot":
        units = zip(taken["tf_keras"], taken["tf_keras_beside_ours"], strict=True)
        rounds = [(a / there, b / here) for (a, b), (there, here) in zip(rounds, units, strict=True)]
    ratios = [a / b for a, b in rounds]
    return {
        "times_faster": round(statistics.median(ratios), 3),
        "range": [round(min(ratios), 3), round(max(ratios), 3)],
    }


def measure_networks(peers, versions, batches, rounds):
    """Training and inference of the network in all libraries."""
    sides = Sides(versions)
    figures = {"rounds": rounds, "mode_beside_peers": NEAREST, "peers": {}}
    for name in peers:
        figures["peers"][name] = versions.get(name, "not installed")
    for task in ("fit", "predict"):
        for batch in batches:
            figures[f"{task}_batch_{batch}"] = measure(sides, task, batch, rounds)
            print(task, batch, short(figures[f"{task}_batch_{batch}"]), flush=True)
    return figures | {"parameters": sides.close()}


def structured_layers():
    """The sides of the table, Dense first."""
    return {
        "dense": keras.layers.Dense(SIZE),
        "acdc_1": ke.ACDCDense(SIZE, 1, activation=None),
        "acdc_12": ke.ACDCDense(SIZE),
        "phm_8_terms": ke.PHMDense(SIZE, 8),
        "lphm_rank_8": ke.LPHMDense(SIZE, 8),
        "dual_lphm_rank_8": ke.DualLPHMDense(SIZE, 8),
        "low_rank_8": ke.LowRankDense(SIZE, 8),
        "random_basis_64": ke.RandomBasisDense(SIZE, 64),
    }


def measure_layers(rounds):
    """Figures of the structured layers."""
    keras.utils.set_random_seed(SEED)
    layers = structured_layers()
    x = keras.random.normal((BATCH, SIZE), seed=SEED)
    for layer in layers.values():
        layer.build((None, SIZE))
    figures = {"size": SIZE, "batch": BATCH, "rounds": rounds}
    figures["parameters"] = {name: layer.count_params() for name, layer in layers.items()}
    for task, step in {"forward": forward_step, "forward_backward": gradient_step}.items():
        steps = {name: step(layer) for name, layer in layers.items()}
        figures[task] = compare(steps, x, rounds, time.process_time)
    return figures


def short(figures):
    return {name: values.get("times_faster", values.get("failed")) for name, values in figures.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default="", help=f"comma-separated: {', '.join(PEERS)}")
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--quick", action="store_true", help="three rounds, one batch size")
    arguments = parser.parse_args()
    peers = [peer for peer in arguments.peers.split(",") if peer]
    if unknown := sorted(set(peers) - set(PEERS)):
        parser.error(f"--peers knows {', '.join(PEERS)}. Received: {', '.join(unknown)}")
    backend = keras.backend.backend()
    if "tfmot" in peers and backend != "tensorflow":
        parser.error(f"tfmot runs on TensorFlow. Received: KERAS_BACKEND={backend}")
    rounds, batches = (3, (32,)) if arguments.quick else (arguments.rounds, (32, 256))
    figures = {"backend": backend, "layers": in_new_process(measure_layers, rounds)}
    for task in ("forward", "forward_backward"):
        print(task, short(figures["layers"][task]), flush=True)
    figures["networks"] = measure_networks(peers, installed(peers), batches, rounds)
    write_results(f"benchmark_layers_{backend}", figures, [SEED], arguments.quick)


if __name__ == "__main__":
    main()
