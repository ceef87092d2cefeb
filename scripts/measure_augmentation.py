"""Measures the elastic augmentation: seconds for 200,000 MNIST-sized images on one core.

    python scripts/measure_augmentation.py [--quick]

Three sets: the "minor" and the "major" one of the study, and minor with an affine part. The images
are random bytes: the time does not depend on what they show. Writes results/augmentation.json.
"""

import os

for library in ("OMP", "OPENBLAS", "MKL"):  # read once, when numpy is imported
    os.environ[f"{library}_NUM_THREADS"] = "1"

import argparse  # noqa: E402
import statistics  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402

from keras_efficient.datasets import Affine, elastic  # noqa: E402
from measuring.results import write_results  # noqa: E402

SETS = {
    "minor": {"kernel_size": 9, "sigma": 4.0, "alpha": 5.0},
    "major": {"kernel_size": 13, "sigma": 6.0, "alpha": 20.0},
    "minor_and_affine": {"kernel_size": 9, "sigma": 4.0, "alpha": 5.0, "affine": Affine()},
}
SEED = 0


def main() -> None:
    """Measure all sets and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="2,000 images, one repeat")
    quick = parser.parse_args().quick
    images, repeats = (2_000, 1) if quick else (200_000, 3)
    figures = {"images": images, "shape": [28, 28, 1], "threads": 1, "repeats": repeats}
    figures["sets"] = {name: measure(images // 4, settings, repeats) for name, settings in SETS.items()}
    print(write_results("augmentation", figures, seeds=[SEED], quick=quick).name)


def measure(originals: int, settings: dict, repeats: int) -> dict:
    """Seconds for four copies of each original: on the clock, and of processor time."""
    random_bytes = np.random.default_rng(SEED).integers(0, 256, (originals, 28, 28, 1))
    x = random_bytes.astype(np.float32) / 256
    clock, processor = [], []
    for _ in range(repeats):
        clock_start, processor_start = time.perf_counter(), time.process_time()
        elastic(x, copies=4, seed=SEED, **settings)
        clock.append(round(time.perf_counter() - clock_start, 2))
        processor.append(round(time.process_time() - processor_start, 2))
    figures = {"seconds": statistics.median(clock), "seconds_each": clock}
    figures |= {"processor_seconds": statistics.median(processor)}
    print(figures)
    return figures


if __name__ == "__main__":
    main()
