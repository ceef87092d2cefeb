"""Synthetic results, in the shape that the training driver writes."""

import copy
import math

CONV = [
    ["C", 5, 3, 3, 1, 1, 4, 8, 4],
    ["C", 8, 3, 3, 1, 1, 4, 8, 4],
    ["C", 11, 3, 3, 1, 1, 4, 8, 4],
]
NETWORK = [["A", 2, 4], *CONV, ["M", 2, 4], ["D", 0.1, 4], ["S", 10, 4, 8, 8]]
LAYERS = ["conv_q", "conv_q_1", "conv_q_2", "dense_q"]


def trial(index: int, epochs: int = 12, mode: str = "float") -> dict:
    """A trial whose curves fall smoothly; later trials end a little worse."""
    losses = [
        0.031 + 0.0007 * index + math.exp(-0.6 * e - 0.1 * index) + 0.002 * math.cos(3 * e + index)
        for e in range(1, epochs + 1)
    ]
    accuracies = [1 - 0.3 * loss for loss in losses]
    best = losses.index(min(losses))
    return {
        "trial": index,
        "seed": 100 + index,
        "status": "finished",
        "reason": None,
        "epoch": best + 1,
        "val_loss": losses[best],
        "val_accuracy": accuracies[best] - 0.0008 * math.sin(2 * index),
        "score": 1.5 - 0.8 * index,
        "max_accuracy": {"epoch": epochs, "val_loss": losses[-1], "val_accuracy": max(accuracies)},
        "loss_path": f"stages/0/{index}.keras",
        "accuracy_path": f"stages/0/{index}_accuracy.keras",
        "history": {
            "loss": losses,
            "val_loss": losses,
            "val_accuracy": accuracies,
            "learning_rate": [0.005] * epochs,
        },
        "scales": []
        if mode == "float"
        else [scale(layer, weight) for layer in LAYERS for weight in ("kernel_scale", "bias_scale")],
        "train_seconds": 61.4 + index,
    }


def scale(layer: str, weight: str) -> dict:
    return {"layer": layer, "weight": weight, "start": -0.3, "end": 0.5002}


def failed_trial(index: int) -> dict:
    """A trial that diverged: every measure is null, the history ends in null."""
    missing = dict.fromkeys(
        [
            "epoch",
            "val_loss",
            "val_accuracy",
            "score",
            "max_accuracy",
            "loss_path",
            "accuracy_path",
            "scales",
        ]
    )
    history = {
        "loss": [0.9, 2.1, None],
        "val_loss": [0.8, 3.0, None],
        "val_accuracy": [0.7, 0.3, None],
    }
    reason = "loss became NaN at epoch 3"
    return {
        **missing,
        "trial": index,
        "seed": 100 + index,
        "status": "failed",
        "reason": reason,
        "history": history,
        "train_seconds": 3.0,
    }


def stage(mode: str, trials: list[dict], chosen: int | None = 0) -> dict:
    settings = {
        "epochs": 12,
        "batch_size": 1024,
        "learning_rate": 0.005,
        "decay": 0.95,
        "train_seconds": 312.7,
    }
    return {"mode": mode, **settings, "chosen": chosen, "trials": trials}


def layer_row(name: str, kind: str, weights: float, working: float, shapes: tuple) -> dict:
    numbers = {
        "parameters": int(2 * weights),
        "weight_bytes": weights,
        "working_bytes": working,
        "mult_adds": int(100 * weights),
    }
    return {
        "name": name,
        "kind": kind,
        "input_shape": list(shapes[0]),
        "output_shape": list(shapes[1]),
        **numbers,
        "order": "herringbone",
    }


def storage() -> dict:
    layers = [
        layer_row("average_pooling", "A", 0, 98, ((28, 28, 1), (14, 14, 1))),
        layer_row("conv_q", "C", 27.5, 420.5, ((14, 14, 1), (12, 12, 5))),
        layer_row("conv_q_1", "C", 188, 434.5, ((12, 12, 5), (10, 10, 8))),
        layer_row("conv_q_2", "C", 407, 418, ((10, 10, 8), (8, 8, 11))),
        layer_row("max_pooling", "M", 0, 352, ((8, 8, 11), (4, 4, 11))),
        layer_row("dropout", "D", 0, 0, ((4, 4, 11), (4, 4, 11))),
        layer_row("dense_q", "S", 890, 108, ((176,), (10,))),
    ]
    return {
        "weight_bytes": 1512.5,
        "activation_bytes": 434.5,
        "total_bytes": 1947.0,
        "parameters": 2991,
        "mult_adds": 94928,
        "layers": layers,
        "input_shape": [28, 28, 1],
        "input_bits": 8,
        "streaming": True,
    }


