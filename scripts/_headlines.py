"""The rows of the README's table: a dozen figures that say what the package is for."""

from _results import figures
from _tables import mean_and_sd


def headlines():
    """(what, figure, script) of each line."""
    yield from main_job()
    yield from firmware()
    yield from layers()


def main_job():
    demo, mnist = figures("demo"), figures("mnist_2kb")
    yield (
        f"`make demo`: digits, test accuracy, {len(demo['runs'])} seeds",
        f"{demo['test_accuracy_mean']:.2%} ± {100 * demo['test_accuracy_sd']:.2f} at {demo['total_bytes']:,.0f} bytes",
        "measure_demo.py",
    )
    yield (
        "MNIST, trained here: test accuracy in Keras; of the 16-bit logits of the C",
        f"{mnist['best']['test_accuracy']:.2%}; {mnist['integer_test_accuracy']:.2%} at "
        f"{mnist['best']['total_bytes']:,.0f} bytes",
        "mnist_2kb.py",
    )
    speeds = [sides["compiled_process_per_core"]["times_fit"] for sides in figures("benchmark_driver").values()]
    yield (
        "Trial-epochs a second, compiled engine, against `model.fit`",
        f"{min(speeds):.0f} to {max(speeds):.0f} times",
        "benchmark_driver.py",
    )
    pricing = figures("search")["pricing"]
    yield (
        "Networks priced exactly, on one core",
        f"{pricing['candidates_a_second']:,} a second",
        "measure_search.py",
    )
    crashes = figures("crashes").values()
    equal = sum(each["result_equal"] and each["weights_equal"] for runs in crashes for each in runs["each"])
    yield (
        "Runs killed at random moments that end with the same weights, bit for bit",
        f"{equal} of {sum(runs['crashes'] for runs in crashes)}",
        "check_crashes.py",
    )


def firmware():
    found, fuzz, litert = figures("firmware"), figures("fuzz_firmware"), figures("compare_litert")
    equality, chip = found["equality"], found["avr"]["weights in flash, -Os"]
    yield (
        "Images whose ten logits in C equal Keras's; random networks bit-exact",
        f"{equality['c_equals_integer_model']:,} of {equality['images']:,}; "
        f"{fuzz['c_equals_integer_model']} of {fuzz['networks']}",
        "measure_firmware.py`, `fuzz_firmware.py",
    )
    yield (
        "MNIST on an ATmega328P (simulated): RAM with stack, flash, cycles an image",
        f"{chip['ram_bytes']:,} bytes, {chip['flash_bytes']:,} bytes, {chip['mean_cycles'] / 1e6:.2f} million",
        "measure_firmware.py",
    )
    ours, theirs = litert["keras_efficient"], litert["litert_int8"]
    yield (
        "The same network in LiteRT int8: bytes of the model, of activations",
        f"{ours['weight_bytes']:,} against {theirs['model_bytes']:,}, "
        f"{ours['arena_bytes']:,} against {theirs['arena_activation_bytes']:,}",
        "compare_litert.py",
    )
    resnet = figures("own_models")["summary"]["resnet8"]
    yield (
        "ResNet-8 at 8 bits, CIFAR-10: RAM of the maps, against LiteRT's",
        f"{resnet['int8']['arena_bytes']:,} against {resnet['litert']['arena_activation_bytes']:,} bytes",
        "own_models.py",
    )
    pruned = next(each for each in figures("pruned_firmware")["networks"] if each["sparsity"] == 0.8)
    yield (
        "80 % zeros: bytes of weights in C, against the dense export",
        f"{pruned['weights_ratio']:.2f} of them, and {pruned['decoder_bytes']} bytes of decoder",
        "measure_pruned_firmware.py",
    )


def layers():
    acdc = figures("benchmark_acdc_tensorflow")["forward_8192_batch_128"]
    lphm = figures("benchmark_kronecker")["sizes"]["8192"]
    yield (
        "`ACDC`, `LPHMDense` (rank 8) of size 8192 against `Dense`, TensorFlow, forward",
        f"{acdc['dct2d']['times_dense']:.0f}, {lphm['lphm_rank_8']['forward']['times_faster']:.0f} times faster",
        "benchmark_acdc.py`, `benchmark_kronecker.py",
    )
    small, steps = (
        figures("random_bases_small"),
        [figures(f"benchmark_random_bases_{b}") for b in ("tensorflow", "jax")],
    )
    yield (
        f"MNIST in fixed random bases, {len(small['test']['each'])} seeds",
        f"{mean_and_sd(small['test'])} % at {small['stored_bytes']:,} bytes",
        "random_bases_bytes.py",
    )
    yield (
        "A step with a new random basis, as a multiple of plain SGD's: TensorFlow, JAX",
        ", ".join(f"{each['rbd']['times_sgd']:.2f}" for each in steps),
        "benchmark_random_bases.py",
    )
