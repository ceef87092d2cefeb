"""One side of benchmark_tinybig.py: a process that trains tinyBIG's 9,330-parameter network on request.

    python tinybig_sides.py tinybig_package  with the package tinybig (and its own torch)
    python tinybig_sides.py LAYOUT [jit]     with keras_efficient on Keras's backend; LAYOUT is tinybig or kronecker

Lines on standard input are numbers of steps of a batch of 64; the answers are the seconds that they took, and at the
end of the input the memory that training added. Before its memory is first read, a side trains a miniature of the
network, so that what the frameworks load at their first steps is no part of the difference.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

BATCH = 64
# Inputs, outputs, p, q, LayerNorm
LAYERS = ((784, 64, 8, 784, False), (64, 64, 8, 64, True), (64, 10, 2, 64, True))
MINIATURE = ((16, 16, 4, 16, False), (16, 16, 4, 16, True), (16, 10, 2, 16, True))
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 2e-4


def batches(steps, inputs=LAYERS[0][0]):
    """Images and labels of so many batches; the values do not matter to the time."""
    random = np.random.default_rng(0)
    return random.normal(size=(steps * BATCH, inputs)).astype("float32"), random.integers(0, 10, steps * BATCH)


def tinybig_side():
    """From layers and data, a function that takes n steps as the package's own learner takes them."""
    import torch
    from tinybig.config import rpn_config

    def make(layers, data):
        x, y = map(torch.from_numpy, data)
        model = rpn_config().instantiate_object_from_config({"model_configs": _tinybig_configs(layers)})["model"]
        assert layers is not LAYERS or sum(parameter.numel() for parameter in model.parameters()) == 9330
        optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)

        def run(steps):
            for step in range(steps):
                rows = slice(step % 8 * BATCH, (step % 8 + 1) * BATCH)
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x[rows], device="cpu"), y[rows]).backward()
                optimizer.step()

        return run

    return make


def _tinybig_configs(sizes):
    """The seed's settings; its first LayerNorm stands where the package does not read it, so it is left out."""
    layers = []
    for inputs, outputs, p, q, normalize in sizes:
        size = {"normalized_shape": inputs + inputs**2, "device": "cpu"}
        norm = [{"function_class": "torch.nn.LayerNorm", "function_parameters": size}]
        transformation = {"d": 2, **({"postprocess_function_configs": norm} if normalize else {})}
        head = {
            "l": None,
            "channel_num": 1,
            "data_transformation_configs": {
                "data_transformation_class": "tinybig.expansion.taylor_expansion",
                "data_transformation_parameters": transformation,
            },
            "parameter_fabrication_configs": {
                "parameter_fabrication_class": "tinybig.reconciliation.dual_lphm_reconciliation",
                "parameter_fabrication_parameters": {"p": p, "q": q, "r": 5},
            },
            "remainder_configs": {
                "remainder_class": "tinybig.remainder.zero_remainder",
                "remainder_parameters": {"require_parameters": False, "enable_bias": False},
            },
        }
        heads = [{"head_class": "tinybig.module.rpn_head", "head_parameters": head}]
        layer = {"m": inputs, "n": outputs, "width": 1, "fusion_strategy": "average", "width_alloc": [1]}
        parameters = {**layer, "head_configs": heads}
        layers.append({"layer_class": "tinybig.module.rpn_layer", "layer_parameters": parameters})
    parameters = {"depth": 3, "depth_alloc": [1, 1, 1], "layer_configs": layers}
    return {"model_class": "tinybig.model.rpn", "model_parameters": parameters}


def keras_side(layout, jit_compile):
    """From layers and data, a function that takes n steps by `fit`, 64 of them in one call where it can."""
    import keras

    import keras_efficient as ke

    chunk = 1 if keras.backend.backend() == "torch" else 64

    def make(layers, data):
        x, y = data
        shift = layout == "kronecker"
        stack = [
            ke.TaylorDualLPHM(units, 5, p, q + shift, layout=layout, normalize=norm) for _, units, p, q, norm in layers
        ]
        model = keras.Sequential([keras.Input(x.shape[1:]), *stack])
        assert shift or layers is not LAYERS or model.count_params() == 9330
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.AdamW(LEARNING_RATE, WEIGHT_DECAY)
        model.compile(optimizer, loss, steps_per_execution=chunk, jit_compile=jit_compile)

        def run(steps):
            model.fit(x[: steps * BATCH], y[: steps * BATCH], batch_size=BATCH, shuffle=False, verbose=0)

        return run

    return make


def memory(name):
    """VmRSS (now) or VmHWM (the highest since it was reset) of this process, MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


def main():
    side, *rest = sys.argv[1:]
    make = tinybig_side() if side == "tinybig_package" else keras_side(side, "auto" if "jit" in rest else False)
    make(MINIATURE, batches(128, MINIATURE[0][0]))(64)
    data = batches(128)
    Path("/proc/self/clear_refs").write_text("5")  # the highest memory from here on
    before = memory("VmRSS")
    run = make(LAYERS, data)
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        run(int(line))
        print(time.perf_counter() - started, flush=True)
    print(json.dumps(memory("VmHWM") - before), flush=True)


if __name__ == "__main__":
    main()
