"""Networks with several inputs and outputs, and layers that are called twice: integers, C and Keras agree."""

import subprocess

import keras
import numpy as np
import pytest
from export.agreement import assert_agree, same_in_float
from keras import Input, Model, layers, ops

import keras_efficient as ke

VECTOR, SIGNAL, IMAGE = (5,), (9, 2), (6, 5, 2)


def flat(y):
    return layers.Flatten()(y)


def siamese():
    inputs, tower = (
        [Input(IMAGE), Input(IMAGE)],
        keras.Sequential([layers.Conv2D(3, 3), layers.ReLU(), layers.Flatten()]),
    )
    return Model(inputs, layers.Dense(2)(layers.Dense(4)(layers.Subtract()([tower(each) for each in inputs]))))


def of_all_ranks():
    inputs = [Input(IMAGE), Input(VECTOR), Input(SIGNAL)]
    parts = [
        flat(layers.Conv2D(2, 3)(inputs[0])),
        layers.Dense(4, "relu")(inputs[1]),
        flat(layers.Conv1D(2, 2)(inputs[2])),
    ]
    return Model(inputs, layers.Dense(3, "softmax")(layers.Concatenate()(parts)))


def two_heads():
    inputs = Input(IMAGE)
    y = flat(layers.Conv2D(3, 3, activation="relu")(inputs))
    return Model(inputs, [layers.Dense(1, "sigmoid")(y), layers.Dense(4, "softmax")(layers.Dense(5, "relu")(y))])


def maps_as_outputs():
    inputs = Input(IMAGE)
    y = layers.Conv2D(3, 3, activation="relu")(inputs)
    return Model(inputs, [layers.Conv2D(2, 2)(y), layers.GlobalAveragePooling2D()(y), layers.MaxPooling2D(2)(y)])


def an_output_that_is_read():
    inputs = Input(VECTOR)
    y = layers.Dense(4)(inputs)
    return Model(inputs, [layers.Dense(3)(y), y])


def before_and_after_its_head():
    inputs = Input(VECTOR)
    y = layers.Dense(4)(inputs)
    return Model(inputs, [y, layers.Softmax()(y), ops.sigmoid(layers.Dense(2)(y))])


def an_output_twice():
    inputs = Input(VECTOR)
    y = layers.Dense(3)(inputs)
    return Model(inputs, [y, y])


def several_of_both():
    inputs = [Input(VECTOR), Input(VECTOR)]
    y = layers.Dense(4, "relu")(inputs[0])
    return Model(inputs, [layers.Dense(2)(y), layers.Dense(3)(layers.Add()([layers.Dense(4)(inputs[1]), y]))])


def called_twice_in_a_chain():
    shared = layers.Dense(6, "relu")
    return keras.Sequential([Input((6,)), shared, layers.Dropout(0.1), shared, layers.Dense(3)])


def called_on_maps_of_two_sizes():
    shared, inputs = layers.Conv2D(2, 3, padding="same", activation="relu"), Input(IMAGE)
    y = shared(inputs)
    small = shared(layers.MaxPooling2D(2)(y))
    return Model(inputs, layers.Dense(2)(layers.Concatenate()([flat(y), flat(small)])))


def a_shared_table():
    act, inputs = layers.Activation("tanh"), Input(VECTOR)
    return Model(inputs, layers.Dense(2)(layers.Add()([act(layers.Dense(3)(inputs)), act(layers.Dense(3)(inputs))])))


def a_residual_model_inside():
    block = keras.Sequential([layers.Conv2D(2, 3, padding="same"), layers.ReLU()])
    inputs = Input(IMAGE)
    y = layers.Add()([inputs, block(inputs)])
    return Model(inputs, layers.Dense(2)(flat(layers.Add()([y, block(y)]))))


