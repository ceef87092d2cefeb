"""Hostile checkpoints of 2019 and networks of tinyBIG."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from attacks.hostile_files import Case
from attacks.hostile_texts import DEEP, laughs, specials

LOAD_2019 = "ke.compat.load_2019(path)"
TINYBIG = "ke.compat.tinybig.load_network(path)"
ARRAYS = ("kernel", "bias", "w_log_threshold", "b_log_threshold", "a_log_threshold")
_LAYERS = [
    {"class_name": "InputLayer", "config": {"name": "input", "batch_input_shape": [None, 28, 28, 1]}},
    {"class_name": "AveragePooling2D", "config": {"name": "pooling", "pool_size": [14, 14]}},
    {"class_name": "Flatten", "config": {"name": "flatten"}},
    {
        "class_name": "DenseQ",
        "config": {
            "name": "dense",
            "output_dim": 10,
            "activation": "linear",
            "wq": 4,
            "bq": 8,
            "aq": 8,
            "fp": False,
            "qt": False,
        },
    },
]


def write_2019(
    path: Path, change: Callable[[h5py.File], object] | None = None, layers: list | None = None, as_text: bool = False
) -> None:
    """A file as the 2019 study wrote them: 2 x 2 pixels, ten classes. `as_text`: its names as text, not bytes."""
    shapes = {"kernel": (4, 10), "bias": (10,)}
    with h5py.File(path, "w") as file:
        config = json.dumps({"class_name": "Model", "config": {"layers": layers or _LAYERS}})
        file.attrs["model_config"] = config if as_text else config.encode()
        group = file.create_group("model_weights/dense")
        names = [f"dense/{name}:0" for name in ARRAYS]
        group.attrs["weight_names"] = names if as_text else [name.encode() for name in names]
        for name in ARRAYS:
            group[f"dense/{name}:0"] = np.full(shapes.get(name, ()), 0.5, "float32")
        if change is not None:
            change(file)


KERNEL = "model_weights/dense/dense/kernel:0"


def replaced(make: Callable[[h5py.File], object], path: str = KERNEL) -> Callable[[Path], None]:
    """A 2019 file without one of its entries, which `make` makes anew."""

    def change(file):
        del file[path]
        make(file)

    return lambda at: write_2019(at, change)


def _external(file):
    file.create_dataset(KERNEL, (4, 10), "float32", external=[("/etc/passwd", 0, 160)])


def _link_out(file):
    file[KERNEL] = h5py.ExternalLink("/etc/hostname", "/kernel")


def _virtual(file):
    layout = h5py.VirtualLayout((4, 10), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "kernel", (4, 10))
    file.create_virtual_dataset(KERNEL, layout)


def _set(value: float) -> Callable[[Path], None]:
    return replaced(lambda file: file.create_dataset(KERNEL, data=np.full((4, 10), value, "float32")))


def _shape(*shape: int, **settings: object) -> Callable[[Path], None]:
    return replaced(lambda file: file.create_dataset(KERNEL, shape, "float32", **settings))


def _config(text: str) -> Callable[[Path], None]:
    """The text as the model's configuration; more than 64 KB need the newest format."""

    def write(path):
        with h5py.File(path, "w", libver="latest") as file:
            file.attrs["model_config"] = text

    return write


def _layers(**settings: object) -> Callable[[Path], None]:
    changed = [{**each, "config": {**each["config"], **settings}} for each in _LAYERS]
    return lambda path: write_2019(path, layers=changed)


