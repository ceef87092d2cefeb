"""tinyBIG's parameter vectors and network files."""

import copy

import keras
import numpy as np
import pytest
import yaml
from gradients import gradients

import keras_efficient as ke
from keras_efficient.compat import tinybig

pytestmark = pytest.mark.filterwarnings("ignore:.*is wasted on")

RECONCILIATIONS = ("hm", "lphm", "dual_lphm", "lorr", "identity")


def to_numpy(x):
    return keras.ops.convert_to_numpy(x)


def relative_error(found, expected):
    return np.abs(to_numpy(found) - expected).max() / np.abs(expected).max()


def golden_cases(path):
    arrays = np.load(path)
    cases = {}
    for key in arrays.files:
        case, name = key.split("/")
        cases.setdefault(case, {})[name] = arrays[key]
    return cases


def sizes_of(case):
    return {name: int(case[name]) for name in "pqr" if name in case}


def test_golden_reconciliations(golden):
    cases = {k: v for k, v in golden_cases(golden("kronecker.npz")).items() if not k.startswith("taylor")}
    assert cases
    for name, case in cases.items():
        kind, release = name.rsplit("_", 1)
        arguments = (kind.rstrip("0123456789"), int(case["D"]), int(case["n"]))
        layer = tinybig.make_layer(*arguments, **sizes_of(case), parameters=case["w"], release=release)
        assert relative_error(layer(case["x"]), case["y"]) < 1e-5, name
        kernel = layer.kernel if isinstance(layer, keras.layers.Dense) else layer.dense_kernel()
        assert relative_error(kernel, case["W"].T) < 1e-5, name
        np.testing.assert_array_equal(tinybig.write_parameters(layer, release), case["w"])


def test_golden_taylor_features_and_their_layer_norm(golden):
    cases = {k: v for k, v in golden_cases(golden("kronecker.npz")).items() if k.startswith("taylor")}
    assert cases
    for name, case in cases.items():
        mean, variance = ke.ops.taylor_moments(keras.ops.convert_to_tensor(case["x"]), int(case["d"]))
        found = (case["k"] - to_numpy(mean)) / np.sqrt(to_numpy(variance) + 1e-5)
        assert relative_error(found, case["ln"]) < 1e-5, name


