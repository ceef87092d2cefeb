"""The network description as a chain of items, each with the word for its letter."""

from keras_efficient.report.markup import Html, details, paragraph, section, tag

MANY = 40  # a network of more items is folded
WORDS = {
    "A": "average pooling",
    "M": "max pooling",
    "C": "convolution",
    "CN": "linear convolution",
    "T": "depthwise convolution",
    "DSC": "separable convolution",
    "R": "residual block",
    "F": "dense",
    "S": "dense, linear",
    "Q": "quantizer",
    "N": "noise",
    "D": "dropout",
}


def network(result: dict) -> Html:
    """The description, item by item, below the shape of the input."""
    items, ends = result.get("network"), _ends(result)
    if not items:
        unknown = "A builder function made the model, so there is no description to show."
        return section("The network", paragraph(ends + unknown))
    chain = tag("ol", *map(_item, items), class_="chain")
    if len(items) > MANY:
        chain = details(f"Show all {len(items)} items", chain)
    return section("The network", paragraph(ends), chain)


def _ends(result: dict) -> str:
    shape, classes = result.get("input_shape"), result.get("classes")
    entry = f"Input: {' × '.join(map(str, shape))}. " if shape else ""
    return entry + (f"Classes: {classes}. " if classes else "")


def _item(item: object) -> Html:
    if isinstance(item, dict):  # a Keras layer object
        return tag("li", item.get("class_name", "layer"), tag("code", "Keras layer"))
    if not isinstance(item, list) or not item:
        return tag("li", tag("code", item))
    return tag("li", WORDS.get(str(item[0]), item[0]), tag("code", " ".join(map(str, item))))
