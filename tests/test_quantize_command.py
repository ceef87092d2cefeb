"""From the shell alone: a plain .keras file, its bytes, its quantized copy, C."""

import json
import warnings

import keras
import numpy as np
import pytest

import keras_efficient as ke


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Plain models of one and of two inputs, with samples."""
    folder, random = tmp_path_factory.mktemp("plain"), np.random.default_rng(0)
    L, inputs = keras.layers, [keras.Input((4,), name="a"), keras.Input((3,), name="b")]
    keras.Sequential(
        [keras.Input((8, 8, 1)), L.Conv2D(3, 3, activation="relu"), L.Flatten(), L.Dense(4, "softmax")]
    ).save(folder / "plain.keras")
    keras.Model(inputs, L.Dense(2)(L.Concatenate()(inputs))).save(folder / "two.keras")
    keras.Sequential([keras.Input((5, 3)), L.LSTM(3), L.Dense(2)]).save(folder / "lstm.keras")
    np.save(folder / "x.npy", random.normal(size=(1500, 8, 8, 1)))
    np.save(folder / "lstm.npy", random.normal(size=(9, 5, 3)))
    a, b = random.normal(size=(40, 4)), random.normal(size=(40, 3))
    for name, arrays in (("two", {"b": b, "a": a}), ("one", {"a": a}), ("uneven", {"a": a, "b": b[:30]})):
        np.savez(folder / f"{name}.npz", **arrays)
    (folder / "text.npz").write_text("no archive")
    (folder / "network.json").write_text('[["S", 4, 4, 8, 8]]')
    (folder / "full").mkdir()
    (folder / "full/notes.txt").write_text("mine")
    return folder


def test_two_commands_from_a_plain_model_to_verified_c(folder, tmp_path, command):
    code, output, errors = command(
        "quantize", "--model", folder / "plain.keras", "--samples", folder / "x.npy", "--out", "small.keras"
    )
    assert (code, errors) == (0, "") and "export --model small.keras --out firmware --verify" in output
    code, output, errors = command("export", "--model", "small.keras", "--out", "firmware", "--verify", "--images", 8)
    assert (code, errors) == (0, "") and "C on this computer" in output and "8 of 8 equal" in output


def test_one_command_for_several_inputs(folder, tmp_path, command):
    code, output, errors = command(
        *("quantize", "--model", folder / "two.keras", "--samples", folder / "two.npz", "--out", "small.keras"),
        *("--c", "firmware", "--kernel-bits", "4"),
    )
    assert (code, errors) == (0, "") and "40 of 40 equal" in output
    small = keras.saving.load_model(tmp_path / "small.keras")
    assert [layer.kernel_bits for layer in small.layers if isinstance(layer, ke.DenseQ)] == [4]
    report = json.loads((tmp_path / "firmware/report.json").read_text())
    assert report["weight_bytes"] == np.ceil(ke.estimate_storage(small).weight_bytes)


@pytest.mark.filterwarnings("default:The quantized outputs differ")  # for the others little is left of their grid
def test_many_samples_are_taken_from_first_to_last(folder, tmp_path, command):
    x = np.load(folder / "x.npy")
    x[-1] = 1000
    np.save(tmp_path / "x.npy", x)
    command("quantize", "--model", folder / "plain.keras", "--samples", "x.npy", "--out", "small.keras")
    grids = ke.quantization.scale_table(keras.saving.load_model(tmp_path / "small.keras"))
    assert grids[0]["log2_scale"] > 3


@pytest.mark.filterwarnings("default:No samples were given")
def test_without_samples_one_line_warns(folder, tmp_path, command):
    code, output, errors = command("quantize", "--model", folder / "plain.keras", "--out", "new/small.keras")
    assert code == 0 and "new/small.keras" in output and "export" not in output
    assert errors.startswith("keras-efficient: warning: No samples were given") and errors.count("\n") == 1
    assert "`--samples FILE.npy` sets them" in errors
    assert (tmp_path / "new/small.keras").is_file()


@pytest.mark.parametrize("name", ["plain", "two"])
def test_storage_of_a_model(name, folder, command):
    model = keras.saving.load_model(folder / f"{name}.keras")
    code, output, errors = command("storage", "--model", folder / f"{name}.keras")
    assert (code, output, errors) == (0, f"{ke.estimate_storage(model)}\n", "")


def test_storage_of_a_model_on_a_chip(folder, command):
    code, output, _ = command("storage", "--model", folder / "two.keras", "--chip", "cortex-m4", "--json")
    model = keras.saving.load_model(folder / "two.keras")
    assert json.loads(output)["firmware"] == ke.estimate_firmware(model, "cortex-m4").to_dict()


_QUANTIZE = ["quantize", "--out", "new.keras", "--model"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([*_QUANTIZE, "plain.keras", "--out", "two.keras"], "'two.keras'; nothing was touched"),
        ([*_QUANTIZE, "plain.keras", "--out", "new.h5"], "`--out` must end in .keras"),
        ([*_QUANTIZE, "plain.keras", "--c", "c"], "`--c` needs `--samples FILE.npy`"),
        ([*_QUANTIZE, "plain.keras", "--c", "full", "--samples", "x.npy"], "'full'; nothing was touched"),
        ([*_QUANTIZE, "plain.keras", "--c", "x.npy", "--samples", "x.npy"], "must be new or an empty folder"),
        ([*_QUANTIZE, "plain.keras", "--kernel-bits", "40"], "`--kernel-bits` must be"),
        ([*_QUANTIZE, "two.keras", "--samples", "x.npy"], "give an .npz file with the arrays a, b"),
        ([*_QUANTIZE, "two.keras", "--samples", "one.npz"], "one array for each input: a, b. Received: a"),
        ([*_QUANTIZE, "two.keras", "--samples", "uneven.npz"], "as many samples for each input. Received: [40, 30]"),
        ([*_QUANTIZE, "two.keras", "--samples", "text.npz"], "must be an .npz file"),
        ([*_QUANTIZE, "plain.keras", "--samples", "one.npz"], "takes shape (None, 8, 8, 1). Received: shape (40, 4)"),
        ([*_QUANTIZE, "lstm.keras", "--samples", "lstm.npy", "--c", "c"], "keras-efficient check --model lstm.keras"),
        (["export", "--model", "plain.keras", "--out", "c"], "keras-efficient quantize --model plain.keras --samples"),
        (["storage", "--model", "lstm.keras"], "keras-efficient check --model lstm.keras says"),
        (["storage", "--network", "plain.keras"], "keras-efficient storage --model plain.keras"),
        (["train", "--network", "plain.keras"], "keras-efficient quantize --model plain.keras"),
        (["storage", "--model", "network.json"], "a description goes to `--network`"),
        (["storage", "--model", "two.keras", "--network", "network.json"], "Only one of `--network` and `--model`"),
    ],
)
def test_an_error_names_the_next_step(arguments, message, folder, tmp_path, command):
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)
    before = sorted(tmp_path.rglob("*"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        code, output, errors = command(*arguments)
    *warned, error = errors.splitlines()
    assert (code, output) == (2, "") and all("warning" in line for line in warned)
    assert error.startswith("keras-efficient: ") and message in error
    assert sorted(tmp_path.rglob("*")) == before
