"""What results/ says of the package beside others: one row a comparison."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring.results import record

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
MODES = ("float", "learn_scales", "freeze_scales")
TASKS = {"fit": "training step", "predict": "inference", "forward": "forward", "forward_backward": "forward, backward"}
PEERS = {
    "hgq2": "HGQ2, a bit width for every weight and activation",
    "hgq2_per_tensor": "HGQ2, a bit width a tensor",
    "tfmot": "tfmot quantize_model, 8 bits",
}
STRUCTURED = {
    "acdc_1": "ACDCDense(1024, depth=1)",
    "acdc_12": "ACDCDense(1024, depth=12)",
    "phm_8_terms": "PHMDense(1024, terms=8)",
    "lphm_rank_8": "LPHMDense(1024, rank=8)",
    "dual_lphm_rank_8": "DualLPHMDense(1024, rank=8)",
    "low_rank_8": "LowRankDense(1024, rank=8)",
    "random_basis_64": "RandomBasisDense(1024, dimensions=64)",
}


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        subject: what is compared; rows of a subject stand together.
        case: the setting, as the plot names it.
        ours: our side.
        other: the other side.
        quantity: "time" or "bytes".
        ratio: the other side's over ours; above 1, ours takes less. None where the other side did not run.
        range: the lowest and the highest ratio of the rounds, where there were rounds.
        reason: why there is no ratio.
        backend: of Keras, for our side; empty where none computes.
        plotted: whether the plot shows it.
        result, script, date, versions: where the figures come from.
    """

    subject: str
    case: str
    ours: str
    other: str
    quantity: str
    ratio: float | None
    range: list[float] | None
    reason: str
    backend: str
    plotted: bool
    result: str
    script: str
    date: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Source:
    """A file of results, and the rows that are made of it."""

    name: str
    directory: Path

    @property
    def record(self) -> dict[str, Any]:
        return record(self.name, self.directory)

    @property
    def figures(self) -> dict[str, Any]:
        return self.record["figures"]

    def row(
        self, subject, case, ours, other, ratio, range=None, *, quantity="time", backend="", plotted=True, reason=""
    ):
        """A row of this file; the script is the first word of its command that names one."""
        found = self.record
        script = next(word for word in found["command"].split() if word.startswith("scripts/"))
        numbers = None if ratio is None else float(f"{ratio:.4g}")
        range = range and [float(f"{end:.4g}") for end in range]
        place = (f"results/{self.name}.json", script, found["date"], found["versions"])
        return Row(subject, case, ours, other, quantity, numbers, range, reason, backend, plotted, *place)


def benchmark_rows(directory: Path) -> list[Row]:
    """All rows of the files in a folder."""
    return [row for reader in READERS for row in reader(lambda name: Source(name, directory))]


Read = Callable[[str], Source]


def network_rows(read: Read) -> Iterator[Row]:
    """Quantized layers against plain ones."""
    for source, backend, task, batch, sides in network_tasks(read):
        for mode in MODES:
            side = sides[mode]
            yield source.row(
                f"The study's network in our layers against plain Keras layers, batch {batch}",
                f"{TASKS[task]}, mode {mode}",
                f"ConvQ, DenseQ, AveragePoolingQ, mode {mode}",
                "Conv2D, Dense, AveragePooling2D",
                side["times_faster"],
                side["range"],
                backend=backend,
                plotted=batch == 256,
            )


def peer_rows(read: Read) -> Iterator[Row]:
    """Quantized layers against those of others, where they run."""
    for source, backend, task, batch, sides in network_tasks(read):
        versions = source.figures["networks"]["peers"]
        for peer, words in PEERS.items():
            version = versions.get(peer.split("_")[0])
            if version is None:
                continue
            found = sides.get(peer, {"failed": version})
            against = found.get("against_ours", {})
            yield source.row(
                f"The study's network in our layers, mode learn_scales, against other packages, batch {batch}",
                f"{TASKS[task]}: {words}",
                "ConvQ, DenseQ, AveragePoolingQ, mode learn_scales",
                f"{words} ({version})",
                against.get("times_faster"),
                against.get("range"),
                reason=found.get("failed", ""),
                backend=backend,
                plotted=batch == 256,
            )


def network_tasks(read):
    """(source, backend, task, batch, sides) of the files of benchmark_layers.py."""
    for task in ("fit", "predict"):
        for batch in (32, 256):
            for backend in ("tensorflow", "jax"):
                source = read(f"benchmark_layers_{backend}")
                yield source, backend, task, batch, source.figures["networks"][f"{task}_batch_{batch}"]


def structured_rows(read: Read) -> Iterator[Row]:
    """Structured layers against Dense: all of them at one size, some at larger ones."""
    subject = "Structured layers against Dense of the same size"
    for task in ("forward", "forward_backward"):
        for layer, words in STRUCTURED.items():
            for backend in ("tensorflow", "jax"):
                source = read(f"benchmark_layers_{backend}")
                side = source.figures["layers"][task][layer]
                yield source.row(
                    subject,
                    f"{words}, {TASKS[task]}",
                    words,
                    "Dense(1024)",
                    side["times_faster"],
                    side["range"],
                    backend=backend,
                    plotted=task == "forward_backward",
                )
    yield from larger_layer_rows(read, subject)


