"""The C code that makes the kernels of random-basis layers from their file."""

import subprocess

import keras
import numpy as np
import pytest

import keras_efficient as ke
from keras_efficient.export.verify.compilers import HOST_INSTALL, STRICT, find_tool

_MAIN = """
#include <stdio.h>
#include "coordinates.h"

static float scaled[4096], weights[256];

int main(void) {
    const uint8_t *file = coordinates_file, *end = coordinates_file + COORDINATES_BYTES;
    for (int layer = 0; layer < COORDINATES_LAYERS; layer++) {
        const random_basis_kernel *kernel = &coordinates_kernels[layer];
        random_basis_record record;
        if (!(file = random_basis_read(&record, file, end))) return 3;
        random_basis_scale(&record, kernel, scaled);
        for (uint32_t row = 0; row < kernel->receptive * kernel->inputs; row++) {
            random_basis_row(&record, kernel, scaled, row, weights);
            fwrite(weights, sizeof(float), kernel->outputs, stdout);
        }
        for (uint32_t i = 0; i < record.biases; i++) {
            const float bias = random_basis_bias(&record, i);
            fwrite(&bias, sizeof bias, 1, stdout);
        }
    }
    return file == end ? 0 : 4;
}
"""


def _model(**arguments):
    layers = [
        ke.RandomBasisConv2D(4, (3, 2), 11, seed=-5, **arguments),
        keras.layers.Flatten(),
        ke.RandomBasisDense(10, 250, seed=2**31 + 9, **arguments),
    ]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers])
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=w.shape).astype("float32") for w in model.weights])
    return model


def _compile(folder):
    (folder / "main.c").write_text(_MAIN)
    compiler = find_tool("gcc", "clang", "cc", install=HOST_INSTALL)
    sources = [str(folder / "main.c"), str(folder / "random_basis.c")]
    subprocess.run([compiler, *STRICT, *sources, "-o", str(folder / "program"), "-lm"], check=True)


def _run(folder):
    return subprocess.run([str(folder / "program")], capture_output=True)


@pytest.mark.parametrize("bits, bias_bits", [(None, None), (8, 8), (4, 3), (1, 16), (2, 2), (11, 8)])
def test_the_kernels_in_c_are_those_of_the_layers(tmp_path, c_compiler, bits, bias_bits):
    model = _model(coordinate_bits=bits, bias_bits=bias_bits)
    size = ke.export.export_coordinates_c(model, tmp_path)
    assert size == ke.estimate_storage(model).weight_bytes
    _compile(tmp_path)
    run = _run(tmp_path)
    assert run.returncode == 0
    ke.export.write_coordinates(model, tmp_path / "model.bin")
    expected = []
    records = ke.export.read_coordinates(tmp_path / "model.bin")
    for layer, record in zip((model.layers[0], model.layers[2]), records, strict=True):
        expected += [keras.ops.convert_to_numpy(layer.kernel()).ravel(), record.biases]
    np.testing.assert_allclose(np.frombuffer(run.stdout, "float32"), np.concatenate(expected), rtol=0, atol=1e-7)


def test_a_damaged_file_is_refused_in_c(tmp_path, c_compiler):
    ke.export.export_coordinates_c(_model(coordinate_bits=8, bias_bits=8), tmp_path)
    header = (tmp_path / "coordinates.h").read_text()
    data = header.index("181, 1, 8")
    for wrong in ("180, 1, 8", "181, 2, 8", "181, 1, 9", "181, 1, 4"):
        (tmp_path / "coordinates.h").write_text(header[:data] + wrong + header[data + len(wrong) :])
        _compile(tmp_path)
        assert _run(tmp_path).returncode == 3


def test_what_somebody_else_wrote_stays(tmp_path):
    (tmp_path / "coordinates.h").write_text("mine")
    with pytest.raises(ValueError, match="is not an export of keras_efficient"):
        ke.export.export_coordinates_c(_model(), tmp_path)
    assert (tmp_path / "coordinates.h").read_text() == "mine"
    assert not (tmp_path / "random_basis.c").exists()