def quantizer(layer: str, tensor: str, log2_scale: float, saturated: float) -> dict:
    parked = abs(log2_scale % 1 - 0.5) < 0.02
    codes = {"saturated": saturated, "zeros": 0.125, "used_codes": 14, "possible_codes": 16}
    return {
        "layer": layer,
        "tensor": tensor,
        "bits": 4,
        "signed": tensor != "activation",
        "log2_scale": log2_scale,
    } | {
        "exponent": round(log2_scale),
        "parked": parked,
        **codes,
    }


def full_result() -> dict:
    """Three stages, one failed trial, all parts present."""
    stages = [
        stage("float", [trial(0), trial(1), failed_trial(2), trial(3), trial(4)]),
        stage(
            "learn_scales",
            [trial(0, mode="learn_scales"), trial(1, mode="learn_scales") | {"score": 1.9}],
            chosen=1,
        ),
        stage(
            "freeze_scales",
            [
                trial(0, mode="freeze_scales"),
                trial(1, mode="freeze_scales"),
                trial(2, mode="freeze_scales"),
            ],
        ),
    ]
    best = {
        "path": "best.keras",
        "stage": 2,
        "trial": 0,
        "val_loss": 0.0335,
        "val_accuracy": 0.9909,
        "expected_accuracy": 0.98954,
    }
    best |= {
        "test_loss": 0.0295,
        "test_accuracy": 0.9916,
        "weight_bytes": 1512.5,
        "activation_bytes": 434.5,
        "total_bytes": 1947.0,
    }
    return {
        "format": "keras_efficient result 1",
        "network": copy.deepcopy(NETWORK),
        "input_shape": [28, 28, 1],
        "classes": 10,
        "dataset": {"name": "mnist", "train": 50000, "validation": 10000, "test": 10000},
        "seed": 7,
        "rule": "score",
        "backend": "tensorflow",
        "versions": {"keras": "3.15.1", "numpy": "2.1.0"},
        "best": best,
        "stages": stages,
        "storage": storage(),
        "diagnostics": [quantizer(name, tensor, s, p) for name in LAYERS for tensor, s, p in TENSORS],
        "finished_date": "2026-11-21T12:00:00Z",
    }


TENSORS = [("kernel", 0.5002, 0.36), ("bias", -0.21, 0.08), ("activation", 2.5009, 0.12)]


def bare_result() -> dict:
    """One stage of one trial, and every optional key missing or null."""
    only = {
        key: value
        for key, value in trial(0, epochs=1).items()
        if key not in ("history", "max_accuracy", "scales", "seed")
    } | {"score": None}
    best = {
        "path": "best.keras",
        "stage": 0,
        "trial": 0,
        "val_loss": 0.4,
        "val_accuracy": 0.9,
        "expected_accuracy": None,
    }
    best |= dict.fromkeys(["test_loss", "test_accuracy", "weight_bytes", "activation_bytes", "total_bytes"])
    result = {"format": "keras_efficient result 1", "network": None, "best": best, "storage": None}
    return result | {"stages": [{"mode": "float", "chosen": 0, "trials": [only]}]}


def long_result() -> dict:
    """A long network, and more trials than a table shows unfolded."""
    result = full_result()
    result["network"] = [
        ["A", 2, 4],
        *([CONV[0], ["D", 0.1, 4]] * 60),
        {"class_name": "ACDC", "config": {}},
        ["S", 10, 4, 8, 8],
    ]
    result["storage"]["layers"] = [
        layer_row(f"conv_q_{i}", "C", 27.5 + i, 400 + i % 7, ((14, 14, 5), (12, 12, 5))) for i in range(120)
    ]
    result["stages"][0]["trials"] = [trial(i) for i in range(50)]
    return result


def all_failed_result() -> dict:
    """A stage without any finished trial."""
    result = bare_result()
    result["stages"] = [stage("float", [failed_trial(0), failed_trial(1)], chosen=None)]
    result["best"] = dict.fromkeys(result["best"])
    return result


SAMPLES = {
    "full": full_result,
    "bare": bare_result,
    "long": long_result,
    "all_failed": all_failed_result,
}
