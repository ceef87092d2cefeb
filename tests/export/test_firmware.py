"""The generated C: equal to the integer model, of the predicted size, and refused where it cannot be."""

import json
import re
import subprocess
import tracemalloc

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.export import verification
from keras_efficient.export.c.writer import write_network
from keras_efficient.export.verify import ToolFailedError, run_on_host
from random_networks import RandomNetwork


@pytest.mark.parametrize("seed", range(16))
def test_random_networks_equal_the_integer_model(seed, tmp_path, c_compiler):
    """Every fourth network has extreme scales and wide activations."""
    network = RandomNetwork(1000 + seed, extreme=seed % 4 == 0)
    model = network.model()
    images = network.images(8, model.input_shape[1:])
    report = ke.export_c(model, tmp_path)
    run = run_on_host(tmp_path, images)
    expected = ke.export.IntegerModel(model).predict(images)
    np.testing.assert_array_equal(run.logits, expected)
    np.testing.assert_array_equal(run.classes, expected[:, :256].argmax(axis=1))
    assert report.arena_bytes == report.predicted_arena_bytes


def test_published_network(published, golden, shared_data, tmp_path, c_compiler):
    images = np.load(shared_data / "mnist.npz")["x_test"][:256]
    report = ke.export_c(published, tmp_path)
    assert (report.weight_bytes, report.arena_bytes, report.predicted_arena_bytes) == (1513, 435, 435)
    run = run_on_host(tmp_path, images)
    np.testing.assert_array_equal(run.logits, np.load(golden("integer_model_QL_0.npz"))["test_logits_first_256"])


def test_one_byte_less_is_too_little(study, tmp_path, c_compiler):
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1))
    report = ke.export_c(study, tmp_path)
    run_on_host(tmp_path, images)
    with pytest.raises(ToolFailedError, match="out of bounds|overflow"):
        run_on_host(tmp_path, images, flags=(f"-DNETWORK_ARENA_BYTES={report.arena_bytes - 1}",))


def test_c_is_plain_and_keeps_to_its_names(study, tmp_path, c_compiler):
    ke.export_c(study, tmp_path)
    text = (tmp_path / "network.c").read_text() + (tmp_path / "network.h").read_text()
    assert not re.search(r"\b(float|double|malloc|memcpy|printf)\b", text)
    macros = re.findall(r"#define (\w+)", text)
    assert macros and all(name.startswith("NETWORK_") for name in macros)
    command = ["cc", "-std=c99", "-c", tmp_path / "network.c", "-o", tmp_path / "network.o"]
    subprocess.run(command, check=True, capture_output=True)
    symbols = subprocess.run(["nm", "-g", tmp_path / "network.o"], check=True, capture_output=True, text=True).stdout
    names = {line.split()[-1].lstrip("_") for line in symbols.splitlines() if " U " not in line}
    assert names == {f"network_{name}" for name in ("classify", "logits", "push", "reset", "run")}


def test_images_follow_each_other_without_a_reset(study, tmp_path, c_compiler):
    """The same image gives the same logits after any other, and after one of extremes."""
    ke.export_c(study, tmp_path)
    image, other = np.random.default_rng(1).integers(0, 256, (2, 28, 28, 1))
    logits = run_on_host(tmp_path, np.stack([image, np.full_like(image, 255), image, other, image])).logits
    assert (logits[0] == logits[2]).all() and (logits[0] == logits[4]).all() and (logits[0] != logits[3]).any()


def test_report_and_files(study, tmp_path):
    report = ke.export_c(study, tmp_path / "new" / "folder")
    names = {path.name for path in (tmp_path / "new/folder").iterdir()}
    assert names == {"network.c", "network.h", "main_host.c", "report.json", "README.md"}
    numbers = json.loads((tmp_path / "new/folder/report.json").read_text())
    assert (numbers["weight_bytes"], numbers["arena_bytes"], numbers["arena_above_prediction"]) == (1513, 435, 0)
    assert numbers["stack_bytes"] is None
    assert report.static_bytes <= 48
    assert report.fits(ram=533) and not report.fits(ram=532)
    assert not ke.export_c(study, tmp_path, weights="ram").fits(ram=2045)
    assert len((tmp_path / "README.md").read_text().splitlines()) <= 17


