"""`estimate_firmware`: the bytes and the time of a network on four chips, trained or not."""

import json
import random
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from samples import STUDY

import keras_efficient as ke
from keras_efficient.export import chips
from keras_efficient.export.firmware_estimate import COMPILED, SIMULATED
from keras_efficient.export.typical_network import has_scales, typical_network
from keras_efficient.export.verify import ToolMissingError, arm, avr, can_simulate_avr
from keras_efficient.export.verify.compilers import ARM_INSTALL, AVR_INSTALL
from keras_efficient.networks import DIGITS

SHAPE = (8, 8, 1)
SMALL = [("C", 3, 3, 3, 1, 1, 4, 8, 4), ("S", 4, 4, 8, 8)]
CORES = ("cortex-m0", "cortex-m3", "cortex-m4")
TRAINED = Path(__file__).parents[2] / "models/digits_1_5kb/digits_1_5kb.keras"


def _lacks(*programs):
    return any(shutil.which(program) is None for program in programs)


def _marked(chip):
    avr_chip = chip == "atmega328p"
    lacking = (
        (_lacks("avr-gcc") or not can_simulate_avr()) if avr_chip else _lacks("arm-none-eabi-gcc", "qemu-system-arm")
    )
    reason = f"needs compiler and simulator: {AVR_INSTALL if avr_chip else ARM_INSTALL}"
    return pytest.param(chip, marks=pytest.mark.skipif(lacking, reason=reason))


every_chip = pytest.mark.parametrize("chip", [_marked(chip) for chip in ("atmega328p", *CORES)])
avr_only = pytest.mark.parametrize("chip", [_marked("atmega328p")])
m3_only = pytest.mark.parametrize("chip", [_marked("cortex-m3")])


def plain_model():
    keras.utils.set_random_seed(2)
    bias = keras.initializers.RandomUniform(-0.1, 0.1)  # without one the code would be shorter
    convolution = keras.layers.Conv2D(4, 3, activation="relu", bias_initializer=bias)
    return keras.Sequential(
        [keras.Input(SHAPE), convolution, keras.layers.Flatten(), keras.layers.Dense(3, bias_initializer=bias)]
    )


@every_chip
def test_a_description(chip):
    estimate = ke.estimate_firmware(SMALL, chip, SHAPE)
    assert (estimate.chip, estimate.how, estimate.note) == (chip, SIMULATED, "")
    storage = ke.estimate_storage(SMALL, SHAPE)
    arena = int(np.ceil(storage.activation_bytes))
    assert arena < estimate.ram_bytes - estimate.stack_bytes <= arena + 16 and 0 < estimate.stack_bytes < 250
    assert storage.weight_bytes + 400 < estimate.flash_bytes < storage.weight_bytes + 5000
    known, other = (
        (estimate.cycles, estimate.instructions) if chip == "atmega328p" else (estimate.instructions, estimate.cycles)
    )
    assert other is None and storage.mult_adds < known < 80 * storage.mult_adds


@every_chip
def test_trained_and_untrained_take_the_same(chip):
    """Apart from time where products with zeros are left out: the C for "dsp" takes all of them."""
    rel = 0.02 if chips.CHIPS[chip].target == "dsp" else 0.35
    trained = ke.estimate_firmware(keras.saving.load_model(TRAINED, compile=False), chip)
    untrained = ke.estimate_firmware(DIGITS, chip, SHAPE)
    assert untrained.flash_bytes == pytest.approx(trained.flash_bytes, rel=0.04)
    assert untrained.ram_bytes == pytest.approx(trained.ram_bytes, abs=24)
    for name in ("cycles", "instructions"):
        number = getattr(trained, name)
        assert getattr(untrained, name) == (None if number is None else pytest.approx(number, rel=rel))


@every_chip
def test_flash_is_what_the_network_adds(chip, tmp_path):
    """The bytes of a larger network are more by what its code and weights are; main and start are not counted."""
    model = typical_network(SMALL, SHAPE)
    estimate = ke.estimate_firmware(model, chip)
    ke.export_c(model, tmp_path, target=chips.CHIPS[chip].target)
    whole = chips.CHIPS[chip].sizes(tmp_path, estimate.optimize)
    without = chips.CHIPS[chip].sizes_without(tmp_path, estimate.optimize)
    assert 150 < without.flash_bytes < 2000 and estimate.flash_bytes + without.flash_bytes == whole.flash_bytes
    if chip != "atmega328p":
        images = np.zeros((1, *SHAPE), int)
        alone = arm.run_on_arm(tmp_path, images, core=chip, optimization=estimate.optimize).flash_bytes
        assert abs(estimate.flash_bytes - alone) < 350  # what it calls of the library, less what it never calls


