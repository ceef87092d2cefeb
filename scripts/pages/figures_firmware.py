"""Tables of figures: the generated C."""

from measuring.results import figures
from pages.conditions import arena_sentence, measured_on
from pages.tables import Table


def firmware_tables():
    yield chip_table()
    yield litert_table()


def chip_table():
    found, fuzz = figures("firmware"), figures("fuzz_firmware")
    chips = {"avr": ("ATmega328P", "mean_cycles"), "arm": ("Cortex-M3", "mean_instructions")}
    rows = [
        [
            chips[chip][0],
            setting,
            f"{run['ram_bytes']:,}",
            f"{run['flash_bytes']:,}",
            f"{run[chips[chip][1]] / 1e6:.2f}",
        ]
        for chip in chips
        for setting, run in found[chip].items()
        if "ram_bytes" in run
    ]
    equality = found["equality"]
    title = (
        f"Random networks (`fuzz_firmware.py`): the C equals the integer model in {fuzz['c_equals_integer_model']} of "
        f"{fuzz['networks']}, and Keras equals it in {fuzz['keras_equals_integer_model_there']} of the "
        f"{fuzz['float32_is_exact']} that float32 computes exactly. {arena_sentence()}\n\n"
        "The published MNIST network of 1,947 bytes, simulated: RAM with stack, flash, millions of cycles (Cortex-M3: "
        f"instructions) an image. All ten logits equal Keras's in {equality['c_equals_integer_model']:,} of "
        f"{equality['images']:,} test images, {equality['test_accuracy']:.2%} right ({measured_on('firmware')})"
    )
    return Table(title, "measure_firmware.py", ["chip", "setting", "RAM", "flash", "millions an image"], rows)


def litert_table():
    found = figures("compare_litert")
    ours = found["keras_efficient"]
    rows = [
        [
            "the C of this package, 4 bits",
            f"{ours['weight_bytes']:,}",
            f"{ours['arena_bytes']:,}",
            f"{ours['integer_test_accuracy']:.2%}",
        ]
    ]
    for name, label in (
        ("litert_int8", "LiteRT, 8 bits"),
        ("litert_int8_rounded", "LiteRT, 8 bits, of our weights rounded to 4"),
    ):
        side = found[name]
        rows.append(
            [
                label,
                f"{side['model_bytes']:,}",
                f"{side['arena_activation_bytes']:,}",
                f"{side['test_accuracy']:.2%}",
            ]
        )
    headings = ["", "bytes of weights or file", "bytes of activations", "MNIST test accuracy"]
    title = "The same network at 4 bits here and at 8 bits in LiteRT; of the C the weights alone, of LiteRT its file"
    return Table(title, "compare_litert.py", headings, rows)
