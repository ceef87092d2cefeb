"""One side of benchmark_tinybig.py: a process that trains tinyBIG's 9,330-parameter network on request.

    python _tinybig_sides.py tinybig_package  with the package tinybig (and its own torch)
    python _tinybig_sides.py LAYOUT [jit]     with keras_efficient on Keras's backend; LAYOUT is tinybig or kronecker

Lines on standard input are numbers of steps of a batch of 64; the answers are the seconds that they took, and at the
end of the input the memory that training added.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

BATCH = 64
LAYERS = ((784, 64, 8, 784, False), (64, 64, 8, 64, True), (64, 10, 2, 64, True))  # inputs, outputs, p, q, LayerNorm
LEARNING_RATE, WEIGHT_DECAY = 2e-3, 2e-4


def batches(steps):
    """Images and labels of so many batches; the values do not matter to the time."""
    random = np.random.default_rng(0)
    return random.normal(size=(steps * BATCH, 784)).astype("float32"), random.integers(0, 10, steps * BATCH)


def tinybig_side():
    """A function that takes n steps as the package's own learner takes them."""
    import torch
    from tinybig.config import rpn_config

    configs = {"model_configs": _tinybig_configs()}
    x, y = map(torch.from_numpy, batches(8))
    _warm_up_torch(torch)

    def make():
        model = rpn_config().instantiate_object_from_config(configs)["model"]
        assert sum(parameter.numel() for parameter in model.parameters()) == 9330
        optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)

        def run(steps):
            for step in range(steps):
                rows = slice(step % 8 * BATCH, (step % 8 + 1) * BATCH)
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x[rows], device="cpu"), y[rows]).backward()
                optimizer.step()

        return run

    return make


def _warm_up_torch(torch):
    """A step of a tiny network, so that what the framework loads at the first one is no part of the memory."""
    model = torch.nn.Linear(2, 1)
    model(torch.ones(1, 2)).sum().backward()
    torch.optim.AdamW(model.parameters()).step()


def _tinybig_configs():
    """The seed's settings; its first LayerNorm stands where the package does not read it, so it is left out."""
    layers = []
    for inputs, outputs, p, q, normalize in LAYERS:
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
        sizes = {"m": inputs, "n": outputs, "width": 1, "fusion_strategy": "average", "width_alloc": [1]}
        parameters = {**sizes, "head_configs": heads}
        layers.append({"layer_class": "tinybig.module.rpn_layer", "layer_parameters": parameters})
    parameters = {"depth": 3, "depth_alloc": [1, 1, 1], "layer_configs": layers}
    return {"model_class": "tinybig.model.rpn", "model_parameters": parameters}


def keras_side(layout, jit_compile):
    """A function that takes n steps by `fit`, 64 of them in one call of the backend where it can."""
    import keras

    import keras_efficient as ke

    chunk = 1 if keras.backend.backend() == "torch" else 64
    x, y = batches(128)
    tiny = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])  # as _warm_up_torch
    tiny.compile(keras.optimizers.AdamW(), "mse", steps_per_execution=chunk, jit_compile=jit_compile)
    tiny.fit(np.ones((chunk, 2)), np.ones((chunk, 1)), batch_size=1, verbose=0)

    def make():
        shift = layout == "kronecker"
        stack = [
            ke.TaylorDualLPHM(units, 5, p, q + shift, layout=layout, normalize=norm) for _, units, p, q, norm in LAYERS
        ]
        model = keras.Sequential([keras.Input((784,)), *stack])
        assert shift or model.count_params() == 9330
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
    Path("/proc/self/clear_refs").write_text("5")  # the highest memory from here on
    before = memory("VmRSS")
    run = make()
    print("ready", flush=True)
    for line in sys.stdin:
        started = time.perf_counter()
        run(int(line))
        print(time.perf_counter() - started, flush=True)
    print(json.dumps(memory("VmHWM") - before), flush=True)


if __name__ == "__main__":
    main()
