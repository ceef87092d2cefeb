"""The rows of the README's table: what the package is for, each figure with its conditions."""

from _conditions import data_name, measured_on, more_than_predicted
from _results import figures
from _tables import mean_and_sd


def headlines():
    """(what, figure, script, date) of each line."""
    for what, figure, scripts, records in (*main_job(), *firmware(), *layers()):
        yield what, figure, scripts, measured_on(*records)


def main_job():
    demo, mnist, earlier = figures("demo"), figures("mnist_2kb"), figures("mnist_2kb_float_teachers")
    yield (
        f"`make demo`: digits, test accuracy, {len(demo['runs'])} seeds",
        f"{demo['test_accuracy_mean']:.2%} ± {100 * demo['test_accuracy_sd']:.2f} at {demo['total_bytes']:,.0f} bytes",
        "measure_demo.py",
        ["demo"],
    )
    yield (
        "MNIST, trained here, one run: test accuracy in Keras, of the 16-bit logits of the C; of the recipe run before",
        f"{in_keras_and_c(mnist)} at {mnist['best']['total_bytes']:,.0f} bytes; {in_keras_and_c(earlier)}",
        "mnist_2kb.py",
        ["mnist_2kb", "mnist_2kb_float_teachers"],
    )
    speeds = figures("benchmark_driver").values()
    compiled = [sides["compiled_one_process"]["times_fit"] for sides in speeds]
    in_keras = [sides["keras_one_process"]["times_fit"] for sides in speeds]
    yield (
        "Trial-epochs a second against `model.fit`, MNIST, batch 1024, one process: the compiled engine, which "
        '`engine="auto"` (the default) takes here; `engine="keras"`',
        f"{min(compiled):.1f} to {max(compiled):.1f} times; {min(in_keras):.1f} to {max(in_keras):.1f} times",
        "benchmark_driver.py",
        ["benchmark_driver"],
    )
    pricing = figures("search")["pricing"]
    yield (
        "Networks priced on one core: as batches of one space; one by one",
        f"{pricing['candidates_a_second']:,}; {pricing['one_by_one']['candidates_a_second']:,.0f} a second",
        "measure_search.py",
        ["search"],
    )
    crashes = figures("crashes").values()
    equal = sum(each["result_equal"] and each["weights_equal"] for runs in crashes for each in runs["each"])
    yield (
        "Runs on the digits killed at random moments that end with the same weights, bit for bit",
        f"{equal} of {sum(runs['crashes'] for runs in crashes)}",
        "check_crashes.py",
        ["crashes"],
    )


def in_keras_and_c(found):
    """Test accuracies of the chosen network."""
    return f"{found['best']['test_accuracy']:.2%}, {found['integer_test_accuracy']:.2%}"


def firmware():
    found, fuzz = figures("firmware"), figures("fuzz_firmware")
    equality, chip = found["equality"], found["avr"]["weights in flash, -Os"]
    yield (
        "Images whose ten logits in C equal Keras's; random networks: C equal to the integer model, and Keras equal to "
        "it where float32 is exact",
        f"{equality['c_equals_integer_model']:,} of {equality['images']:,}; "
        f"{fuzz['c_equals_integer_model']} of {fuzz['networks']}, "
        f"{fuzz['keras_equals_integer_model_there']} of {fuzz['float32_is_exact']}",
        "measure_firmware.py`, `fuzz_firmware.py",
        ["firmware", "fuzz_firmware"],
    )
    yield (
        "Random networks whose memory in C is the predicted bytes",
        more_than_predicted(),
        "fuzz_firmware.py",
        ["fuzz_firmware"],
    )
    yield (
        "Published MNIST network on an ATmega328P (simulated): RAM with stack, flash (weights there), cycles an image",
        f"{chip['ram_bytes']:,} bytes, {chip['flash_bytes']:,} bytes, {chip['mean_cycles'] / 1e6:.2f} million",
        "measure_firmware.py",
        ["firmware"],
    )
    yield from beside_litert()
    pruned = next(each for each in figures("pruned_firmware")["networks"] if each["sparsity"] == 0.8)
    cycles = pruned["sparse"]["mean_cycles"] / pruned["dense"]["mean_cycles"]
    yield (
        "80 % zeros, 4 bits, digits: bytes of weights in C and cycles on an ATmega328P (simulated), against the dense "
        "export",
        f"{pruned['weights_ratio']:.2f} of the bytes, and {pruned['decoder_bytes']} bytes of decoder; "
        f"{cycles:.1f} times the cycles",
        "measure_pruned_firmware.py",
        ["pruned_firmware"],
    )


