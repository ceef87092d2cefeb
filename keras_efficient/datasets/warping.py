"""Images resampled at fractional coordinates, and where these come from: affine maps and smooth random fields."""

import math
from dataclasses import dataclass, fields

import numpy as np

from keras_efficient.checks import integer, non_negative_number, positive_number

INTERPOLATIONS = ("bilinear", "mean")


@dataclass(frozen=True)
class Affine:
    """Ranges of a random affine map about the image's centre; 0 turns a part off.

    Each copy draws its parts uniformly: a clockwise angle from +-`rotation` degrees, a factor
    from 1 +- `scale`, a shear from +-`shear` (columns moved per row), and shifts from +-`shift`
    pixels for rows and for columns. The defaults suit handwritten digits. Beside elastic copies the 2 KB network of
    MNIST gained nothing by them that could be measured: +.04 +- .09 points of test accuracy, 3 paired seeds, 200, 100
    and 200 epochs (scripts/measure_options.py, results/mnist_options_long.json).

    Raises:
        ValueError, TypeError: a part that is not a finite number of at least 0, or a scale of 1
            or more, which could shrink an image to nothing.
    """

    rotation: float = 7.0
    scale: float = 0.07
    shear: float = 0.05
    shift: float = 1.0

    def __post_init__(self):
        for field in fields(self):
            non_negative_number(getattr(self, field.name), field.name)
        if self.scale >= 1:
            raise ValueError(f"`scale` must be less than 1. Received: scale={self.scale!r}")

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        """(count, 2, 3) maps from centred output (row, column, 1) to centred input (row, column).

        M = [[cos, -sin], [sin, cos]] [[1, 0], [shear, 1]] / factor, and the shift as third column.
        """
        parts = generator.uniform(-1.0, 1.0, (count, 5))  # one row a map: a prefix of more maps
        angle, scale, shear = (parts[:, :3] * (self.rotation, self.scale, self.shear)).T
        cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
        rotated = [[cos - sin * shear, -sin], [sin + cos * shear, cos]]
        linear = np.moveaxis(np.array(rotated), -1, 0) / (1 + scale)[:, None, None]
        return np.concatenate([linear, parts[:, 3:, None] * self.shift], axis=2)


IDENTITY = Affine(rotation=0, scale=0, shear=0, shift=0)


def grid(maps: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Input coordinates (n, 2, rows, columns), float32, of every output pixel under `maps`: (n, 2, 3) as `Affine.draw`
    gives them, relative to the image's centre."""
    centre = np.array([[(rows - 1) / 2], [(columns - 1) / 2]])
    pixels = np.indices((rows, columns)).reshape(2, -1) - centre
    homogeneous = np.concatenate([pixels, np.ones((1, rows * columns))]).astype(np.float32)
    maps = maps.copy()
    maps[:, :, 2:] += centre
    return (maps.astype(np.float32) @ homogeneous).reshape(-1, 2, rows, columns)


def warp(images: np.ndarray, coordinates: np.ndarray, interpolation: str) -> np.ndarray:
    """Images (n, rows, columns, channels), float32, sampled at fractional coordinates; pixels outside the image are 0.

    Args:
        images: (n, rows, columns, channels), float32.
        coordinates: (n, 2, rows, columns), float32: the row and the column to read for each pixel.
        interpolation: with f the fractional part, "bilinear" weighs the pixel before by 1 - f and the one after by f;
            "mean" takes the plain mean of floor and ceiling, as the study of 2019 does. Both give a whole coordinate's
            pixel exactly.
    """
    n, rows, columns, channels = images.shape
    # Zeros around the image, one before and two after, let clipped coordinates read their zeros.
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0)))
    row, row_weight = _split(coordinates[:, 0], rows, interpolation)
    column, column_weight = _split(coordinates[:, 1], columns, interpolation)
    width = columns + 3
    corner = row.astype(np.intp) * width + column
    corner += np.arange(n).reshape(-1, 1, 1) * ((rows + 3) * width)
    result = np.empty_like(images)
    for channel in range(channels):
        pixels = padded[..., channel].ravel()
        upper = _blend(pixels, corner, column_weight)
        lower = _blend(pixels, corner + width, column_weight)
        result[..., channel] = upper + row_weight * (lower - upper)
    return result


def _split(coordinate: np.ndarray, size: int, interpolation: str) -> tuple[np.ndarray, np.ndarray]:
    """The padded pixel at or before each coordinate, and the weight of the pixel after it."""
    padded = np.clip(coordinate + np.float32(1), 0, size + 1)
    pixel = padded.astype(np.int32)
    fraction = padded - pixel.astype(np.float32)
    if interpolation == "mean":
        fraction = (fraction > 0) * np.float32(0.5)
    return pixel, fraction


def _blend(pixels: np.ndarray, index: np.ndarray, weight: np.ndarray) -> np.ndarray:
    before = pixels.take(index)
    return before + weight * (pixels.take(index + 1) - before)


class Displacement:
    """A stream of fields alpha G'*u for images of one shape; `elastic` explains the symbols and arguments."""

    def __init__(
        self, shape: tuple[int, ...], kernel_size: int, sigma: float, alpha: float, seed: int | np.random.SeedSequence
    ):
        kernel_size = integer(kernel_size, "kernel_size", 1)
        if kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd: an even kernel shifts the field by half a pixel. "
                f"Received: kernel_size={kernel_size}"
            )
        sigma = positive_number(sigma, "sigma")
        alpha = non_negative_number(alpha, "alpha")
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
