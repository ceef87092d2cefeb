"""tinyBIG's network files (.yaml, the syntax of releases 0.1.x) as Keras models."""

import warnings
from pathlib import Path

import keras

from keras_efficient.checks import is_integer, path_of
from keras_efficient.compat.tinybig.parameters import draw_parameters, make_layer
from keras_efficient.kinds.factors import expanded_size
from keras_efficient.layers import TaylorDualLPHM
from keras_efficient.networks.build import check_layer_weights

_EPSILON = 1e-5
_HEAD_KEYS = (
    *("name", "l", "channel_num"),
    *("data_transformation_configs", "parameter_fabrication_configs", "remainder_configs"),
)


def load_network(path: str | Path) -> keras.Model:
    """The network of a tinyBIG configuration file, with parameters drawn as tinyBIG draws them.

    Layers of one head of width 1 and one channel are known, without a remainder, with
    `identity_expansion` or `taylor_expansion` of degree 1, and any of the reconciliations of
    `make_layer`; or with `taylor_expansion` of degree 2, with or without `torch.nn.LayerNorm` after
    it, and `dual_lphm_reconciliation`. That LayerNorm has no gain and offset here: tinyBIG keeps
    them where no optimizer finds them. Data, learner and metric of the file are not read.

    Args:
        path: The .yaml file.

    Returns:
        A flat model from (batch, m) to (batch, n), without a softmax.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is no configuration, or names something that we do not have.
        Warns where tinyBIG itself ignores an entry.
    """
    from keras_efficient.outside_yaml import read_yaml  # PyYAML is needed here only

    try:
        config = read_yaml(path_of(path, "path"), "tinyBIG configuration")
        entries = _layer_entries(config)
        sizes = [_sizes(entry, number) for number, entry in enumerate(entries, 1)]
        for number, ((_, outputs), (inputs, _)) in enumerate(zip(sizes, sizes[1:], strict=False), 2):
            if outputs != inputs:
                raise ValueError(f"layer {number}: m must be the {outputs} outputs before it. Received: m={inputs}")
        layers = [_layer(entry, number) for number, entry in enumerate(entries, 1)]
    except ValueError as error:
        raise ValueError(f"'{path}' holds no tinyBIG network that we can build: {error}") from error
    return keras.Sequential([keras.Input((sizes[0][0],), name="input"), *layers], name="network")


def _layer_entries(config):
    where = "the file"
    for key in ("configurations", "model_configs"):
        config = _mapping(config, where).get(key)
        where = f"`{key}`"
    _class_of(config, "model", where, ("tinybig.model.rpn",))
    model = _known(config["model_parameters"], where, ("depth", "depth_alloc", "layer_configs", "name"))
    entries = model.get("layer_configs")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"`layer_configs` must be a list of layers. Received: {entries!r}")
    _only("depth", model, (None, len(entries)), where)
    _only("depth_alloc", model, (None, [1] * len(entries)), where)
    for number, entry in enumerate(entries, 1):
        _class_of(entry, "layer", f"layer {number}", ("tinybig.module.rpn_layer",))
    return [entry["layer_parameters"] for entry in entries]


def _sizes(entry, number):
    entry = _mapping(entry, f"layer {number}")
    m, n = entry.get("m"), entry.get("n")
    if not all(is_integer(size) and size > 0 for size in (m, n)):
        raise ValueError(f"layer {number}: m and n must be positive integers. Received: m={m!r}, n={n!r}")
    return m, n


def _layer(entry, number):
    """The built layer of one entry; each refusal says the layer and what it has no name for here."""
    where = f"layer {number}"
    _known(entry, where, ("name", "m", "n", "width", "fusion_strategy", "width_alloc", "head_configs"))
    heads = entry.get("head_configs")
    if not isinstance(heads, list) or len(heads) != 1:
        count = len(heads) if isinstance(heads, list) else heads
        raise ValueError(
            f"{where}: only one head is supported, `head_configs` must be a list of one. Received: {count}"
        )
    _only("width", entry, (None, 1), where)
    _only("width_alloc", entry, (None, [1]), where)
    _class_of(heads[0], "head", where, ("tinybig.module.rpn_head",))
    head = _known(heads[0]["head_parameters"], where, _HEAD_KEYS)
    _only("channel_num", head, (None, 1), where)
    _check_remainder(head.get("remainder_configs"), where)
    try:
        expansion, (method, settings) = _expansion(head, entry["m"], where), _fabrication(head, where)
        layer = _reconciled(entry, expansion, method, settings, where)
    except ValueError as error:
        raise error if str(error).startswith(where) else ValueError(f"{where}: {error}") from error
    _only("l", head, (None, layer.count_params()), where)
    return layer


