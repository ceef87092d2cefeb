"""The layers give the outputs of the 2019 rule."""

import json

import keras
import numpy as np

import keras_efficient as ke


def test_forward(golden):
    cases = np.load(golden("layer_forward.npz"))
    for number, case in enumerate(json.loads(str(cases["meta"]))):
        layer = _layer(case, [cases[f"{number}/w{i}"] for i in range(case["weights"])])
        x = cases[f"{number}/x"]
        layer.build(x.shape)
        layer.set_weights([cases[f"{number}/w{i}"] for i in range(case["weights"])])
        y = keras.ops.convert_to_numpy(layer(x))
        np.testing.assert_allclose(y, cases[f"{number}/y"], rtol=1e-5, atol=1e-5, err_msg=str(case))


def _layer(case, weights):
    bits = {name: case[name] for name in ("kernel_bits", "bias_bits", "activation_bits")}
    kernel = {**bits, "activation": case["activation"], "signed_output": False, "mode": case["mode"]}
    window = {**kernel, "strides": tuple(case["strides"]), "padding": case["padding"]}
    shape = weights[0].shape
    return {
        "DenseQ": lambda: ke.DenseQ(shape[-1], **kernel),
        "ConvQ": lambda: ke.ConvQ(shape[-1], shape[:2], **window),
        "DepthwiseConvQ": lambda: ke.DepthwiseConvQ(shape[:2], shape[-1], **window),
        "ResidualQ": lambda: ke.ResidualQ(**bits, mode=case["mode"]),
        "ActivationQ": lambda: ke.ActivationQ(case["activation_bits"], mode=case["mode"]),
    }[case["layer"]]()