def beside_litert():
    found, resnet = figures("compare_litert"), figures("own_models")["summary"]["resnet8"]
    ours, theirs = found["keras_efficient"], found["litert_int8"]
    yield (
        "That network at 4 bits here, at 8 bits in LiteRT: bytes of weights against the `.tflite` file; of activations",
        f"{ours['weight_bytes']:,} (4 bits) against {theirs['model_bytes']:,} (8 bits); "
        f"{ours['arena_bytes']:,} (4 bits) against {theirs['arena_activation_bytes']:,} (8 bits)",
        "compare_litert.py",
        ["compare_litert"],
    )
    yield (
        f"ResNet-8, 8 bits on both sides, {data_name('CIFAR-10')}: RAM of the maps, against LiteRT's",
        f"{resnet['int8']['arena_bytes']:,} against {resnet['litert']['arena_activation_bytes']:,} bytes",
        "own_models.py",
        ["own_models"],
    )


def layers():
    acdc = figures("benchmark_acdc_tensorflow")
    forward, gradients = (acdc[f"{kind}_8192_batch_128"] for kind in ("forward", "gradients"))
    yield (
        "One `ACDC` of size 8192 against `Dense`, TensorFlow, CPU, batch 128, forward: `dct` (the default), `dct2d`; "
        "a stack of twelve: forward, with gradients",
        f"{times(forward, 'dct', 'dct2d')}; {times(forward, 'stack_dct', 'stack_dct2d')}; "
        f"{times(gradients, 'stack_dct', 'stack_dct2d')} times as fast",
        "benchmark_acdc.py",
        ["benchmark_acdc_tensorflow"],
    )
    kronecker = figures("benchmark_kronecker")
    lphm = kronecker["sizes"]["8192"]["lphm_rank_8"]["forward"]
    yield (
        f"`LPHMDense` (rank 8) of size 8192 against `Dense`, TensorFlow, CPU, batch {kronecker['batch']}, forward",
        f"{lphm['times_faster']:.0f} times as fast",
        "benchmark_kronecker.py",
        ["benchmark_kronecker"],
    )
    small = figures("random_bases_small")
    yield (
        f"MNIST in fixed random bases, {len(small['test']['each'])} seeds, quantized: test accuracy; of the C of the "
        "one that validates best: stored bytes (seeds, coordinates, biases), RAM of an ATmega328P (simulated), million "
        "cycles an image",
        f"{mean_and_sd(small['quantized']['test'])} %; {small['firmware']['weight_bytes']:,}; "
        f"{small['firmware']['atmega328p']['-Os']['ram_bytes']:,}; "
        f"{small['firmware']['atmega328p']['-Os']['mean_cycles'] / 1e6:.0f}",
        "random_bases_bytes.py",
        ["random_bases_small"],
    )
    backends = [f"benchmark_random_bases_{backend}" for backend in ("tensorflow", "jax")]
    yield (
        "A step of FC-MNIST with a new random basis, d = 250, batch 32, as a multiple of plain SGD's: TensorFlow, JAX",
        ", ".join(f"{figures(name)['rbd']['times_sgd']:.2f}" for name in backends),
        "benchmark_random_bases.py",
        backends,
    )


def times(sides, *names):
    return ", ".join(f"{sides[name]['times_dense']:.1f}" for name in names)
