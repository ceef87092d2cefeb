"""A trained network in models/: the file, its C code, and a card that says how it was made and what it scores."""

import json
import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np

import keras_efficient as ke
from keras_efficient.files import write_json, write_text
from measuring.results import ABSOLUTE_PATH, ROOT

MODELS = ROOT / "models"
CODE = ("network.c", "network.h", "report.json")
KEYS = ("name", "title", "data", "split", "recipe", "seed", "accuracy", "bytes", "input", "load")


def keep_network(path: Path, facts: dict, x_test: np.ndarray, y_test: np.ndarray) -> Path:
    """Put a quantized network into models/, without its optimizer, with its C code and its card.

    Args:
        path: of the .keras file.
        facts: name, title, data, recipe, seed and accuracy (validation and test) of the card; input, where it is
            no byte.
        x_test, y_test: classified by the integers that the C computes.
    """
    folder = MODELS / facts["name"]
    folder.mkdir(parents=True, exist_ok=True)
    model = keras.saving.load_model(path, compile=False)
    model.save(folder / f"{facts['name']}.keras")
    with tempfile.TemporaryDirectory() as exported:
        report = ke.export_c(model, exported)
        keep_code(Path(exported), folder / "c")
    numbers = ke.export.IntegerModel(model)
    logits = numbers.predict(numbers.encode(x_test))
    in_c = {"test, of the 16-bit logits of the C": float(np.mean(logits.argmax(axis=1) == y_test))}
    facts = {**facts, "accuracy": {**facts["accuracy"], **in_c}, "bytes": sizes(model, report)}
    facts["input"] = f"{' x '.join(map(str, model.input_shape[1:]))}, {facts.get('input', 'byte / 256')}"
    facts["load"] = f'keras.saving.load_model("{facts["name"]}.keras")  # after `import keras_efficient`'
    return write_card(folder, facts)


def keep_code(exported: Path, folder: Path) -> None:
    """The network alone: `keras-efficient export` writes the mains around it for each target."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in CODE:
        shutil.copy(exported / name, folder / name)


def sizes(model: keras.Model, report) -> dict[str, float]:
    """Bytes of the weights by encoding, and of what runs."""
    priced = ke.estimate_storage(model)
    return {
        "weights, packed as trained": priced.weight_bytes,
        "the same numbers in 32 bits": 4 * priced.parameters,
        "the same numbers in 8 bits": priced.parameters,
        "working memory, predicted": priced.activation_bytes,
        "working memory, of the C": report.arena_bytes,
        "variables of the C": report.static_bytes,
    }


def write_card(folder: Path, facts: dict) -> Path:
    """card.json and README.md of a model."""
    facts = {key: facts[key] for key in KEYS}
    text = card_text(facts)
    if ABSOLUTE_PATH.search(json.dumps(facts)):
        raise ValueError(f"A card must not hold an absolute path. Received: {facts}")
    write_json(folder / "card.json", facts)
    write_text(folder / "README.md", text)
    write_text(MODELS / "README.md", index_text())
    return folder


def index_text() -> str:
    """The README.md of models/: a line for each card."""
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(MODELS.glob("*/card.json"))]
    rows = [
        f"| [{card['name']}]({card['name']}/README.md) | {card['data']} | {weight_bytes(card):,.1f} | "
        f"{card['bytes']['working memory, of the C']} | {card['accuracy']['test']:.2%} |"
        for card in cards
    ]
    return "\n".join(
        [
            "# Trained networks",
            "",
            "Each with its Keras file, its C code, and a card: how it was made, "
            "what it scores, its bytes. The scripts that made them write this page, too. `keras-efficient export "
            "--model FILE.keras --out DIR --target avr` writes the code of a quantized one with a main for a chip.",
            "",
            "| network | data | bytes of the weights | bytes of working memory | test accuracy |",
            "|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def weight_bytes(card: dict) -> float:
    """What a card names first: the packed weights."""
    return next(iter(card["bytes"].values()))


def card_text(facts: dict) -> str:
    """The README.md of a model."""
    accuracies = [f"| {what} | {value:.2%} |" for what, value in facts["accuracy"].items()]
    sizes = [f"| {what} | {value:,.1f} |".replace(".0 |", " |") for what, value in facts["bytes"].items()]
    return "\n".join(
        [
            f"# {facts['title']}",
            "",
            facts["split"],
            "",
            f"Data: {facts['data']}. Seed: {facts['seed']}. Recipe:",
            "",
            *("```sh", facts["recipe"], "```"),
            "",
            *("| accuracy | |", "|---|---|", *accuracies, ""),
            *("| bytes of | |", "|---|---|", *sizes, ""),
            f"Input: {facts['input']}. The C code is in `c/`.",
            "",
            *("```python", facts["load"], "```", ""),
        ]
    )