def _check_remainder(remainder, where):
    if remainder is not None:
        _class_of(remainder, "remainder", where, ("tinybig.remainder.zero_remainder",))
        settings = _known(remainder["remainder_parameters"], where, ("name", "require_parameters", "enable_bias"))
        _only("require_parameters", settings, (None, False), where)
        _only("enable_bias", settings, (None, False), where)


def _expansion(head, inputs, where):
    """Degree of the Taylor expansion (1: none) and whether a LayerNorm stands after it."""
    entry = head.get("data_transformation_configs")
    known = ("tinybig.expansion.taylor_expansion", "tinybig.expansion.identity_expansion")
    name = _class_of(entry, "data_transformation", where, known, beside=("postprocess_function_configs",))
    if entry.get("postprocess_function_configs") is not None:
        warnings.warn(
            f"{where}: `postprocess_function_configs` stands beside `data_transformation_parameters`, where tinyBIG "
            "ignores it; so do we. Inside, it would act.",
            stacklevel=5,
        )
    settings = _known(
        entry.get("data_transformation_parameters") or {}, where, ("name", "d", "postprocess_function_configs")
    )
    degree = settings.get("d", 2) if name == "taylor_expansion" else 1
    return degree, _has_layer_norm(settings.get("postprocess_function_configs"), inputs, degree, where)


def _has_layer_norm(functions, inputs, degree, where):
    if functions is None:
        return False
    if not isinstance(functions, list) or len(functions) != 1:
        raise ValueError(
            f"{where}: `postprocess_function_configs` must be a list of one function. Received: {functions!r}"
        )
    _class_of(functions[0], "function", where, ("torch.nn.LayerNorm",))
    settings = _known(functions[0]["function_parameters"], where, ("normalized_shape", "device", "eps"))
    features = expanded_size(inputs, degree) if isinstance(degree, int) else None
    _only("normalized_shape", settings, (features, [features]), where)
    _only("eps", settings, (None, _EPSILON), where)
    return True


def _fabrication(head, where):
    """Name of the reconciliation, and its sizes."""
    entry, names = head.get("parameter_fabrication_configs"), ("identity", "lorr", "hm", "lphm", "dual_lphm")
    known = tuple(f"tinybig.reconciliation.{name}_reconciliation" for name in names)
    name = _class_of(entry, "parameter_fabrication", where, known).removesuffix("_reconciliation")
    settings = _known(entry.get("parameter_fabrication_parameters") or {}, where, ("name", "p", "q", "r"))
    return name, {size: settings[size] for size in ("p", "q", "r") if size in settings}


def _reconciled(entry, expansion, reconciliation, sizes, where):
    degree, normalize = expansion
    if degree == 1 and not normalize:
        return make_layer(reconciliation, entry["m"], entry["n"], **sizes)
    if reconciliation != "dual_lphm":
        raise ValueError(
            f"{where}: {reconciliation}_reconciliation after taylor_expansion or a LayerNorm would need the expanded "
            "features; dual_lphm_reconciliation does not"
        )
    rank, sizes = sizes.get("r"), {name: sizes.get(name) for name in "pq"}
    layer = TaylorDualLPHM(entry["n"], rank, **sizes, order=degree, normalize=normalize)
    check_layer_weights("TaylorDualLPHM", layer.get_config(), entry["m"])
    layer.build((None, entry["m"]))
    draw_parameters(layer)
    return layer


def _mapping(value, where):
    if isinstance(value, dict):
        return value
    raise ValueError(f"{where} must be a mapping. Received: {value!r}")


def _known(value, where, keys):
    """`value`, a mapping without any other keys."""
    strangers = [key for key in _mapping(value, where) if key not in keys]
    if strangers:
        raise ValueError(f"{where}: we have no {', '.join(map(repr, strangers))}; known are {', '.join(keys)}")
    return value


def _only(key, mapping, values, where):
    """Refuse all values of a key but `values`; None among them stands for an absent key."""
    if mapping.get(key) not in values:
        allowed = " or ".join(repr(value) for value in values if value is not None)
        raise ValueError(f"{where}: {key}={mapping.get(key)!r} is not supported, it must be {allowed}")


def _class_of(entry, kind, where, known, beside=()):
    """The last part of an entry's class, one of `known`."""
    keys = (f"{kind}_class", f"{kind}_parameters", *beside)
    name = _known(entry, where, keys).get(keys[0])
    if name not in known:
        raise ValueError(f"{where}: {keys[0]} {name!r} is not supported; known are {', '.join(known)}")
    if kind in ("model", "layer", "head", "remainder", "function"):
        _mapping(entry.get(keys[1]), f"{where}: `{keys[1]}`")
    return name.rpartition(".")[2]