@m3_only
def test_a_plain_model_is_quantized(chip):
    plain = plain_model()
    weights = [np.copy(each) for each in plain.get_weights()]
    estimate = ke.estimate_firmware(plain, chip)
    x = np.random.default_rng(0).random((32, *SHAPE)).astype("float32")
    quantized = ke.estimate_firmware(ke.quantize_model(plain, x=x), chip)
    assert estimate.how == SIMULATED and estimate.flash_bytes == pytest.approx(quantized.flash_bytes, rel=0.08)
    assert all(np.array_equal(*pair) for pair in zip(weights, plain.get_weights(), strict=True))


@m3_only
def test_nothing_is_changed_and_the_same_comes_again(chip):
    model = ke.build_network(SMALL, SHAPE)
    before = [np.copy(each) for each in model.get_weights()]
    first, second = ke.estimate_firmware(model, chip), ke.estimate_firmware(model, chip)
    assert first == second and first.how == SIMULATED
    assert all(np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True))
    random.seed(1)
    state, expected = random.getstate(), ke.estimate_firmware(SMALL, chip, SHAPE)
    assert random.getstate() == state
    random.seed(2)
    assert ke.estimate_firmware(SMALL, chip, SHAPE) == expected
    assert {layer.mode for layer in ke.quantization.modes.quantized_layers(model)} == {"float"}


@m3_only
def test_files_with_a_description(chip, tmp_path):
    path = tmp_path / "small.json"
    path.write_text(json.dumps({"network": SMALL, "input_shape": SHAPE}))
    expected = ke.estimate_firmware(SMALL, chip, SHAPE)
    assert ke.estimate_firmware(path, chip) == ke.estimate_firmware(str(path), chip) == expected


@m3_only
def test_sizes_that_a_model_leaves_open(chip):
    norm = keras.layers.Normalization(mean=np.full(6, 3.0), variance=np.ones(6))
    model = keras.Sequential([keras.Input((None, 6)), norm, keras.layers.Conv1D(3, 3, activation="relu")])
    with pytest.raises(ValueError, match=r"input_shape must complete the model's \(None, 6\)"):
        ke.estimate_firmware(model, chip)
    assert ke.estimate_firmware(model, chip, (20, 6)).ram_bytes > ke.estimate_firmware(model, chip, (10, 6)).ram_bytes


@m3_only
def test_several_inputs_and_outputs(chip):
    left, right = keras.Input((6,)), keras.Input((4,))
    joined = keras.layers.Concatenate()([keras.layers.Dense(5, "relu")(left), keras.layers.Dense(3, "relu")(right)])
    model = keras.Model([left, right], [keras.layers.Dense(3)(joined), keras.layers.Dense(2)(joined)])
    assert ke.estimate_firmware(model, chip).how == SIMULATED


@avr_only
def test_the_level_of_the_compiler(chip):
    small, fast = (ke.estimate_firmware(SMALL, chip, SHAPE, optimize=level) for level in (None, "-O3"))
    assert (small.optimize, fast.optimize) == ("-Os", "-O3")
    assert small.flash_bytes < fast.flash_bytes and small.cycles > fast.cycles


def test_scales_are_calibrated_where_there_are_none():
    keras.utils.set_random_seed(3)
    fresh = ke.build_network(STUDY)
    typical = typical_network(fresh)
    assert not has_scales(fresh) and has_scales(typical)
    biases = [each for layer in typical.layers if hasattr(layer, "bias") for each in [layer.bias]]
    assert biases and all(np.any(keras.ops.convert_to_numpy(bias)) for bias in biases)
    assert typical_network(typical) is typical