def test_golden_taylor_features_reach_the_outputs(golden):
    """A layer with as many outputs as features, and W = 1, gives the features: rank one each."""
    case = golden_cases(golden("kronecker.npz"))["taylor2_0.1.0.post9"]
    for normalize, expected in ((False, case["k"]), (True, case["ln"])):
        for column in range(30):  # q = 6, t = 5
            layer = ke.TaylorDualLPHM(1, 1, 1, 6, layout="kronecker", normalize=normalize)
            layer.build((None, 5))
            one = np.ones((1, 1))
            layer.set_weights([one, np.eye(6)[:, [column // 5]], one, np.eye(5)[:, [column % 5]]])
            np.testing.assert_allclose(to_numpy(layer(case["x"]))[:, 0], expected[:, column], rtol=1e-5, atol=1e-5)


def test_golden_network(golden, seed_file):
    values = np.load(golden("taylor_net3_forward.npz"))
    model = tinybig.load_network(seed_file)
    h = values["x"]
    for number, (layer, name) in enumerate(zip(model.layers, ("h1", "h2", "y"), strict=True)):
        tinybig.read_parameters(layer, values[f"w{number}"])
        np.testing.assert_array_equal(tinybig.write_parameters(layer), values[f"w{number}"])
        h = layer(h)
        assert relative_error(h, values[name]) < 1e-5, name
    assert relative_error(model.predict(values["x"], verbose=0), values["y"]) < 1e-5


def test_gradients_of_the_network(golden, seed_file):
    """Against finite differences along the gradient: it is the steepest direction."""
    values = np.load(golden("taylor_net3_forward.npz"))
    model = tinybig.load_network(seed_file)
    for number, layer in enumerate(model.layers):
        tinybig.read_parameters(layer, values[f"w{number}"])
    factors = [to_numpy(w) for w in model.weights]

    def forward(*factors):
        h = keras.ops.convert_to_tensor(values["x"])
        for number, layer in enumerate(model.layers):
            h = layer.product(h, *factors[4 * number : 4 * number + 4])
        return h

    _, found = gradients(forward, factors, np.ones_like(values["y"]))
    for number, gradient in enumerate(found):
        norm = np.sqrt((gradient.astype("float64") ** 2).sum())
        step = 1e-3 * np.abs(factors[number]).max() / np.abs(gradient).max()
        ends = []
        for sign in (1, -1):
            moved = list(factors)
            moved[number] = (factors[number] + sign * step * gradient).astype("float32")
            ends.append(to_numpy(forward(*moved)).astype("float64").sum())
        np.testing.assert_allclose((ends[0] - ends[1]) / (2 * step), norm**2, rtol=2e-2)


def sample_layer(reconciliation):
    sizes = dict.fromkeys({"hm": "pq", "lorr": "r", "identity": ""}.get(reconciliation, "pqr"), 2)
    return tinybig.make_layer(reconciliation, 6, 4, **sizes)


@pytest.mark.parametrize("release", ["0.1.0.post9", "0.1.1", "0.2.0", "0.2.1", "1.0"])
@pytest.mark.parametrize("reconciliation", RECONCILIATIONS)
def test_vectors_go_in_and_out(reconciliation, release):
    layer = sample_layer(reconciliation)
    vector = np.arange(layer.count_params(), dtype="float32")
    tinybig.read_parameters(layer, vector[None], release)
    np.testing.assert_array_equal(tinybig.write_parameters(layer, release), vector)


def test_storage_orders():
    """P (2, 2), Q, S (2, 2), T: from 0.2.0 Q is (r, q) and T (r, t)."""
    layer = sample_layer("dual_lphm")
    vector = np.arange(layer.count_params())
    tinybig.read_parameters(layer, vector, "0.1.1")
    p, q, s, t = layer.get_weights()
    assert q.tolist() == [[4, 5], [6, 7]] and t.tolist() == [[12, 13], [14, 15], [16, 17]]
    tinybig.read_parameters(layer, vector, "0.2.0")
    assert layer.get_weights()[0].tolist() == p.tolist() and layer.get_weights()[2].tolist() == s.tolist()
    assert layer.get_weights()[1].tolist() == [[4, 6], [5, 7]]
    assert layer.get_weights()[3].tolist() == [[12, 15], [13, 16], [14, 17]]


def test_drawn_parameters_are_xavier_uniform():
    layer = tinybig.make_layer("lorr", 100, 50, r=8)
    vector, bound = tinybig.write_parameters(layer), np.sqrt(6 / 1201)
    assert 0.98 * bound < np.abs(vector).max() <= bound
    assert abs(vector.std() - bound / np.sqrt(3)) < 0.05 * bound


def test_another_layout_is_warned_of():
    layer = ke.DualLPHMDense(4, 1, 2, 2, use_bias=False)
    layer.build((None, 6))
    with pytest.warns(UserWarning, match="another function than tinyBIG"):
        tinybig.read_parameters(layer, np.zeros(9))


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: tinybig.make_layer("identity_map", 6, 4), ValueError, "`reconciliation` must be one of"),
        (lambda: tinybig.make_layer("lphm", 6, 4, p=2, q=2), ValueError, "takes the sizes p, q, r. Received: p=2, q=2"),
        (lambda: tinybig.make_layer("hm", 6, 4, p=2, q=2, r=1), ValueError, "takes the sizes p, q. Received.*r=1"),
        (lambda: tinybig.make_layer("hm", 6, 4, p=3, q=2), ValueError, "`p` must divide the outputs, 4"),
        (
            lambda: tinybig.make_layer("hm", -6, 4),
            ValueError,
            "`inputs` must be a positive integer.*-6",
        ),
        (lambda: tinybig.make_layer("hm", 6, 4.0), ValueError, "`outputs` must be a positive integer"),
        (lambda: tinybig.make_layer(["hm"], 6, 4), ValueError, "`reconciliation` must be one of"),
        (lambda: tinybig.read_parameters(keras.layers.ReLU(), [1]), TypeError, "`layer` must be one of LPHMDense"),
        (lambda: tinybig.read_parameters(ke.LPHMDense(4, 1), [1]), ValueError, "must be built first"),
        (lambda: tinybig.read_parameters(sample_layer("hm"), [1, 2]), ValueError, "must have 10 numbers. Received: 2"),
        (
            lambda: tinybig.read_parameters(sample_layer("hm"), np.zeros(10), "new"),
            ValueError,
            "`release` must be a version",
        ),
    ],
)
def test_wrong_arguments_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_several_terms_are_refused():
    layer = ke.PHMDense(4, 2)
    layer.build((None, 6))
    with pytest.raises(ValueError, match="tinyBIG has one term. Received.*terms=2"):
        tinybig.write_parameters(layer)


# Network files.


def head(degree=2, norm=None, reconciliation="dual_lphm", **sizes):
    transformation = {"name": "taylor_expansion", "d": degree}
    if norm:
        settings = {"normalized_shape": norm, "device": "mps"}
        transformation["postprocess_function_configs"] = [
            {"function_class": "torch.nn.LayerNorm", "function_parameters": settings}
        ]
    return {
        "head_class": "tinybig.module.rpn_head",
        "head_parameters": {
            "l": None,
            "channel_num": 1,
            "data_transformation_configs": {
                "data_transformation_class": "tinybig.expansion.taylor_expansion",
                "data_transformation_parameters": transformation,
            },
            "parameter_fabrication_configs": {
                "parameter_fabrication_class": f"tinybig.reconciliation.{reconciliation}_reconciliation",
                "parameter_fabrication_parameters": {"name": "x", **sizes},
            },
            "remainder_configs": {
                "remainder_class": "tinybig.remainder.zero_remainder",
                "remainder_parameters": {"name": "x", "require_parameters": False, "enable_bias": False},
            },
        },
    }


def layer_entry(m, n, head_entry):
    settings = {"name": "rpn_layer", "m": m, "n": n, "width": 1, "fusion_strategy": "average", "width_alloc": [1]}
    return {"layer_class": "tinybig.module.rpn_layer", "layer_parameters": {**settings, "head_configs": [head_entry]}}


def seed_network():
    layers = [
        layer_entry(784, 64, head(p=8, q=784, r=5)),
        layer_entry(64, 64, head(norm=4160, p=8, q=64, r=5)),
        layer_entry(64, 10, head(norm=4160, p=2, q=64, r=5)),
    ]
    model = {"name": "rpn", "depth": len(layers), "depth_alloc": [1, 1, 1], "layer_configs": layers}
    return {
        "configurations": {
            "device": "mps",
            "model_configs": {"model_class": "tinybig.model.rpn", "model_parameters": model},
            "learner_configs": {"learner_class": "not read"},
        }
    }


@pytest.fixture
def seed_file(tmp_path):
    return write(tmp_path, seed_network())


def write(folder, config):
    path = folder / "network.yaml"
    path.write_text(config if isinstance(config, str) else yaml.safe_dump(config))
    return path


def first_layer(config):
    return config["configurations"]["model_configs"]["model_parameters"]["layer_configs"][0]["layer_parameters"]


def first_head(config):
    return first_layer(config)["head_configs"][0]["head_parameters"]


def test_the_seed_network(seed_file):
    model = tinybig.load_network(seed_file)
    assert model.count_params() == 9330
    assert [(l.units, l.rank, l.p, l.q, l.layout, l.normalize) for l in model.layers] == [  # noqa: E741
        (64, 5, 8, 784, "tinybig", False),
        (64, 5, 8, 64, "tinybig", True),
        (10, 5, 2, 64, "tinybig", True),
    ]
    bounds = [np.abs(tinybig.write_parameters(layer)).max() for layer in model.layers]
    np.testing.assert_allclose(bounds, [0.0275, 0.0909, 0.0938], rtol=0.02)


def test_the_seed_file_itself(shared_data, tmp_path):
    page = shared_data.parent / "seeds" / "tinybig_dual_lphm_mnist.txt"
    if not page.exists():
        pytest.skip("needs the seed document beside the checkout")
    lines = page.read_text().splitlines()
    start = lines.index("configurations:")
    end = next(i for i, line in enumerate(lines) if i > start and line and line[0] not in " -c")
    path = write(tmp_path, "\n".join(lines[start:end]))
    with pytest.warns(UserWarning, match="layer 1: `postprocess_function_configs` stands beside.*tinyBIG ignores it"):
        model = tinybig.load_network(path)
    assert model.count_params() == 9330
    assert [layer.normalize for layer in model.layers] == [False, True, True]


@pytest.mark.parametrize(
    "reconciliation, sizes, kind",
    [
        ("hm", {"p": 8, "q": 28}, ke.PHMDense),
        ("lphm", {"p": 8, "q": 28, "r": 2}, ke.LPHMDense),
        ("dual_lphm", {"p": 8, "q": 28, "r": 2}, ke.DualLPHMDense),
        ("lorr", {"r": 2}, ke.LowRankDense),
        ("identity", {}, keras.layers.Dense),
    ],
)
def test_reconciliations_without_expansion(tmp_path, reconciliation, sizes, kind):
    config = seed_network()
    first_layer(config)["head_configs"] = [head(1, reconciliation=reconciliation, **sizes)]
    layer = tinybig.load_network(write(tmp_path, config)).layers[0]
    assert isinstance(layer, kind) and getattr(layer, "layout", "tinybig") == "tinybig"


def change(config, path, value):
    target = config
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value


_MODEL = ("configurations", "model_configs")
_PARAMETERS = (*_MODEL, "model_parameters")
_LAYER = (*_PARAMETERS, "layer_configs", 0, "layer_parameters")
_HEAD = (*_LAYER, "head_configs", 0, "head_parameters")
_TRANSFORMATION = (*_HEAD, "data_transformation_configs")
_FABRICATION = (*_HEAD, "parameter_fabrication_configs")
_REMAINDER = (*_HEAD, "remainder_configs")


@pytest.mark.parametrize(
    "path, value, message",
    [
        (("configurations",), 3, "`configurations` must be a mapping. Received: 3"),
        ((*_MODEL, "model_class"), "tinybig.model.gcn", "model_class 'tinybig.model.gcn' is not supported"),
        ((*_PARAMETERS, "layer_configs"), [], "`layer_configs` must be a list of layers"),
        ((*_PARAMETERS, "depth"), 2, "depth=2 is not supported, it must be 3"),
        ((*_PARAMETERS, "extra"), 2, "we have no 'extra'"),
        ((*_LAYER, "width"), 2, r"layer 1: width=2 is not supported, it must be 1"),
        ((*_LAYER, "n"), 32, "layer 2: m must be the 32 outputs before it. Received: m=64"),
        ((*_LAYER, "m"), "784", "layer 1: m and n must be positive integers. Received: m='784'"),
        ((*_LAYER, "m"), True, "layer 1: m and n must be positive integers. Received: m=True"),
        ((*_LAYER, "head_configs"), [head(), head()], "layer 1: only one head.*Received: 2"),
        ((*_LAYER, "head_configs", 0, "head_class"), "tinybig.module.x", "head_class 'tinybig.module.x'"),
        ((*_HEAD, "channel_num"), 3, "layer 1: channel_num=3 is not supported"),
        ((*_HEAD, "l"), 100, "layer 1: l=100 is not supported, it must be 7925"),
        ((*_HEAD, "input_process_function_configs"), [], "layer 1: we have no 'input_process_function_configs'"),
        (
            (*_TRANSFORMATION, "data_transformation_class"),
            "tinybig.expansion.bspline_expansion",
            "layer 1: data_transformation_class 'tinybig.expansion.bspline_expansion' is not supported",
        ),
        ((*_TRANSFORMATION, "data_transformation_parameters", "d"), 3, "layer 1: `layout='tinybig'` needs order=2"),
        (
            (*_TRANSFORMATION, "data_transformation_parameters", "postprocess_function_configs"),
            {"function_class": "torch.nn.LayerNorm"},
            "must be a list of one function",
        ),
        (
            (*_TRANSFORMATION, "data_transformation_parameters", "postprocess_function_configs"),
            [{"function_class": "torch.nn.LayerNorm", "function_parameters": {"normalized_shape": 784}}],
            "normalized_shape=784 is not supported, it must be 615440",
        ),
        (
            (*_TRANSFORMATION, "data_transformation_parameters", "postprocess_function_configs"),
            [{"function_class": "torch.nn.Sigmoid", "function_parameters": {}}],
            "function_class 'torch.nn.Sigmoid' is not supported",
        ),
        (
            (*_FABRICATION, "parameter_fabrication_class"),
            "tinybig.reconciliation.lphm_reconciliation",
            "layer 1: lphm_reconciliation after taylor_expansion.* would need the expanded features",
        ),
        (
            (*_FABRICATION, "parameter_fabrication_class"),
            "tinybig.reconciliation.hypernet_reconciliation",
            "hypernet_reconciliation' is not supported",
        ),
        ((*_FABRICATION, "parameter_fabrication_parameters", "q"), 10, "layer 1: `q` must be 784 or 785"),
        (
            (*_REMAINDER, "remainder_class"),
            "tinybig.remainder.linear_remainder",
            "layer 1: remainder_class 'tinybig.remainder.linear_remainder' is not supported",
        ),
        ((*_REMAINDER, "remainder_parameters", "enable_bias"), True, "layer 1: enable_bias=True is not supported"),
    ],
)
def test_what_we_do_not_have_is_refused_by_name(tmp_path, path, value, message):
    config = copy.deepcopy(seed_network())
    change(config, path, value)
    with pytest.raises(ValueError, match=f"(?s)network.yaml' holds no tinyBIG network that we can build.*{message}"):
        tinybig.load_network(write(tmp_path, config))


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "configurations: {}", "\x00"])
def test_other_files_are_refused(tmp_path, text):
    with pytest.raises(ValueError, match="holds no tinyBIG network"):
        tinybig.load_network(write(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no tinyBIG configuration at"):
        tinybig.load_network(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "reconciliation, sizes",
    [("identity", {}), ("lorr", {"r": 10_000}), ("hm", {"p": 2, "q": 2}), ("lphm", {"p": 2, "q": 2, "r": 10_000})],
)
def test_what_would_fill_the_memory_is_refused_first(reconciliation, sizes, monkeypatch):
    monkeypatch.setattr(keras.Layer, "build", lambda *arguments: pytest.fail("memory was asked for"))
    with pytest.raises(ValueError, match="networks of more than 268,435,456 are not built"):
        tinybig.make_layer(reconciliation, 10**5, 10**5, **sizes)
