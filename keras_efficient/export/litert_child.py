"""A process that converts SavedModels to .tflite files, one after the other.

LiteRT's converter may end the process that it runs in, so `litert_process` starts this file as a program. It needs
TensorFlow alone, nothing of this package. Each line of its input is a folder as a JSON text: that of a SavedModel
with, for int8, samples.npy; model.tflite is written there. Each line of its output is the answer: null, or the error.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import IO

IDLE_SECONDS = 300  # then it ends, and gives its memory back


def main() -> None:
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what TensorFlow prints is no answer
        _answer_all(sys.stdin, answers)


def _answer_all(requests: IO[str], answers: IO[str]) -> None:
    import tensorflow  # noqa: F401  (takes seconds: while the other side writes its model)

    signal.alarm(IDLE_SECONDS)
    for request in requests:
        signal.alarm(0)
        error = None
        try:
            _convert(Path(json.loads(request)))
        except Exception as refusal:  # of many classes, by what it could not do
            error = str(refusal) or type(refusal).__name__
        print(json.dumps(error), file=answers, flush=True)
        signal.alarm(IDLE_SECONDS)


def _convert(folder: Path) -> None:
    import numpy as np
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
    if (folder / "samples.npy").exists():
        samples = np.load(folder / "samples.npy")
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[np.newaxis]] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    (folder / "model.tflite").write_bytes(converter.convert())


if __name__ == "__main__":
    main()
