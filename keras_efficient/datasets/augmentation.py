"""Many different copies from one set of training images: elastic distortion, and flips."""

from itertools import product
from typing import Any

import numpy as np

from keras_efficient.checks import integer, one_of, random_seed
from keras_efficient.datasets.warping import IDENTITY, INTERPOLATIONS, Affine, Displacement, grid, warp


def elastic(
    images: np.ndarray,
    copies: int = 1,
    kernel_size: int = 9,
    sigma: float = 4.0,
    alpha: float = 5.0,
    seed: int = 0,
    interpolation: str = "bilinear",
    affine: Affine | None = None,
    chunk_size: int = 64,
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Distorted copies of images.

    A pixel p of a copy is the image at A(p) + d(p): A is the affine map (None: the identity) and
    d = alpha G'*u, where u is drawn from {-1, 0, 1} for each pixel and axis and G is a Gaussian of
    `kernel_size` x `kernel_size` pixels that sums to 1. Beyond the border u is 0, and so is the
    image. The defaults are the "minor" set in the code of Gural & Murmann 2019 (three copies); its
    "major" set (one copy) is kernel_size=13, sigma=6, alpha=20.

    Args:
        images: floating (n, rows, columns) or (n, rows, columns, channels).
        copies: distorted copies of each image.
        kernel_size: pixels, odd.
        sigma: width of the Gaussian in pixels.
        alpha: strength in pixels. The standard deviation of d is 0.82 alpha sqrt(sum of G^2):
            half a pixel with the defaults, 1.3 pixels in the "major" set. 0 moves nothing.
        seed: 0 to 2^32 - 1. The first copies are the same however many are asked for.
        interpolation: "bilinear", or "mean" as in 2019: the plain mean of the four pixels
            around a coordinate, which blurs every image by 2 x 2 pixels and leaves rough edges.
        affine: ranges of a random rotation, scale, shear and shift, applied in the same sampling.
        chunk_size: images distorted at once. It bounds the memory and does not change the result.
        out: float32 array of the result's shape to write to, instead of a new one.

    Returns:
        float32 (copies n, rows, columns[, channels]): the first copy of every image, then the
        second of every image, and so on. Values stay within the range of the image and 0.

    Raises:
        ValueError, TypeError: a wrong argument.
    """
    images = _floating(images)
    copies = integer(copies, "copies", 0)
    chunk_size = integer(chunk_size, "chunk_size", 1)
    one_of(interpolation, "interpolation", INTERPOLATIONS)
    if affine is not None and not isinstance(affine, Affine):
        raise TypeError(f"`affine` must be an Affine or None. Received: affine={affine!r}")
    result = _result((copies * len(images), *images.shape[1:]), out)
    noise_seed, affine_seed = np.random.SeedSequence(random_seed(seed)).spawn(2)
    displacement = Displacement(images.shape[1:3], kernel_size, sigma, alpha, noise_seed)
    maps = (affine or IDENTITY).draw(len(result), np.random.default_rng(affine_seed))
    planes = images if images.ndim == 4 else images[..., np.newaxis]
    for copy, start in product(range(copies), range(0, len(images), chunk_size)):
        chunk, first = planes[start : start + chunk_size], copy * len(images) + start
        place = slice(first, first + len(chunk))
        coordinates = grid(maps[place], *images.shape[1:3])
        coordinates += displacement.draw(len(chunk))
        result[place] = warp(chunk, coordinates, interpolation).reshape(-1, *images.shape[1:])
    return result


def augment(
    x: np.ndarray, y: np.ndarray, copies: int, seed: int = 0, **distortion: Any
) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) with distorted copies after the originals.

    Args:
        x: images as for `elastic`.
        y: one label each; the first axis counts.
        copies: distorted copies of each image.
        seed: of the distortion.
        **distortion: the other arguments of `elastic`.

    Returns:
        x ((copies + 1) n, ...), float32: the originals, then what `elastic` gives; and y repeated
        to match.
    """
    x, y = _floating(x), np.asarray(y)
    if y.ndim == 0 or len(y) != len(x):
        raise ValueError(f"`y` must hold one label per image, {len(x)} of them. Received: shape {y.shape}")
    n, copies = len(x), integer(copies, "copies", 0)
    result = np.empty(((copies + 1) * n, *x.shape[1:]), np.float32)
    elastic(x, copies, seed=seed, out=result[n:], **distortion)
    result[:n] = x
    return result, np.concatenate([y] * (copies + 1))


def flipped(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Images (n, rows, columns[, channels]), each turned from left to right with probability 1/2."""
    turned = random.random(len(x)) < 0.5
    return np.where(turned.reshape(-1, *[1] * (x.ndim - 1)), x[:, :, ::-1], x)


def _floating(images: np.ndarray) -> np.ndarray:
    """`images` as float32, when they are floating and have two or three axes after the first."""
    images = np.asarray(images)
    if not np.issubdtype(images.dtype, np.floating):
        raise TypeError(
            f"`images` must be floating, as `load_dataset` gives them (byte / 256). Received: dtype {images.dtype}"
        )
    if images.ndim not in (3, 4) or 0 in images.shape[1:]:
        forms = "(n, rows, columns) or (n, rows, columns, channels)"
        raise ValueError(f"`images` must have the shape {forms}. Received: shape {images.shape}")
    return images.astype(np.float32, copy=False)


def _result(shape: tuple[int, ...], out: np.ndarray | None) -> np.ndarray:
    if out is None:
        return np.empty(shape, np.float32)
    if not isinstance(out, np.ndarray) or out.shape != shape or out.dtype != np.float32:
        received = f"{getattr(out, 'dtype', type(out))} {getattr(out, 'shape', '')}"
        raise ValueError(f"`out` must be a float32 array of shape {shape}. Received: {received}")
    return out
