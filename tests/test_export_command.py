"""The command `keras-efficient export`: its targets, and what it refuses."""

import json
import os
import warnings

import keras
import numpy as np
import pytest

import keras_efficient as ke

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="LiteRT converts models of the TensorFlow backend"
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with a quantized and a plain model of the digits' shape, and one of another."""
    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(0)
    plain = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    x = ke.datasets.load_dataset("digits").x_train[:64]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain.save(folder / "plain.keras")
        ke.quantize_model(plain, x=x, mode="freeze_scales").save(folder / "small.keras")
        keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]).save(folder / "five.keras")
        both = [keras.Input((5,)), keras.Input((5,))]
        keras.Model(both, keras.layers.Add()(both)).save(folder / "two.keras")
        keras.Sequential([keras.Input((5,)), ke.DenseQ(2)]).save(folder / "float.keras")
    np.save(folder / "samples.npy", np.random.default_rng(0).normal(size=(40, 5)))
    np.save(folder / "four.npy", np.zeros((40, 4)))
    np.save(folder / "number.npy", np.float32(4))
    np.save(folder / "objects.npy", np.array([None]), allow_pickle=True)
    np.savez(folder / "several.npz", a=np.zeros(3))
    np.save(folder / "cut.npy", np.zeros(1000))
    whole = (folder / "cut.npy").read_bytes()
    (folder / "cut.npy").write_bytes(whole.replace(b"(1000,), }    ", b"(99999999,), }"))
    os.mkfifo(folder / "pipe.npy")
    os.mkfifo(folder / "pipe.keras")
    (folder / "text.npy").write_text("no array")
    return folder


@needs_tensorflow
@pytest.mark.parametrize("name", ["plain", "small"])
def test_litert(name, models, tmp_path, command):
    code, output, errors = command(
        "export", "--model", models / f"{name}.keras", "--out", "mine", "--target", "litert", "--verify"
    )
    assert code == 0 and errors == ""
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["model.tflite"]
    priced = ke.estimate_storage(
        keras.saving.load_model(models / "small.keras")
        if name == "small"
        else ke.quantize_model(keras.saving.load_model(models / "plain.keras"))
    )
    assert f"file {(tmp_path / 'mine/model.tflite').stat().st_size} bytes" in output
    assert f"weights {priced.weight_bytes:g} bytes, arena {priced.activation_bytes:g}" in output
    assert "the class of Keras for" in output


@needs_tensorflow
def test_litert_from_samples_as_json(models, tmp_path, command):
    arguments = ["export", "--model", models / "five.keras", "--target", "litert", "--out", "mine", "--json"]
    code, output, _ = command(*arguments, "--samples", models / "samples.npy")
    report = json.loads(output)
    assert code == 0 and report["number_type"] == "int8"
    assert report["file_bytes"] == (tmp_path / "mine/model.tflite").stat().st_size


def test_an_arduino_sketch(models, tmp_path, command):
    code, output, _ = command("export", "--model", models / "small.keras", "--out", "board", "--target", "arduino")
    assert code == 0 and "arena" in output
    assert (tmp_path / "board/board.ino").exists()


@pytest.mark.parametrize(("target", "file"), [("cmake", "CMakeLists.txt"), ("arduino_library", "src/board.h")])
def test_what_other_programs_take_in(target, file, models, tmp_path, command):
    arguments = ("--out", "board", "--target", target, "--prefix", "board", "--verify", "--images", 4)
    code, output, _ = command("export", "--model", models / "small.keras", *arguments)
    assert code == 0 and "C on this computer" in output
    assert (tmp_path / "board" / file).exists()


@pytest.mark.filterwarnings("default:the model is in float mode")
def test_a_warning_is_one_line(models, command):
    code, _, errors = command("export", "--model", models / "float.keras", "--out", "new")
    assert code == 0
    assert errors.startswith("keras-efficient: warning: the model is in float mode") and errors.count("\n") == 1


@pytest.mark.parametrize(
    "model, arguments, message",
    [
        ("small", ["--target", "toaster"], "'arduino_library', 'litert'. Received: --target='toaster'"),
        ("small", ["--samples", "{models}/samples.npy"], "`--samples` is for `--target litert` only"),
        ("small", ["--target", "litert", "--ram", "2048"], "`--ram` and `--weights` are for C only"),
        ("small", ["--target", "litert", "--weights", "ram"], "`--ram` and `--weights` are for C only"),
        ("small", ["--target", "litert", "--images", "0"], "`--images` must be at least 1"),
        ("small", ["--target", "litert", "--dataset", "digits", "--samples", "x.npy"], "Received: x.npy and digits"),
        ("missing", ["--target", "litert"], "there is no file"),
        ("text", ["--target", "litert"], "cannot be loaded as a Keras model"),
        ("five", ["--target", "litert"], "`--samples FILE.npy`, an array (samples, 5)"),
        ("five", ["--target", "litert", "--dataset", "digits"], "has images of (8, 8, 1), the model takes (5,)"),
        ("five", ["--target", "litert", "--samples", "{models}/four.npy"], "Received: shape (40, 4)"),
        ("five", ["--target", "litert", "--samples", "{models}/none.npy"], "none.npy"),
        ("five", ["--target", "litert", "--samples", "{models}/text.npy"], "is no .npy file"),
        ("five", ["--target", "litert", "--samples", "{models}/objects.npy"], "is no .npy file"),
        ("five", ["--target", "litert", "--samples", "{models}/cut.npy"], "mmap length is greater than file size"),
        ("five", ["--target", "litert", "--samples", "{models}/pipe.npy"], "it is no plain file"),
        ("pipe", [], "it is no plain file"),
        ("five", ["--target", "litert", "--samples", "{models}/several.npz"], "must hold one array"),
        ("five", ["--target", "litert", "--samples", "{models}/number.npy"], "Received: one number"),
        ("two", ["--target", "litert"], "must have one input"),
        ("small", ["--out", "{models}/text.npy"], "must be a folder, or not be there yet"),
        ("plain", [], "Quantize it first: keras-efficient quantize --model"),
        ("small", ["--target", "arduino", "--out", "my board"], "an Arduino sketch has the name of its folder"),
    ],
)
def test_wrong_input_gives_one_line_and_code_2(model, arguments, message, models, tmp_path, command):
    if "litert" in arguments and keras.backend.backend() != "tensorflow":
        pytest.skip("LiteRT converts models of the TensorFlow backend")
    (models / "text.keras").write_text("no model")
    code, output, errors = command(
        "export",
        "--model",
        models / f"{model}.keras",
        "--out",
        "new",
        *(each.format(models=models) for each in arguments),
    )
    assert (code, output) == (2, "")
    assert message in errors
    assert errors.startswith("keras-efficient: ") and errors.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="it works there")
def test_other_backends_are_refused(models, tmp_path, command):
    code, _, errors = command("export", "--model", models / "small.keras", "--out", "new", "--target", "litert")
    assert code == 2 and "models of the TensorFlow backend" in errors
    assert not list(tmp_path.iterdir())
