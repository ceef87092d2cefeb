"""Images resampled at fractional coordinates, and the affine part of an augmentation."""

from dataclasses import dataclass, fields

import numpy as np

from keras_efficient.datasets.checks import finite_number

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
            finite_number(field.name, getattr(self, field.name))
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
    """Input coordinates (n, 2, rows, columns), float32, of every output pixel under `maps`.

    Args:
        maps: (n, 2, 3) as `Affine.draw` gives them, relative to the image's centre.
        rows, columns: of the images.
    """
    centre = np.array([[(rows - 1) / 2], [(columns - 1) / 2]])
    pixels = np.indices((rows, columns)).reshape(2, -1) - centre
    homogeneous = np.concatenate([pixels, np.ones((1, rows * columns))]).astype(np.float32)
    maps = maps.copy()
    maps[:, :, 2:] += centre
    return (maps.astype(np.float32) @ homogeneous).reshape(-1, 2, rows, columns)


def warp(images: np.ndarray, coordinates: np.ndarray, interpolation: str) -> np.ndarray:
    """Images sampled at fractional coordinates; pixels outside the image are 0.

    Args:
        images: (n, rows, columns, channels), float32.
        coordinates: (n, 2, rows, columns), float32: the row and the column to read for each pixel.
        interpolation: with f the fractional part, "bilinear" weighs the pixel before by 1 - f and
            the one after by f; "mean" takes the plain mean of floor and ceiling, as the study of
            2019 does. Both give a whole coordinate's pixel exactly.

    Returns:
        The images, (n, rows, columns, channels), float32.
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