def checkpoints() -> list[Case]:
    contents = {
        "numbers in another file": replaced(_external),
        "a link into another file": replaced(_link_out),
        "a link within the file": replaced(
            lambda file: file.__setitem__(KERNEL, h5py.SoftLink("/model_weights/dense"))
        ),
        "the folder of weights in another file": replaced(
            lambda file: file.__setitem__("model_weights", h5py.ExternalLink("other.h5", "/")), "model_weights"
        ),
        "a virtual array of other files": replaced(_virtual),
        "NaN": _set(np.nan),
        "infinity": _set(np.inf),
        "2.5 TiB": _shape(10**6, 687_195, chunks=(1000, 1000)),
        "another rank": _shape(40),
        "chunks of 2 GiB": _shape(4, 10, maxshape=(None, None), chunks=(2**15, 2**14)),
        "text as numbers": replaced(lambda file: file.create_dataset(KERNEL, data=[[b"1"] * 10] * 4)),
        "a group as an array": replaced(lambda file: file.create_group(KERNEL)),
        "no such array": replaced(lambda file: None),
        "deep JSON": _config(DEEP),
        "no JSON": _config("nonsense"),
        "JSON of another shape": _config('{"config": 3}'),
        "10^12 units": _layers(output_dim=10**12),
        "an input of 10^12 pixels": _layers(batch_input_shape=[None, 10**6, 10**6, 1]),
        "bits of text": _layers(wq="4; import os"),
        "a class of no use": lambda path: write_2019(path, layers=[{"class_name": "TFSMLayer", "config": {}}]),
        "cut": lambda path: (write_2019(path), os.truncate(path, 3000)),
    }
    return [
        Case("a checkpoint", LOAD_2019, write_2019, "file.h5", is_harmless=True),
        Case("names as text", LOAD_2019, lambda path: write_2019(path, as_text=True), "file.h5", is_harmless=True),
        *specials(LOAD_2019, "file.h5"),
        *(Case(name, LOAD_2019, content, "file.h5") for name, content in contents.items()),
    ]


def tinybig(m: object = 4, n: object = 2, **head: object) -> str:
    """A network file of tinyBIG with one layer, as JSON, which is YAML."""
    base = {
        "data_transformation_configs": {
            "data_transformation_class": "tinybig.expansion.taylor_expansion",
            "data_transformation_parameters": {"d": 2},
        },
        "parameter_fabrication_configs": {
            "parameter_fabrication_class": "tinybig.reconciliation.dual_lphm_reconciliation",
            "parameter_fabrication_parameters": {"p": 2, "q": 4, "r": 1},
        },
        **head,
    }
    entry = {
        "layer_class": "tinybig.module.rpn_layer",
        "layer_parameters": {
            "m": m,
            "n": n,
            "head_configs": [{"head_class": "tinybig.module.rpn_head", "head_parameters": base}],
        },
    }
    model = {"model_class": "tinybig.model.rpn", "model_parameters": {"layer_configs": [entry]}}
    return json.dumps({"configurations": {"model_configs": model}})


def _fabrication(name: str, **settings: object) -> dict:
    return {
        "data_transformation_configs": {"data_transformation_class": "tinybig.expansion.identity_expansion"},
        "parameter_fabrication_configs": {
            "parameter_fabrication_class": f"tinybig.reconciliation.{name}_reconciliation",
            "parameter_fabrication_parameters": settings,
        },
    }


def tinybig_files() -> list[Case]:
    texts = {
        "aliases of aliases": laughs("[1,1,1,1,1,1,1,1,1]", "[{}]"),
        "10^5 x 10^6": tinybig(10**5, 10**6, **_fabrication("identity")),
        "low rank of 10^9": tinybig(10**5, 10**5, **_fabrication("lorr", r=10**9)),
        "dual of 10^12": tinybig(10**12, 10**12, **_fabrication("dual_lphm", p=10**6, q=10**6, r=10**6)),
        "400 digits": tinybig(10**400, 2),
        "text as sizes": tinybig("4", 2),
        "a degree of 10^9": tinybig(
            4,
            2,
            data_transformation_configs={
                "data_transformation_class": "tinybig.expansion.taylor_expansion",
                "data_transformation_parameters": {"d": 10**9},
            },
        ),
        "a tag of Python": "!!python/object/apply:os.system ['touch CODE_RAN']",
        "another class": tinybig().replace("tinybig.model.rpn", "os.system"),
    }
    return [
        Case("a network", TINYBIG, tinybig(), "file.yaml", is_harmless=True),
        *specials(TINYBIG, "file.yaml"),
        *(Case(name, TINYBIG, text, "file.yaml") for name, text in texts.items()),
    ]