def test_what_does_not_fit_is_refused_with_the_numbers(study, tmp_path):
    with pytest.raises(
        ValueError, match=r"`ram`=500 bytes: it needs 533 \(435 arena \+ 2 variables \+ 96 for the stack"
    ):
        ke.export_c(study, tmp_path / "none", ram=500)
    assert not (tmp_path / "none").exists()
    assert ke.export_c(study, tmp_path / "fits", ram=533).arena_bytes == 435


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"weights": "disk"}, "`weights` must be one of 'flash', 'ram'. Received: weights='disk'"),
        ({"ram": 2048.5}, "`ram` must be a positive number of bytes, or None. Received: ram=2048.5"),
        ({"ram": 0}, "`ram` must be a positive number of bytes, or None. Received: ram=0"),
        ({"target": "z80"}, "'arduino', 'cmake', 'arduino_library'. Received: target='z80'"),
    ],
)
def test_wrong_arguments(study, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        ke.export_c(study, tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


def test_nothing_of_somebody_else_is_overwritten(study, tmp_path):
    (tmp_path / "README.md").write_text("My notes")
    with pytest.raises(ValueError, match=r"README.md' exists and is not an export"):
        ke.export_c(study, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_a_changed_main_is_kept(study, tmp_path):
    ke.export_c(study, tmp_path)
    (tmp_path / "main_host.c").write_text("mine")
    ke.export_c(study, tmp_path, weights="ram")
    assert (tmp_path / "main_host.c").read_text() == "mine"
    assert "NETWORK_RAM" in (tmp_path / "network.c").read_text()


def test_same_model_gives_the_same_text(study, tmp_path):
    ke.export_c(study, tmp_path / "a")
    ke.export_c(study, tmp_path / "b")
    assert (tmp_path / "a/network.c").read_text() == (tmp_path / "b/network.c").read_text()


def test_verification(study, tmp_path, c_compiler):
    images = np.random.default_rng(0).integers(0, 256, (12, 28, 28, 1))
    ke.export_c(study, tmp_path)
    done = ke.export.verify_c(study, tmp_path, images)
    assert done.passed
    assert str(done).count("12 of 12 equal") == 2


def test_verification_names_the_first_difference(study, tmp_path, c_compiler):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1))
    ke.export_c(study, tmp_path)
    weights = study.get_weights()
    study.set_weights([weights[0] + 1, *weights[1:]])
    done = ke.export.verify_c(study, tmp_path, images)
    assert not done.passed
    assert re.search(r"C on this computer.*of 5 equal; first difference: image 0, logit \d is", str(done))


def test_verification_needs_an_export(study, tmp_path):
    with pytest.raises(ValueError, match="holds no network exported by keras_efficient"):
        ke.export.verify_c(study, tmp_path, np.zeros((1, 28, 28, 1), np.uint8))


def test_a_program_that_fails_is_said_and_not_passed(study, tmp_path, monkeypatch):
    """What is too large for the device, say: no exception, which the command would show as a traceback."""

    def fails(*_):
        raise ToolFailedError("The network needs 3000 bytes of RAM, the ATmega328P has 2048.")

    monkeypatch.setattr(verification, "run_on_host", fails)
    ke.export_c(study, tmp_path)
    done = ke.export.verify_c(study, tmp_path, np.zeros((1, 28, 28, 1), np.uint8))
    assert not done.passed
    assert "C on this computer: failed; The network needs 3000 bytes of RAM" in str(done)


def test_a_difference_in_any_logit_counts():
    done = verification.compare("C", np.array([[1, 2], [3, 4], [5, 6]]), np.array([[1, 2], [3, 7], [5, 8]]))
    assert (done.equal, done.images, done.passed) == (1, 3, False)
    assert done.note == "first difference: image 1, logit 1 is 4, the integer model has 7"


@pytest.mark.parametrize("kind", ["Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout"])
def test_what_only_acts_in_training_takes_nothing(kind, tmp_path):
    around = [ke.ConvQ(2, 3), keras.layers.Flatten(), ke.DenseQ(3)]
    networks = ([*around[:1], *extra, *around[1:]] for extra in ([], [getattr(keras.layers, kind)(0.1)]))
    first, second = (keras.Sequential([keras.Input((6, 6, 1)), *layers]) for layers in networks)
    for model in (first, second):
        ke.set_mode(model, "freeze_scales")
    assert ke.estimate_storage(first).total_bytes == ke.estimate_storage(second).total_bytes
    assert ke.export_c(first, tmp_path / "first").layers == ke.export_c(second, tmp_path / "second").layers


def test_the_readme_leaves_to_the_header_what_a_number_stands_for(tmp_path):
    model = keras.Sequential([keras.Input((5,)), ke.InputQ(bits=16), ke.DenseQ(3)])
    ke.set_mode(model, "freeze_scales")
    ke.export_c(model, tmp_path)
    assert "typedef uint16_t network_input;" in (tmp_path / "network.h").read_text()
    assert "byte /" not in (tmp_path / "README.md").read_text()


def test_a_network_of_too_many_weights_is_refused(tmp_path):
    model = ke.build_network([["S", 10, 4, 8, 8]], (8, 8, 1), mode="freeze_scales")
    with pytest.raises(ValueError, match="has 330 bytes of weights, which is more than `max_weight_bytes`=329"):
        ke.export_c(model, tmp_path / "c", max_weight_bytes=329)
    assert not (tmp_path / "c").exists()
    ke.export_c(model, tmp_path / "c", max_weight_bytes=330)


def test_the_text_of_many_weights_is_never_whole():
    model = keras.Sequential([keras.Input((1000,)), ke.DenseQ(400, kernel_bits=8, bias_bits=8)])
    ke.set_mode(model, "freeze_scales")
    network = write_network(ke.export.IntegerModel(model))
    tracemalloc.start()
    length = sum(map(len, network.source()))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert network.weight_bytes == 400_400 and length > 1_000_000 and peak < length // 10
