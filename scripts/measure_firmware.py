"""The published 2 KB network as C: equal logits on all MNIST test images, bytes and cycles on devices.

Loads modelQL_0.h5 (Gural & Murmann, ICML 2019), exports it, and compares Keras, the integer model and
the C code (sanitizers on) on the 10,000 test images. Then every build on a simulated ATmega328P and a
Cortex-M3, where the tools are installed: flash, RAM, measured stack, cycles.

    python scripts/measure_firmware.py --data-dir DIR --checkpoints DIR [--quick]
"""

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

import keras_efficient as ke
from keras_efficient.export.reference import keras_logits
from keras_efficient.export.verify import ToolFailedError, ToolMissingError, run_on_arm, run_on_avr, run_on_host
from measuring.results import write_results

LEVELS = ("-Os", "-O1", "-O2", "-O3")


def equality(model, directory, images, labels):
    """How many images have equal logits, and the accuracy of the integer logits."""
    integers = ke.export.IntegerModel(model)
    expected = integers.predict(images)
    run = run_on_host(directory, images)
    return {
        "images": len(images),
        "keras_equals_integer_model": int((keras_logits(model, integers, images) == expected).all(axis=1).sum()),
        "c_equals_integer_model": int((run.logits == expected).all(axis=1).sum()),
        "sanitized": run.sanitized,
        "test_accuracy": float((expected.argmax(axis=1) == labels).mean()),
    }


def on_avr(directory, images, level):
    """Bytes and cycles of one build, or why there are none."""
    try:
        run = run_on_avr(directory, images, optimization=level)
    except (ToolMissingError, ToolFailedError) as error:
        return {"failed": str(error).strip().splitlines()[-1]}
    return {
        "flash_bytes": run.flash_bytes,
        "static_bytes": run.static_bytes,
        "stack_bytes": run.stack_bytes,
        "ram_bytes": run.ram_bytes,
        "mean_cycles": run.image_cycles.mean,
        "mean_cycles_after_last_byte": run.inference_cycles.mean,
        "most_cycles": run.image_cycles.max,
    }


def on_arm(directory, images, level, core="cortex-m3"):
    """Bytes and instructions of one build, or why there are none."""
    try:
        run = run_on_arm(directory, images, core=core, optimization=level)
    except (ToolMissingError, ToolFailedError) as error:
        return {"failed": str(error).strip().splitlines()[-1]}
    return {
        "flash_bytes": run.flash_bytes,
        "static_bytes": run.static_bytes,
        "stack_bytes": run.stack_bytes,
        "ram_bytes": run.ram_bytes,
        "mean_instructions": run.image_instructions.mean,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", help="folder with mnist.npz; without it the data is downloaded")
    parser.add_argument("--checkpoints", required=True, help="folder with modelQL_0.h5")
    parser.add_argument("--quick", action="store_true", help="256 images, one build")
    arguments = parser.parse_args()
    model = ke.compat.load_2019(Path(arguments.checkpoints) / "modelQL_0.h5")
    data = ke.datasets.load_dataset("mnist", arguments.data_dir)
    images = np.round(data.x_test * 256).astype(np.uint8)
    count, levels, on_device = (256, LEVELS[:1], 4) if arguments.quick else (len(images), LEVELS, 64)
    figures = {"avr": {}, "arm": {}}
    for weights in ("flash", "ram"):
        with tempfile.TemporaryDirectory() as directory:
            report = ke.export_c(model, directory, weights)
            if weights == "flash":
                figures["bytes"] = json.loads(report.to_json())
                figures["equality"] = equality(model, directory, images[:count], data.y_test[:count])
            for level in levels:
                figures["avr"][f"weights in {weights}, {level}"] = on_avr(directory, images[:on_device], level)
            if weights == "flash":
                figures["arm"] = {level: on_arm(directory, images[:on_device], level) for level in levels}
    print(json.dumps(figures, indent=1))
    write_results("firmware", figures, quick=arguments.quick)


if __name__ == "__main__":
    main()
