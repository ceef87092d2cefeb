"""Smooth random displacement fields."""

import math

import numpy as np

from keras_efficient.datasets.checks import finite_number, whole_number


class Displacement:
    """A stream of fields alpha G'*u for images of one shape; `elastic` explains the symbols.

    Args:
        shape: rows and columns of the images.
        kernel_size, sigma, alpha: as for `elastic`.
        seed: of the noise.

    Raises:
        ValueError, TypeError: a wrong kernel_size, sigma or alpha.
    """

    def __init__(
        self, shape: tuple[int, ...], kernel_size: int, sigma: float, alpha: float, seed: int | np.random.SeedSequence
    ):
        kernel_size = whole_number("kernel_size", kernel_size, 1)
        if kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd: an even kernel shifts the field by half a pixel. "
                f"Received: kernel_size={kernel_size}"
            )
        sigma = finite_number("sigma", sigma, above=True)
        alpha = finite_number("alpha", alpha)
        rows, columns = (smoothing_matrix(size, kernel_size, sigma) for size in shape)
        self.shape = (2, *shape)
        self.row_band = (alpha * rows).astype(np.float32)
        self.column_band = columns.T.astype(np.float32)
        self.bits = np.random.PCG64(seed)

    def draw(self, count: int) -> np.ndarray:
        """The next `count` fields, (count, 2, rows, columns) float32 pixels down and right.

        Every image takes whole 64-bit words from the stream and its own small matrix products,
        so its numbers do not depend on how many images are drawn at once.
        """
        size = math.prod(self.shape)
        words = self.bits.random_raw(count * math.ceil(size / 4))
        draws = words.view(np.uint16).reshape(count, -1)
        # Thirds of the 16-bit numbers (21845, 21846, 21845 of them) stand for -1, 0 and 1.
        signs = (draws >= 43691).view(np.int8) - (draws < 21845).view(np.int8)
        noise = signs[:, :size].reshape(count, *self.shape).astype(np.float32)
        return self.row_band @ (noise @ self.column_band)


def smoothing_matrix(size: int, kernel_size: int, sigma: float) -> np.ndarray:
    """(size, size) band: B u is u (size,) convolved with a Gaussian that sums to 1, zeros outside.

    B for the rows and B' for the columns make the two-dimensional Gaussian, which is separable.
    """
    half = kernel_size // 2
    weight = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * sigma**2))
    weight /= weight.sum()
    offset = np.subtract.outer(np.arange(size), np.arange(size))
    return np.where(abs(offset) <= half, weight[np.clip(offset + half, 0, 2 * half)], 0.0)