MODELS = [
    siamese, of_all_ranks, two_heads, maps_as_outputs, an_output_that_is_read, before_and_after_its_head,
    an_output_twice, several_of_both, called_twice_in_a_chain, called_on_maps_of_two_sizes, a_shared_table,
    a_residual_model_inside,
]  # fmt: skip
SETTINGS = [{}, {"kernel_bits": 4, "activation_bits": 4, "bias_bits": 8}, {"kernel_bits": 3, "input_bits": 16}]


def quantized(make, positive=False, **settings):
    keras.utils.set_random_seed(3)
    plain, random = make(), np.random.default_rng(3)
    x = [random.normal(size=(24, *each.shape[1:])).astype("float32") for each in plain.inputs]
    x[0] = np.abs(x[0]) if positive else x[0]
    x = x if len(x) > 1 else x[0]
    assert ke.support_report(plain).exports_c
    return same_in_float(plain, x, ke.quantize_model(plain, x=x, mode="freeze_scales", **settings)), x


@pytest.mark.parametrize("make", MODELS)
def test_integers_equal_keras_and_c(make, tmp_path, c_compiler):
    number = MODELS.index(make)
    model, x = quantized(make, positive=number % 2 == 0, **SETTINGS[number % len(SETTINGS)])
    integers, _ = assert_agree(model, x, tmp_path, prefix="network" if number % 2 else "my_net")
    assert len(integers.logit_exponents) == len(model.outputs)
    floats = model.predict(x, verbose=0)
    floats = (
        np.concatenate([np.reshape(each, (24, -1)) for each in floats], axis=1) if len(model.outputs) > 1 else floats
    )
    assert integers.predict(integers.encode(x)).shape == floats.shape


def test_the_header_says_each_grid(tmp_path):
    model, x = quantized(several_of_both, positive=True)
    integers = ke.export.IntegerModel(model)
    assert [each.codes.signed for each in integers.inputs] == [False, True]
    ke.export_c(model, tmp_path)
    text = (tmp_path / "network.h").read_text()
    numbers = {"INPUT": [each.codes.exponent for each in integers.inputs], "LOGIT": integers.logit_exponents}
    for name, exponents in numbers.items():
        for number, exponent in zip(("", "_2"), exponents, strict=True):
            assert f"#define NETWORK_{name}_EXPONENT{number} ({exponent})" in text
    scales = ", ".join(f"2^{exponent}" for exponent in integers.logit_exponents)
    assert f"value = logit x {scales} (of the outputs" in (tmp_path / "README.md").read_text()
    assert "typedef int16_t network_input;" in text  # bytes of both signs
    assert "#define NETWORK_INPUTS 10\n" in text and "#define NETWORK_OUTPUTS 5\n" in text
    values = integers.predict(integers.encode(x))[:, :2] * 2.0 ** integers.logit_exponents[0]
    np.testing.assert_allclose(values, model.predict(x, verbose=0)[0], atol=1e-6)


def test_inputs_that_no_type_holds_are_refused():
    inputs = [Input(VECTOR), Input(VECTOR)]
    grids = [ke.InputQ(16, signed=signed)(each) for signed, each in zip((True, False), inputs, strict=True)]
    model = Model(inputs, ke.DenseQ(2)(ke.AddQ()(grids)))
    with pytest.raises(ValueError, match="inputs of 16 bits must be all signed or all unsigned"):
        ke.export.IntegerModel(model)


