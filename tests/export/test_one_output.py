"""Networks of one output tell two classes apart: by the sign of the logit, in integers and in C."""

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.export.verify.host import run_on_host


@pytest.mark.parametrize("head", ["sigmoid", None])
def test_the_class_is_the_sign_of_the_logit(head, tmp_path):
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    plain = keras.Sequential([keras.Input((6,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1, head)])
    x = random.normal(size=(64, 6)).astype("float32")
    small = ke.quantize_model(plain, x=x, mode="freeze_scales")
    integers = ke.export.IntegerModel(small)
    codes = integers.encode(x)
    expected = integers.predict(codes)[:, 0] > 0
    assert 0 < expected.sum() < 64
    np.testing.assert_array_equal(integers.classify(codes), expected)
    ke.export_c(small, tmp_path)
    np.testing.assert_array_equal(run_on_host(tmp_path, codes).classes, expected)
    assert "1 where the one logit is above 0" in (tmp_path / "network.h").read_text()