def larger_layer_rows(read, subject):
    """Sizes at which structure pays."""
    kronecker = {"tensorflow": "benchmark_kronecker", "jax": "benchmark_kronecker_jax"}
    for size in (4096, 8192):
        for backend in kronecker:
            source = read(f"benchmark_acdc_{backend}")
            side = source.figures[f"gradients_{size}_batch_128"]["dct2d"]
            ours = f'ACDC("dct2d") of {size}'
            names = (f"{ours}, forward, backward", ours, f"Dense({size})")
            yield source.row(subject, *names, side["times_dense"], side["times_dense_range"], backend=backend)
        for backend, name in kronecker.items():
            source = read(name)
            side = source.figures["sizes"][str(size)]["dual_lphm_rank_8"]["forward_backward"]
            ours = f"DualLPHMDense({size}, rank=8)"
            names = (f"{ours}, forward, backward", ours, f"Dense({size})")
            yield source.row(subject, *names, side["times_faster"], side.get("range"), backend=backend)


def driver_rows(read: Read) -> Iterator[Row]:
    """Trials of the driver against `model.fit`."""
    source = read("benchmark_driver")
    for mode, sides in source.figures.items():
        for engine in ("keras", "compiled"):
            side = sides[f"{engine}_process_per_core"]
            subject = "Epochs of trials on all cores against model.fit, MNIST, batch 1024"
            case = f"engine {engine}{' (the default here)' * (engine == 'compiled')}, mode {mode}"
            names = (case, f"train_network, {case}", "model.fit")
            yield source.row(subject, *names, side["times_fit"], side["times_fit_range"], backend="tensorflow")


def tinybig_rows(read: Read) -> Iterator[Row]:
    """The package of the same name."""
    source = read("benchmark_tinybig")
    sides = {"tensorflow": "tensorflow_tinybig_jit", "jax": "jax_tinybig_jit", "torch": "torch_tinybig"}
    subject = "TaylorDualLPHM against the package tinybig, its 9,330-parameter network"
    for backend, name in sides.items():
        side = source.figures[name]
        names = ("training step", "TaylorDualLPHM", "tinybig")
        yield source.row(subject, *names, side["times_faster"], side["range"], backend=backend)
    package = source.figures["tinybig_package"]["added_megabytes"]
    memory = package / source.figures["torch_tinybig"]["added_megabytes"]
    names = ("memory of training", "TaylorDualLPHM", "tinybig")
    yield source.row(subject, *names, memory, quantity="bytes", backend="torch")


def random_basis_rows(read: Read) -> Iterator[Row]:
    """RandomBases against a dense Gaussian basis, and what it costs beside plain SGD."""
    subject = "RandomBases, FC-MNIST, 250 dimensions, training step"
    for backend in ("tensorflow", "jax"):
        source = read(f"benchmark_random_bases_{backend}")
        rbd, gaussian = source.figures["rbd"], source.figures["gaussian_basis_twice"]
        other = "drawing a Gaussian basis twice"
        ours = "RandomBases around SGD"
        yield source.row(subject, f"against {other}", ours, other, gaussian["times_rbd"], backend=backend)
        ends = [1 / end for end in reversed(rbd["times_sgd_range"])]
        yield source.row(subject, "against plain SGD", ours, "SGD", 1 / rbd["times_sgd"], ends, backend=backend)


def litert_rows(read: Read) -> Iterator[Row]:
    """Bytes of the same network in LiteRT int8."""
    source = read("compare_litert")
    words = {
        "model_short_names": ("weights in flash", ".tflite file (one-letter names)"),
        "arena_activation": ("arena", "tensors in LiteRT's arena"),
        "arena_total": ("all static RAM", "LiteRT's arena"),
    }
    for key, (ours, other) in words.items():
        ratio = source.figures["ratios"].get(key)  # the total is there where tflite-micro was
        if ratio:
            subject = "Bytes of the C of the 2 KB network, 4 bits, against LiteRT, 8 bits"
            yield source.row(subject, f"{ours} against {other}", ours, other, ratio, quantity="bytes")


def storage_rows(read: Read) -> Iterator[Row]:
    """Pricing against building and counting."""
    source = read("benchmark_storage")
    words = {
        ("chains", "description"): ("a chain, from its description", "estimate_storage"),
        ("chains", "model"): ("a chain, its quantized model built", "estimate_storage"),
        ("resnet8", "model"): ("ResNet-8, its quantized model built", "estimate_storage"),
        ("architectures", "name"): ("reference architectures, by name, no bytes", "architecture_cost"),
    }
    for (part, side), (case, ours) in words.items():
        found = source.figures[part][side]
        subject = "Bytes before training against building the plain Keras model and count_params"
        names = (case, ours, "build, count_params")
        yield source.row(subject, *names, found["times_faster"], found["range"])


READERS = (
    network_rows,
    peer_rows,
    structured_rows,
    driver_rows,
    tinybig_rows,
    random_basis_rows,
    litert_rows,
    storage_rows,
)
