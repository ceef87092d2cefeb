"""Slow, plain numpy forms of ACDC and its kin, written from the formulas alone."""

import numpy as np


def dct_matrix(size):
    """C with dct(x) = x C, entry by entry."""
    matrix = np.zeros((size, size))
    for n in range(size):
        for k in range(size):
            scale = np.sqrt((1 if k == 0 else 2) / size)
            matrix[n, k] = scale * np.cos(np.pi * (2 * n + 1) * k / (2 * size))
    return matrix


def transform_matrix(transform, size):
    """The matrix of "dct" or "dct2d" for one block."""
    if transform == "dct":
        return dct_matrix(size)
    rows = max(n for n in range(1, size + 1) if size % n == 0 and n * n <= size)
    return np.kron(dct_matrix(rows), dct_matrix(size // rows))


def riffle(size):
    """R as a matrix: x R has the even entries first."""
    return np.eye(size)[:, [*range(0, size, 2), *range(1, size, 2)]]


def blocks(matrix, groups):
    """The matrix on the diagonal, `groups` times."""
    return np.kron(np.eye(groups), matrix)


def acdc_parts(size, transform="dct", order="paper", groups=1):
    """(C, what follows diag(d)) of y = x diag(a) C diag(d) [R] C'."""
    forth = blocks(transform_matrix(transform, size // groups), groups)
    inner = blocks(riffle(size // groups), groups) if order == "inner_riffle" else np.eye(size)
    return forth, inner @ forth.T


def acdc(x, a, d, bias=None, transform="dct", order="paper", groups=1, place="output", permutation=None):
    """One layer; `permutation` holds the index of each output."""
    forth, back = acdc_parts(x.shape[-1], transform, order, groups)
    spectrum = (x * a) @ forth * d
    if place == "spectrum" and bias is not None:
        spectrum = spectrum + bias
    y = spectrum @ back
    if place == "output" and bias is not None:
        y = y + bias
    return y if permutation is None else y[..., permutation]


def hashed_order(size, seed, salt):
    """The random permutation, from the definition of the hash in plain integers."""

    def mix(v):
        v ^= v >> 16
        v = v * 0x7FEB352D & 0xFFFFFFFF
        v ^= v >> 15
        v = v * 0x846CA68B & 0xFFFFFFFF
        return v ^ v >> 16

    key = mix((seed ^ 0x9E3779B9 * (salt + 1)) & 0xFFFFFFFF)
    return sorted(range(size), key=lambda k: mix((k + key) & 0xFFFFFFFF))


def fourier_matrix(size):
    """The unitary discrete Fourier transform."""
    n = np.arange(size)
    return np.exp(-2j * np.pi * np.outer(n, n) / size) / np.sqrt(size)


def block_diagonal(factors):
    """(groups, m, m') as one matrix."""
    groups, rows, columns = factors.shape
    matrix = np.zeros((groups * rows, groups * columns), factors.dtype)
    for g in range(groups):
        matrix[g * rows : (g + 1) * rows, g * columns : (g + 1) * columns] = factors[g]
    return matrix
