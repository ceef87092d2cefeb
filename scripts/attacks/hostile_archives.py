"""Hostile models and samples: .keras, .h5, .npy and .npz."""

import json
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py

from attacks.hostile_files import Case
from attacks.hostile_texts import DEEP, functional, lambda_config, layer, specials

CHECK = ["check", "--model", "FILE"]
SAMPLES = "__import__('keras_efficient.command_line.model_files', fromlist=['x']).read_samples(Path(path))"
DATASET = "ke.datasets.load_dataset('mnist', Path('data'), validation=10)"


def keras_file(path: Path, config: object, weights: bytes | None = None, compression: int = zipfile.ZIP_STORED) -> None:
    """A .keras file with another configuration, or other weights."""
    import keras

    whole = path.with_name("whole.keras")
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save(whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", compression) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json" and config is not None:
                content = config if isinstance(config, bytes) else json.dumps(config).encode()
            if name == "model.weights.h5" and weights is not None:
                content = weights
            target.writestr(name, content)
    whole.unlink()


def models() -> list[Case]:
    evil = {"class_name": "Lambda", "module": "keras.layers", "registered_name": None, "config": lambda_config()}
    graph = layer("TFSMLayer", filepath="saved", name="x")
    configs = {
        "bytecode of a Lambda": functional(evil),
        "a saved graph": functional(graph),
        "a vocabulary": functional(layer("StringLookup", vocabulary="/etc/passwd")),
        "a module as a class": {"module": "os", "class_name": "system", "config": {}, "registered_name": None},
        "deep JSON": DEEP.encode(),
        "no JSON": b"nonsense",
        "another class": {
            "module": "keras.layers",
            "class_name": "Dense",
            "config": {"units": 3},
            "registered_name": None,
        },
    }

    def bomb(path):
        keras_file(path, None, bytes(400_000_000), zipfile.ZIP_DEFLATED)

    def cut(path):
        keras_file(path, None)
        os.truncate(path, path.stat().st_size // 2)

    def old_format(path):
        with h5py.File(path, "w") as file:
            inner = [{"class_name": "InputLayer", "config": {"batch_input_shape": [None, 4]}}]
            inner += [{"class_name": "Lambda", "config": lambda_config()}]
            model = {"class_name": "Sequential", "config": {"name": "m", "layers": inner}}
            file.attrs["model_config"] = json.dumps(model)
            file.create_group("model_weights").attrs["layer_names"] = []

    return [
        Case("bytecode of a Lambda in an .h5 file", CHECK, old_format, "file.h5"),
        Case("a model", CHECK, lambda path: keras_file(path, None), "file.keras", is_harmless=True),
        *specials(CHECK, "file.keras"),
        *(
            Case(name, CHECK, lambda path, config=config: keras_file(path, config), "file.keras")
            for name, config in configs.items()
        ),
        Case("weights of another kind", CHECK, lambda path: keras_file(path, None, b"no HDF5"), "file.keras"),
        Case("400 MB of zeros", CHECK, bomb, "file.keras"),
        Case("cut", CHECK, cut, "file.keras"),
    ]


def npy(shape: str, kind: str = "<f4", content: bytes = b"") -> bytes:
    """A .npy file with this header."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content


def npz(path: Path, compression: int = zipfile.ZIP_STORED, **members: bytes) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)


def archives() -> list[Case]:
    whole = {"x_train": npy("(60, 8, 8)", "|u1", bytes(3840)), "y_train": npy("(60,)", "|u1", bytes(60))}
    whole |= {name.replace("train", "test"): content for name, content in whole.items()}

    def with_(compression: int = zipfile.ZIP_STORED, **changed: bytes) -> Callable[[Path], None]:
        return lambda path: npz(path, compression, **{**whole, **changed})

    arrays = {
        "pickled objects": npy("(1,)", "|O", b"cos\nsystem\n(S'touch CODE_RAN'\ntR."),
        "2.5 TiB": npy("(687194767360,)"),
        "400 digits": npy(f"({10**400},)"),
        "a negative size": npy("(-1, 4)"),
        "code as a header": npy("__import__('os').system('touch CODE_RAN')"),
        "one number": npy("()", content=bytes(4)),
    }
    files = {
        "pickled objects in an archive": with_(x_train=arrays["pickled objects"]),
        "2.5 TiB in an archive": with_(x_train=npy("(687194767360, 8, 8)", "|u1")),
        "zeros that unpack to 400 MB": with_(
            zipfile.ZIP_DEFLATED, x_train=npy("(400000000, 1, 1)", "|u1", bytes(400_000_000))
        ),
        "no such array": lambda path: npz(path, x_train=whole["x_train"]),
        "floats as images": with_(x_train=npy("(60, 8, 8)", "<f4", bytes(4 * 3840))),
        "fewer labels": with_(y_train=npy("(1,)", "|u1", bytes(1))),
        "a name that leads out": lambda path: npz(path, **{"../../x_train": whole["x_train"]}),
    }
    return [
        Case("an array", SAMPLES, npy("(2, 2)", content=bytes(16)), "file.npy", is_harmless=True),
        *specials(SAMPLES, "file.npy"),
        *(Case(name, SAMPLES, content, "file.npy") for name, content in arrays.items()),
        Case("an archive", DATASET, with_(), "data/mnist.npz", is_harmless=True),
        *(Case(f"{name} as an archive", DATASET, case, "data/mnist.npz") for name, case in files.items()),
    ]
