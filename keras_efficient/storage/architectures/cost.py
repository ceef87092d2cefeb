"""`architecture_cost` and `break_even_size`: what ACDC layers cost in the place of others."""

from collections.abc import Sequence
from itertools import count

from keras_efficient.checks import one_of
from keras_efficient.kinds.acdc import layer_products
from keras_efficient.kinds.fields import check_size
from keras_efficient.storage.architectures.counter import CONVENTIONS, CostCounter, acdc_stack
from keras_efficient.storage.architectures.drawings import find_architecture, grouped_bottleneck

TRANSFORMS = ("dct", "dct2d")


def architecture_cost(
    name: str, convention: str = "corrected", input_shape: Sequence[int] = (32, 32, 3), classes: int = 10
) -> tuple[int, int]:
    """Multiply-adds and parameters of a reference architecture, for one image.

    "..._acdc" has stacks of twelve ACDC layers, linear and without biases, in the place of its
    replaceable convolutions, a depthwise convolution before each where the kernel is 3x3;
    "..._g8b2" has 1x1 convolutions around a grouped one there. `keras_efficient.networks.build_architecture`
    makes the Keras model of a name. Both come from one drawing.

    All conventions count convolutions without their biases, dense layers with them, no
    normalization, addition or padding, and relu and pooling only in the networks that keep them as
    modules: wide residual networks (relu) and the tiny network. A stack of K layers of
    N = max(inputs, outputs) costs min(K (4 N + 5 N log2 N), N^2) products per position. Parameters
    are those that train: a normalization's running means and variances are left out. They differ
    in how a stack is charged:

        "corrected"       K = 12, at the positions of its output: what the networks need
        "log"             K = 11, and after a 3x3 convolution with strides at the positions of
                          that one's input: reproduces the final tables of the research log, in
                          which the last layer of each stack is lost
        "log_one_layer"   K = 1, otherwise as "log": reproduces earlier rows of the log, of
                          wrn_40_2_acdc, mobilenet_acdc and mobilenet_v2_acdc

    Not attempted: the log's first tables of costs, before 3x3 convolutions became separable (it
    corrects them itself), its row of 38,714 parameters with low-rank depthwise parts, and DARTS.

    Args:
        name: tiny_convnet, resnet18, resnet8, wrn_40_2, wrn_28_10, mobilenet or mobilenet_v2, each also
            with "_acdc" after it, wide residual networks also with "_g8b2"; others of these as
            wrn_DEPTH_FACTOR.
        convention: "corrected", "log" or "log_one_layer".
        input_shape: Shape of an image: (rows, columns, channels).
        classes: Number of outputs.

    Returns:
        (mult_adds, parameters).

    Raises:
        ValueError: For an unknown name or convention, or a wrong shape or number of classes.
    """
    architecture = find_architecture(name)
    one_of(convention, "convention", CONVENTIONS)
    replacements = {None: None, "acdc": acdc_stack(CONVENTIONS[convention]), "g8b2": grouped_bottleneck}
    counter = CostCounter(replacements[architecture.replacement])
    architecture.draw(counter, check_image_shape(input_shape), check_size(classes, "classes"))
    return counter.mult_adds, counter.parameters


def check_image_shape(input_shape: Sequence[int]) -> tuple[int, int, int]:
    """`input_shape` as (rows, columns, channels), or a ValueError."""
    if isinstance(input_shape, (list, tuple)) and len(input_shape) == 3:
        rows, columns, channels = map(check_size, input_shape, ("rows", "columns", "channels"))
        return rows, columns, channels
    raise ValueError(f"`input_shape` must be (rows, columns, channels). Received: {input_shape!r}")


def break_even_size(depth: int = 12, transform: str = "dct") -> int:
    """The smallest N at which `depth` ACDC layers take fewer products than one N x N matrix.

        "dct":    depth (4 N + 5 N log2 N) < N^2; it holds for all larger N, too
        "dct2d":  depth (2 N + 2 N (n1 + n2)) < N^2 with N = n1 n2; for larger N as long as n1 and
                  n2 are near each other

    Below it a linear stack is cheaper as its matrix: it saves parameters, not multiply-adds.

    Args:
        depth: Number of layers.
        transform: "dct" (by FFT) or "dct2d" (by two small matrix products each way).

    Raises:
        ValueError: If `depth` is no positive integer, or the transform is unknown.
    """
    check_size(depth, "depth")
    one_of(transform, "transform", TRANSFORMS)
    # No smaller N can do: n1 + n2 is at least 2 sqrt(N).
    first = 4 * depth if transform == "dct" else 16 * depth**2
    return next(size for size in count(first) if depth * layer_products(size, transform) < size**2)
