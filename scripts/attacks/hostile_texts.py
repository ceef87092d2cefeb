"""Hostile descriptions, experiments, search spaces and results of runs, as text."""

import base64
import json
import marshal
import os
import socket
from pathlib import Path

from attacks.hostile_files import Case

STORAGE = ["storage", "--network", "FILE"]
TRAIN = ["train", "--network", "FILE", "--trials", "1,0,0", "--epochs", "1,1,1", "--json", "--out", "out"]
LIST = ["experiment", "FILE", "--list"]
RUN = ["experiment", "FILE", "--out", "out"]
SEARCH = ["search", "--max-bytes", "2048", "--samples", "1", "--epochs", "1,1", "--out", "out", "--space", "FILE"]
REPORT = ["report", "."]

DENSE = ["S", 10, 4, 8, 8]
DEEP = "[" * 200_000
MANY = "[" + "1," * 490_000 + "1]"


def fifo(path: Path) -> None:
    """A pipe that nobody writes to."""
    os.mkfifo(path)


def device(path: Path) -> None:
    """A link to a file without an end."""
    path.symlink_to("/dev/zero")


def unix_socket(path: Path) -> None:
    """A socket."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name if path.parent == Path() else os.path.relpath(path))


SPECIAL = {
    "a pipe without a writer": fifo,
    "a device without an end": device,
    "a socket": unix_socket,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "no text": b"\xff\xfe\x00\x80",
    "empty": "",
    "5 MB": " " * 5_000_000,
    "deep lists": DEEP,
}


def specials(reader: list[str], file: str) -> list[Case]:
    """What no reader of text may stumble over."""
    return [Case(name, reader, content, file) for name, content in SPECIAL.items()]


def lambda_config() -> dict:
    """A Lambda with bytecode that leaves a mark, as Keras saves it."""
    code = compile("lambda x: (__import__('pathlib').Path('CODE_RAN').touch(), x)[1]", "", "eval").co_consts[0]
    text = base64.encodebytes(marshal.dumps(code)).decode("ascii")
    value = {"code": text, "defaults": None, "closure": None}
    return {"function": {"class_name": "__lambda__", "config": value}, "arguments": {}}


def layer(class_name: str, **config: object) -> dict:
    """A layer object."""
    return {"module": "keras.layers", "class_name": class_name, "config": config, "registered_name": None}


def wrapped(inner: dict) -> dict:
    """A layer in a wrapper."""
    return {"class_name": "TimeDistributed", "config": {"layer": inner}}


def network(*items: object) -> str:
    """A description that ends in ten logits."""
    return json.dumps([*items, DENSE])


def functional(inner: dict) -> dict:
    """A Functional model that holds a layer, as a layer."""
    source = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None, "name": "i"}
    history = {
        "class_name": "__keras_tensor__",
        "config": {"shape": [None, 8], "dtype": "float32", "keras_history": ["i", 0, 0]},
    }
    layers = [
        {**source, "config": {"batch_shape": [None, 8], "name": "i"}, "inbound_nodes": []},
        {**inner, "name": "x", "inbound_nodes": [{"args": [history], "kwargs": {}}]},
    ]
    config = {"name": "m", "layers": layers, "input_layers": [["i", 0, 0]], "output_layers": [["x", 0, 0]]}
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": config,
        "registered_name": "Functional",
    }


def descriptions() -> list[Case]:
    evil = layer("Lambda", **lambda_config())
    vocabulary = {"vocabulary": "/etc/passwd"}
    code = lambda_config()["function"]
    objects = {
        "bytecode of a Lambda": {"class_name": "Lambda", "config": lambda_config()},
        "a Lambda in a wrapper": wrapped(evil),
        "a Lambda in Bidirectional": {"class_name": "Bidirectional", "config": {"layer": evil}},
        "a Lambda in a model as a layer": wrapped(functional(evil)),
        "a Lambda in a Pipeline": {"class_name": "Pipeline", "config": {"layers": [evil]}},
        "bytecode as an activation": {"class_name": "Dense", "config": {"units": 3, "activation": code}},
        "bytecode as an initializer": {"class_name": "Dense", "config": {"units": 3, "kernel_initializer": code}},
        "bytecode as a regularizer": {"class_name": "Dense", "config": {"units": 3, "kernel_regularizer": code}},
        "bytecode as a constraint": {"class_name": "Dense", "config": {"units": 3, "kernel_constraint": code}},
        "a module as a class": wrapped({"module": "os", "class_name": "system", "config": {}, "registered_name": None}),
        "a function by its module": {
            "class_name": "Dense",
            "config": {"units": 3, "activation": {"module": "os", "class_name": "function", "config": "system"}},
        },
        "a pickled module": {"class_name": "TorchModuleWrapper", "config": {"module": "gASVAAAA"}},
        "a saved graph": {"class_name": "TFSMLayer", "config": {"filepath": "/tmp"}},
        "a function of JAX": {"class_name": "JaxLayer", "config": {"call_fn": code}},
        **{
            f"the vocabulary of {name}": {"class_name": name, "config": vocabulary}
            for name in ("StringLookup", "IntegerLookup", "TextVectorization")
        },
        "a vocabulary in a wrapper": wrapped(layer("StringLookup", **vocabulary)),
        "a foreign class": {"class_name": "evil>Layer", "config": {}},
        "a function as a class": {"class_name": "get_file", "config": {}},
        "10^12 units": {"class_name": "Dense", "config": {"units": 10**12}},
        "400 digits of units": {"class_name": "Dense", "config": {"units": 10**400}},
        "text as units": {"class_name": "Dense", "config": {"units": "x" * 100_000}},
    }
    texts = {
        "10^6 values": MANY,
        "50,000 items": json.dumps([["D", 0.1, 4]] * 50_000),
        "5,000 digits": f"[{'9' * 5000}]",
        "deep lists in an object": network(
            {"class_name": "Dense", "config": {"units": json.loads("[" * 500 + "]" * 500)}}
        ),
        "filters of 10^12": json.dumps([["C", 10**12, 3, 4, 8, 4], DENSE]),
        "NaN as a rate": '[["D", NaN, 4], ["S", 10, 4, 8, 8]]',
        "an input of 10^12": json.dumps({"network": [DENSE], "input_shape": [10**6, 10**6, 1]}),
    }
    return [
        Case("a list", STORAGE, network(["C", 4, 3, 4, 8, 4]), is_harmless=True),
        Case("an object of Keras", TRAIN, network({"class_name": "Dense", "config": {"units": 9}}), is_harmless=True),
        *specials(STORAGE, "file.json"),
        *(Case(name, TRAIN, network(item)) for name, item in objects.items()),
        *(Case(name, TRAIN, text) for name, text in texts.items()),
    ]


BASE = "data: {dataset: digits}\nepochs: 1\nstages: [{mode: float}]\n"
NETWORK = "network: [[S, 10, 4, 8, 8]]\n"


def numbers(count: int) -> str:
    """A list of so many different numbers."""
    return json.dumps(list(range(1, count + 1)), separators=(",", ":"))


def laughs(first: str, form: str) -> str:
    """Aliases of aliases: nine lines stand for 9^9 values."""
    names = "abcdefghij"
    lines = [
        f"x{name}: &{name} {form.format(','.join(['*' + before] * 9))}"
        for before, name in zip(names, names[1:], strict=False)
    ]
    return f"xa: &a {first}\n" + "\n".join(lines)


def experiments() -> list[Case]:
    texts = {
        "aliases of aliases": laughs("[1,1,1,1,1,1,1,1,1]", "[{}]"),
        "merges of merges": laughs("{x: 1}", "{{<<: [{}]}}"),
        "an alias of itself": f"{BASE}network: &a [*a]\n",
        "10^6 values": f"{BASE}{NETWORK}seeds: [{'1,' * 400_000}1]\n",
        "100,000 seeds": f"{BASE}{NETWORK}seeds: {numbers(99_000)}\n",
        "30,000 seeds": f"{BASE}{NETWORK}seeds: {numbers(30_000)}\n",
        "10^12 combinations": f"{BASE}{NETWORK}"
        + "".join(f"{name}: {numbers(1000)}\n" for name in ("batch_size", "trials", "patience", "seed")),
        "variants of variants": f"{BASE}{NETWORK}variants:\n  ~a: {{epochs: 2}}\n"
        + "".join(f"  ~{b}: [{','.join(['~' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
        + "methods: {m: [~i]}\n",
        "a key of 100,000 dots": f"{BASE}{NETWORK}{'a.' * 100_000}b: 1\n",
        "a tag of Python": f"{BASE}network: !!python/object/apply:os.system ['touch CODE_RAN']\n",
        "a tag that its value does not fit": f"{BASE}{NETWORK}seeds: !!timestamp x\n",
        "numbers of base 60": f"{BASE}{NETWORK}seeds: [{'1:' * 100_000}1]\n",
        "a network in a device": f"{BASE}network: /dev/zero\n",
        "a builder without a module": f"{BASE}network: {{builder: evil}}\n",
        "an optimizer of bytecode": f"{BASE}{NETWORK}optimizer: "
        f"{{class_name: Lambda, config: {json.dumps(lambda_config())}}}\n",
        "a space of 40,000 choices": f"{BASE}{NETWORK}search: {{configurations: 1, max_epochs: 2, "
        f"space: {{learning_rate: {numbers(40_000)}}}}}\n",
    }
    return [
        Case("a study", LIST, BASE + NETWORK, "file.yaml", is_harmless=True),
        Case("a builder that is only listed", LIST, builder, "file.yaml", is_harmless=True),
        *specials(LIST, "file.yaml"),
        *(Case(name, LIST, text, "file.yaml") for name, text in texts.items()),
        Case(
            "a Lambda in the network",
            RUN,
            f"{BASE}network: {network({'class_name': 'Lambda', 'config': lambda_config()})}\n",
            "file.yaml",
        ),
    ]


def builder(path: Path) -> None:
    """A study whose builder stands in a module beside it, which leaves a mark when it is imported."""
    path.write_text(f"{BASE}network: {{builder: 'evil:f'}}\n")
    (path.parent / "evil.py").write_text("from pathlib import Path\nPath('CODE_RAN').touch()\n")


def spaces() -> list[Case]:
    texts = {
        "100 layers": '{"max_layers": 100}',
        "10^9 layers": '{"max_layers": 1000000000}',
        "10^5 filters": json.dumps({"filters": list(range(1, 100_000))}),
        "10^6 values": MANY,
        "text as filters": '{"filters": ["x"]}',
        "unknown attributes": '{"__class__": 1}',
    }
    small = {"filters": [2], "kernel_sizes": {"C": [3]}, "dense_units": [4], "min_layers": 1, "max_layers": 1}
    return [
        Case("a space", SEARCH, json.dumps(small), is_harmless=True),
        *specials(SEARCH, "file.json"),
        *(Case(name, SEARCH, text) for name, text in texts.items()),
    ]


RESULT = {
    "format": "keras_efficient result 1",
    "best": {"path": "best.keras", "val_loss": 0.1},
    "stages": [{"mode": "float", "trials": [{"trial": 0}]}],
}


def results() -> list[Case]:
    huge = 10**400
    harmless = {
        "a result": RESULT,
        "integers of 400 digits": {
            **RESULT,
            "best": {"val_loss": huge, "total_bytes": huge, "val_accuracy": huge},
            "seed": huge,
            "stages": [
                {
                    "mode": "float",
                    "train_seconds": huge,
                    "trials": [{"trial": 0, "val_loss": huge, "history": {"val_loss": [huge, huge], "loss": [huge]}}],
                }
            ],
        },
    }
    nonsense = {
        "another format": {**RESULT, "format": 3},
        "stages of text": {**RESULT, "stages": "x"},
        "trials of text": {**RESULT, "stages": [{"trials": "x"}]},
        "a list": [1],
    }
    file = "result.json"
    return [
        *(Case(name, REPORT, json.dumps(value), file, is_harmless=True) for name, value in harmless.items()),
        *specials(REPORT, file),
        *(Case(name, REPORT, json.dumps(value), file) for name, value in nonsense.items()),
        Case("5,000 digits", REPORT, f'{{"format": {"9" * 5000}}}', file),
    ]
