"""`PRICES`: how each known class of layers is priced, by class name. A new family adds its module
here."""

from keras_efficient.storage.prices import acdc, dense, elementwise, kronecker, merging, random_basis, residual, windows
from keras_efficient.storage.prices.base import FLOAT_BITS, LOGIT_BITS, FeatureMap, Price, Weights, Working

PRICES: dict[str, Price] = {
    **dense.PRICES,
    **acdc.PRICES,
    **kronecker.PRICES,
    **windows.PRICES,
    **residual.PRICES,
    **random_basis.PRICES,
    **elementwise.PRICES,
    **merging.PRICES,
}

__all__ = ["FLOAT_BITS", "LOGIT_BITS", "PRICES", "FeatureMap", "Price", "Weights", "Working"]
