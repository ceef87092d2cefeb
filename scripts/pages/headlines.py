"""The six figures of the README, each with its conditions; all others stand in docs/figures.md."""

from measuring.results import figures
from pages.conditions import data_name, measured_on, more_than_predicted


def headlines():
    """(what, figure, script, date) of each line."""
    for make in (demo, mnist, equal_logits, predicted_memory, on_a_chip, beside_litert):
        what, figure, scripts, records = make()
        yield what, figure, scripts, measured_on(*records)


def demo():
    found = figures("demo")
    return (
        f"`make demo`: digits, test accuracy, mean ± standard deviation of {len(found['runs'])} seeds",
        f"{found['test_accuracy_mean']:.2%} ± {100 * found['test_accuracy_sd']:.2f} at "
        f"{found['total_bytes']:,.0f} bytes",
        "measure_demo.py",
        ["demo"],
    )


def mnist():
    found, earlier = figures("mnist_2kb"), figures("mnist_2kb_float_teachers")
    return (
        "MNIST, one run, chosen on validation data: test accuracy in Keras, of the 16-bit logits of the C; of "
        "the recipe that was run before",
        f"{_in_keras_and_c(found)} at {found['best']['total_bytes']:,.0f} bytes; {_in_keras_and_c(earlier)}",
        "mnist_2kb.py",
        ["mnist_2kb", "mnist_2kb_float_teachers"],
    )


def _in_keras_and_c(found):
    return f"{found['best']['test_accuracy']:.2%}, {found['integer_test_accuracy']:.2%}"


def equal_logits():
    equality, fuzz = figures("firmware")["equality"], figures("fuzz_firmware")
    return (
        "MNIST images whose ten logits in C equal Keras's; random networks whose C equals the integer model, and whose "
        "Keras model does where float32 is exact",
        f"{equality['c_equals_integer_model']:,} of {equality['images']:,}; "
        f"{fuzz['c_equals_integer_model']} of {fuzz['networks']}, "
        f"{fuzz['keras_equals_integer_model_there']} of {fuzz['float32_is_exact']}",
        "measure_firmware.py`, `fuzz_firmware.py",
        ["firmware", "fuzz_firmware"],
    )


def predicted_memory():
    return (
        "Random networks whose memory in C is the predicted bytes",
        more_than_predicted(),
        "fuzz_firmware.py",
        ["fuzz_firmware"],
    )


def on_a_chip():
    chip = figures("firmware")["avr"]["weights in flash, -Os"]
    return (
        "The published MNIST network on a simulated ATmega328P, weights in flash: RAM with stack, flash, cycles per "
        "image",
        f"{chip['ram_bytes']:,} bytes, {chip['flash_bytes']:,} bytes, {chip['mean_cycles'] / 1e6:.2f} million",
        "measure_firmware.py",
        ["firmware"],
    )


def beside_litert():
    resnet = figures("own_models")["summary"]["resnet8"]
    return (
        f"ResNet-8, 8 bits on both sides, {data_name('CIFAR-10')}: RAM of the feature maps here, and in LiteRT Micro",
        f"{resnet['int8']['arena_bytes']:,}, {resnet['litert']['arena_activation_bytes']:,} bytes",
        "own_models.py",
        ["own_models"],
    )
