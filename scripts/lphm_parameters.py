"""Parameters of the seed's three layers (784-64-64-10 on Taylor features of order 2) for every reconciliation.

"identity" is the dense kernel on the expanded features, which the seed's document gives as 39,696,000; the others
factor it with the seed's p, q and several ranks. The count of dual LPHM is compared with that of the built layers.

    python scripts/lphm_parameters.py
"""

import warnings

import keras_efficient as ke
from measuring.results import write_results

LAYERS = ((784, 64, 8, 784), (64, 64, 8, 64), (64, 10, 2, 64))  # inputs, outputs, p, q
RANKS = (1, 2, 3, 5, 8)


def sizes(inputs, outputs, p, q):
    """Features D and the blocks (s, t) beside (p, q)."""
    features = inputs + inputs**2
    return features, outputs // p, features // q


def formulas(layer, rank):
    """Numbers of a layer, by the formulas of the reconciliations."""
    _, outputs, p, q = layer
    features, s, t = sizes(*layer)
    return {
        "identity": outputs * features,
        "low_rank": rank * (outputs + features),
        "hm": p * q + s * t,
        "lphm": p * q + rank * (s + t),
        "dual_lphm": rank * (p + q + s + t),
    }


def built(rank):
    """Numbers that the layers of the package hold: the seed's network."""
    stored = 0
    for inputs, outputs, p, q in LAYERS:
        layer = ke.TaylorDualLPHM(outputs, rank, p, q)
        layer.build((None, inputs))
        stored += layer.count_params()
    return stored


def main():
    warnings.filterwarnings("ignore", message=".*is wasted on")
    figures = {}
    for rank in RANKS:
        layers = [formulas(layer, rank) for layer in LAYERS]
        row = {name: sum(layer[name] for layer in layers) for name in layers[0]}
        if built(rank) != row["dual_lphm"]:
            raise RuntimeError(f"The layers hold {built(rank)} numbers, the formula says {row['dual_lphm']}")
        figures[f"rank_{rank}"] = row
        print(rank, row)
    print(write_results("lphm_parameters", figures).name)


if __name__ == "__main__":
    main()