def test_sums_are_the_logits_of_each_end_without_an_input_grid(tmp_path, c_compiler):
    keras.utils.set_random_seed(0)
    inputs = Input(VECTOR)
    y = ke.DenseQ(4, activation="relu", mode="freeze_scales")(inputs)
    ends = [ke.DenseQ(3, mode="freeze_scales")(y), layers.Softmax()(ke.DenseQ(2, mode="freeze_scales")(y)), y]
    x = np.random.default_rng(0).integers(0, 256, (20, 5)) / 256
    integers, codes = assert_agree(Model(inputs, ends), x, tmp_path)
    sums = (integers.outputs[0], integers.outputs[1])
    assert [each.codes.bits for each in sums] == [16, 16] and integers.outputs[2].codes.bits == 4


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 5)), "x must be a list of 2 arrays, one for each input. Received: ndarray"),
        ([np.zeros((2, 5))], "x must be a list of 2 arrays, one for each input. Received: list of 1"),
        ([np.zeros((2, 5)), np.zeros((3, 5))], r"all inputs must have as many samples. Received: \[2, 3\]"),
    ],
)
def test_wrong_inputs_are_refused(x, message):
    integers = ke.export.IntegerModel(quantized(several_of_both)[0])
    with pytest.raises(ValueError, match=message):
        integers.encode(x)
    with pytest.raises(ValueError, match=message):
        integers.predict([each.astype(int) for each in x] if isinstance(x, list) else x.astype(int))


def mixed_grids():
    inputs = [Input(VECTOR), Input(VECTOR)]
    return Model(inputs, ke.DenseQ(2)(ke.AddQ()([ke.InputQ(8)(inputs[0]), inputs[1]])))


def an_unread_input():
    inputs = [Input(VECTOR), Input(VECTOR)]
    return Model(inputs, ke.DenseQ(2)(ke.InputQ(8)(inputs[0])))


@pytest.mark.parametrize(
    ("make", "message"),
    [(mixed_grids, "must have a grid for each input"), (an_unread_input, "must read all of its inputs")],
)
def test_inputs_that_a_device_can_not_take(make, message):
    for tool in (ke.export.IntegerModel, ke.estimate_storage):
        with pytest.raises(ValueError, match=message):
            tool(make())


MAIN = r"""
#include <stdio.h>
#include "{first}.h"
#include "{second}.h"
static int hooks;
void count_layer(int layer) {{ hooks += layer; }}
int main(void)
{{
    {first}_input x[{FIRST}_INPUTS];
    {second}_input y[{SECOND}_INPUTS];
    int i, same = 1;
    for (i = 0; i < {FIRST}_INPUTS; i++)
        x[i] = ({first}_input)(i * 7 % 50);
    for (i = 0; i < {SECOND}_INPUTS; i++)
        y[i] = ({second}_input)(i * 5 % 50);
    {first}_push(99); /* the start of an input that is forgotten */
    for (i = 0; i < {FIRST}_OUTPUTS; i++)
        printf("%d ", {first}_run(x)[i]);
    {second}_push(99);
    {second}_reset();
    for (i = 0; i < {SECOND}_INPUTS; i++)
        {second}_push(y[i]);
    for (i = 0; i < {SECOND}_OUTPUTS; i++)
        printf("%d ", {second}_logits()[i]);
    for (i = 0; i < {FIRST}_OUTPUTS; i++)
        same = same && {first}_logits()[i] == {first}_run(x)[i];
    printf("%d %d\n", same, hooks);
    return 0;
}}
"""


def test_two_prefixes_link_into_one_program(tmp_path, c_compiler):
    networks = {"left": quantized(of_all_ranks)[0], "right_2": quantized(two_heads)[0]}
    expected = []
    for factor, (prefix, model) in zip((7, 5), networks.items(), strict=True):
        ke.export_c(model, tmp_path / prefix, prefix=prefix)
        integers = ke.export.IntegerModel(model)
        sizes = [each.cells for each in integers.inputs]
        numbers = np.arange(sum(sizes)) * factor % 50
        parts = np.split(numbers, np.cumsum(sizes)[:-1])
        maps = [part.reshape(1, *each.shape) for part, each in zip(parts, integers.inputs, strict=True)]
        expected += integers.predict(maps if len(maps) > 1 else maps[0])[0].tolist()
    text = MAIN.format(first="left", second="right_2", FIRST="LEFT", SECOND="RIGHT_2")
    (tmp_path / "main.c").write_text(text)
    sources = [tmp_path / "left/left.c", tmp_path / "right_2/right_2.c", tmp_path / "main.c"]
    folders = ["-I", tmp_path / "left", "-I", tmp_path / "right_2"]
    hook = "-DLEFT_HOOK(layer)=count_layer(layer)"
    (tmp_path / "hook.h").write_text("void count_layer(int layer);\n")
    command = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-include", tmp_path / "hook.h", hook]
    subprocess.run([*command, *folders, *sources, "-o", tmp_path / "both"], check=True)
    *logits, same, hooks = map(int, subprocess.check_output([tmp_path / "both"], text=True).split())
    assert logits == expected and same == 1
    runs, layers_run = 2 * 3, 5  # once for each output that is read
    assert hooks == runs * sum(range(layers_run))