@pytest.mark.parametrize("chip", ["atmega328p", *CORES])
def test_missing_compilers_are_said(chip, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    estimate = ke.estimate_firmware(SMALL, chip, SHAPE)
    assert estimate.how.startswith("not compiled: ") and "Install: apt-get install gcc-" in estimate.how
    numbers = (estimate.flash_bytes, estimate.ram_bytes, estimate.stack_bytes, estimate.cycles, estimate.instructions)
    assert numbers == (None,) * 5
    assert str(estimate) == f"{chip}, {estimate.optimize}: {estimate.how}"


@avr_only
def test_a_missing_simavr_leaves_the_sizes(chip, monkeypatch):
    expected = ke.estimate_firmware(SMALL, chip, SHAPE)
    monkeypatch.setattr(avr, "can_simulate_avr", lambda: False)
    _is_compiled_only(ke.estimate_firmware(SMALL, chip, SHAPE), expected, "simavr not found. Install: apt-get")


@m3_only
def test_a_missing_qemu_leaves_the_sizes(chip, monkeypatch):
    def without_qemu(*names, install):
        if "qemu-system-arm" in names:
            raise ToolMissingError(f"qemu-system-arm not found. Install: {install}")
        return found(*names, install=install)

    expected, found = ke.estimate_firmware(SMALL, chip, SHAPE), arm.find_tool
    monkeypatch.setattr(arm, "find_tool", without_qemu)
    _is_compiled_only(ke.estimate_firmware(SMALL, chip, SHAPE), expected, "qemu-system-arm not found. Install: apt-get")


def _is_compiled_only(estimate, expected, note):
    assert estimate.how == COMPILED and estimate.note.startswith(note)
    assert estimate.flash_bytes == expected.flash_bytes
    assert estimate.ram_bytes == expected.ram_bytes - expected.stack_bytes + 96
    assert estimate.stack_bytes is estimate.cycles is estimate.instructions is None
    assert "96 allowed for the stack" in str(estimate) and note in str(estimate)


@avr_only
def test_networks_that_are_too_large(chip):
    wide = ke.estimate_firmware([("C", 24, 3, 3, 1, 1, 4, 8, 4), ("S", 4, 4, 8, 8)], chip, (20, 20, 1))
    assert wide.how == COMPILED and wide.ram_bytes > 24 * 18 * 18 / 2
    assert "bytes of RAM, the ATmega328P has 2048" in wide.note
    heavy = ke.estimate_firmware([("F", 100, 8, 8, 8), ("S", 4, 8, 8, 8)], chip, (400,))
    assert heavy.how == "not compiled: the weights take 40504 bytes: an array of an AVR has at most 32767"


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (
            (SMALL, "cortex-m7"),
            ValueError,
            "`chip` must be one of 'atmega328p', 'cortex-m0', .* Received: chip='cortex-m7'",
        ),
        (
            (SMALL, "cortex-m3", SHAPE, "-O9"),
            ValueError,
            "`optimize` must be one of '-O0', .* Received: optimize='-O9'",
        ),
        ((SMALL, "cortex-m3", (2, 2, 1)), ValueError, "item 1 of 2"),
        ((SMALL, "cortex-m3", 28), ValueError, "`input_shape` must be .* Received: 28"),
        (([],), ValueError, "at least one item"),
        ((7,), TypeError, "`model_or_description` must be a built Keras model, or a description.* Received: .*=7"),
        (("nowhere.json",), FileNotFoundError, "nowhere.json"),
    ],
)
def test_wrong_arguments(arguments, kind, message):
    with pytest.raises(kind, match=message):
        ke.estimate_firmware(*arguments)


def test_networks_without_c_are_refused():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.LayerNormalization()])
    with pytest.raises(ValueError, match="LayerNormalization has no integer form"):
        ke.estimate_firmware(model)


@avr_only
def test_it_is_shown_as_a_table_and_as_json(chip):
    estimate = ke.estimate_firmware(STUDY, chip)
    title, flash, ram, time = str(estimate).splitlines()
    assert title == "atmega328p, -Os: compiled and simulated"
    assert flash.split() == ["flash", f"{estimate.flash_bytes:,}", "bytes"]
    assert ram.split()[:2] == ["RAM", str(estimate.ram_bytes)] and f"{estimate.stack_bytes} of them stack" in ram
    assert time.split() == ["time", f"{estimate.cycles:,}", "cycles", "per", "input"]
    assert ke.FirmwareEstimate(**json.loads(estimate.to_json())) == estimate
