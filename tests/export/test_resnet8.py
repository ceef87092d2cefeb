"""ResNet-8 of MLPerf Tiny as integers and as C: in the arena that was priced, equal to the integer model."""

import numpy as np
import pytest
from quantization.own_models import inputs_of, with_random_weights

import keras_efficient as ke
from keras_efficient.export.verify import run_on_host
from keras_efficient.reading.network import read_network
from keras_efficient.storage.graphs.reading import read_graph
from peers.greedy_arena import greedy_arena

# Two maps of 32 x 32 x 16, and how far the second convolution's output runs behind its input: a row and two pixels.
PEAK_CELLS = 2 * 32 * 32 * 16 + 34 * 16


@pytest.mark.parametrize("bits", [8, 4])
def test_the_arena_is_the_priced_one(bits, tmp_path, c_compiler):
    plain = with_random_weights(ke.networks.resnet8())
    x = inputs_of(plain, count=3)
    model = ke.quantize_model(plain, bits, activation_bits=bits, x=x, mode="freeze_scales")
    report, price = ke.export_c(model, tmp_path), ke.estimate_storage(model)
    assert price.order_is_exact and report.arena_bytes == price.activation_bytes == PEAK_CELLS * bits // 8
    assert report.weight_bytes == price.weight_bytes
    graph = read_graph(read_network(model), [(32, 32, 3)], 8)
    assert greedy_arena(graph.inputs, graph.nodes) == 3 * 32 * 32 + 3 * 32 * 32 * 16 * bits // 8
    numbers = ke.export.IntegerModel(model)
    codes = numbers.encode(x)
    logits = numbers.predict(codes)
    assert len(np.unique(logits)) > 1
    np.testing.assert_array_equal(run_on_host(tmp_path, codes, optimization="-O2").logits, logits)