@pytest.mark.parametrize("prefix", ["Net", "2nd", "my-net", "", None, "string", "main_host"])
def test_prefixes_that_are_no_names_are_refused(prefix, tmp_path):
    with pytest.raises(ValueError, match="`prefix` must be lower-case letters"):
        ke.export_c(quantized(two_heads)[0], tmp_path / "c", prefix=prefix)
    assert not (tmp_path / "c").exists()


def test_a_folder_holds_one_network(tmp_path):
    model = quantized(two_heads)[0]
    ke.export_c(model, tmp_path, prefix="first")
    ke.export_c(model, tmp_path, prefix="first")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="holds the network 'first': a folder holds one"):
        ke.export_c(model, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert ke.export.verify_c(model, tmp_path, ke.export.IntegerModel(model).encode(quantized(two_heads)[1])).passed


def test_more_classes_than_a_byte_names(tmp_path, c_compiler):
    def many():
        return keras.Sequential([Input(VECTOR), layers.Dense(300)])

    model, x = quantized(many)
    integers, codes = assert_agree(model, x, tmp_path)
    assert integers.classify(codes).max() > 255


@pytest.mark.parametrize("make", [siamese, two_heads, called_twice_in_a_chain])
def test_logits_of_a_byte(make, tmp_path, c_compiler):
    keras.utils.set_random_seed(3)
    plain, random = make(), np.random.default_rng(3)
    x = [random.normal(size=(24, *each.shape[1:])).astype("float32") for each in plain.inputs]
    x = x if len(x) > 1 else x[0]
    wide = ke.quantize_model(plain, x=x, mode="freeze_scales")
    for tool in (ke.export.IntegerModel, ke.estimate_storage):
        with pytest.raises(ValueError, match=r"needs outputs of at most 8 bits .*overrides=.*'activation_bits': 8"):
            tool(wide, logits_bits=8)
    rows = ke.support_report(plain).rows
    overrides = {row.name: {"activation_bits": 8} for row in rows if row.quantize == "quantized"}
    model = ke.quantize_model(plain, x=x, mode="freeze_scales", overrides=overrides)
    bytes_of = {bits: ke.estimate_storage(model, logits_bits=bits).activation_bytes for bits in (8, 16)}
    integers, codes = assert_agree(model, x, tmp_path, logits_bits=8)
    assert integers.predict(codes).dtype == np.int8 and bytes_of[8] <= bytes_of[16]
    np.testing.assert_array_equal(integers.predict(codes), ke.export.IntegerModel(model).predict(codes))
    assert "const int8_t *network_logits(void);" in (tmp_path / "network.h").read_text()
    assert ke.export.verify_c(model, tmp_path, codes).passed


def test_a_sign_needs_a_bit_of_a_byte():
    positive = keras.Sequential([Input(VECTOR), ke.InputQ(8), ke.DenseQ(3, activation="relu", activation_bits=8)])
    with pytest.raises(ValueError, match=r"or 7 without.*'activation_bits': 7.*Received: 'dense_q.*' with 8 bits"):
        ke.export.IntegerModel(positive, logits_bits=8)
    with pytest.raises(ValueError, match="`logits_bits` must be 8 or 16. Received: logits_bits=12"):
        ke.export.IntegerModel(positive, logits_bits=12)
