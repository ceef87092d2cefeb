"""Tables of what each layer can do, from results/layer_support.json: docs/layers.md, and in short the README's."""

from itertools import groupby

from measuring.results import figures
from pages.tables import markdown_table

COLUMNS = ("priced", "c", "litert", "prunable")
HEADINGS = ("layer", "quantized", "priced", "C", "LiteRT", "prunable")
FATES = {
    "keeps codes": "stays: it keeps the grid of its input",
    "training only": "left out of inference",
    "outside": "stays after the integers, at the end",
    "folded": "folded into the layer before it",
    "float": "no: it stays float",
}
# The README's rows: which layers they speak of.
SHORT = {
    "Dense and convolutions: plain, depthwise, separable, transposed": (
        *("Dense", "Conv1D", "Conv2D", "DepthwiseConv1D", "DepthwiseConv2D"),
        *("SeparableConv1D", "SeparableConv2D", "Conv1DTranspose", "Conv2DTranspose"),
    ),
    "Pooling, padding, reshaping, up-sampling": (
        *("MaxPooling1D", "MaxPooling2D", "AveragePooling1D", "AveragePooling2D", "GlobalAveragePooling2D"),
        *("Flatten", "Reshape", "Permute", "ZeroPadding1D", "ZeroPadding2D", "Cropping2D", "UpSampling2D"),
    ),
    "Sums, products, maxima, concatenations of branches": (
        *("Add", "Subtract", "Multiply", "Maximum", "Minimum", "Average", "Concatenate"),
    ),
    "Activations and other functions of one number": ("Activation", "ReLU", "LeakyReLU", "ELU", "PReLU"),
    "Batch normalization": ("BatchNormalization",),
    "Kronecker, low-rank, Monarch": (
        *("PHMDense", "PHMConv2D", "LPHMDense", "DualLPHMDense", "LowRankDense", "MonarchDense"),
    ),
    "ACDC": ("ACDC", "ACDCDense", "ACDCConv2D"),
    "Random bases": ("RandomBasisDense", "RandomBasisConv2D"),
    "Taylor features, layers to compare ACDC with": (
        *("TaylorDualLPHM", "AFDF", "BlockACDC", "BlockAFDF", "GroupedShuffleDense"),
    ),
    "Recurrent layers, attention, layer normalization": (
        *("LSTM", "GRU", "SimpleRNN", "MultiHeadAttention", "LayerNormalization"),
    ),
}


def _quantized(name, row):
    """What `quantize_model` makes of a layer."""
    if row["quantize"] != "quantized":
        return FATES[row["quantize"]]
    return "yes" if row["becomes"] == name else f"as `{row['becomes']}`"


def _word(value):
    return "yes" if value else "no"


def _row(name, row):
    return (_quantized(name, row), *(_word(row[column]) for column in COLUMNS), _reason(name, row["reason"] or ""))


def _reason(name, reason):
    """Why not, without the name that stands in front of it."""
    return reason.removeprefix(f"{name} ").replace(name, "it")


def layer_table(own):
    """A row for each layer of this package, or of Keras; neighbours that are alike share one."""
    found = {name: row for name, row in figures("layer_support").items() if row["own"] == own}
    rows = [
        [", ".join(f"`{name}`" for name in names), *cells]
        for cells, names in groupby(found, key=lambda name: _row(name, found[name]))
    ]
    return markdown_table((*HEADINGS, "why not"), rows)


def short_table():
    """A row for each family: yes, no, or how many."""
    found = figures("layer_support")
    rows = []
    for title, names in SHORT.items():
        family = [found[name] for name in names]
        flags = [[row["quantize"] not in ("float",) for row in family]]
        flags += [[row[column] for row in family] for column in COLUMNS]
        rows.append([title, *map(_share, flags)])
    return markdown_table(HEADINGS, rows)


def _share(flags):
    return {0: "no", len(flags): "yes"}.get(sum(flags), f"{sum(flags)} of {len(flags)}")


BLOCKS = {
    "layers of this package": lambda: layer_table(True),
    "layers of Keras": lambda: layer_table(False),
}
