"""Products with Kronecker factors by plain numpy, each rounded by a function of its number and its sums."""

import numpy as np
import numpy_layers


def second_first(p, q, s, t, taps=1):
    """Whether B comes first: where that takes no more products."""
    return s * q * (taps * t + p) <= p * t * (q + taps * s)


def low_rank(x, a, b, rounded):
    return rounded(0, x @ b) @ a.T


def phm(x, a, b, rounded):
    (_, p, q), (_, s, t) = a.shape, b.shape
    k = x.reshape(*x.shape[:-1], q, t)
    if second_first(p, q, s, t):
        y = np.einsum("ipq,...iqs->...ps", a, rounded(0, np.einsum("...qt,ist->...iqs", k, b)))
    else:
        y = np.einsum("...ipt,ist->...ps", rounded(0, np.einsum("ipq,...qt->...ipt", a, k)), b)
    return y.reshape(*x.shape[:-1], p * s)


def lphm(x, a, s, t, rounded):
    k = x.reshape(*x.shape[:-1], a.shape[1], len(t))
    v = rounded(1, a @ rounded(0, k @ t))
    return (v @ s.T).reshape(*x.shape[:-1], -1)


def dual_lphm(x, p, q, s, t, rounded):
    k = x.reshape(*x.shape[:-1], len(q), len(t))
    z = rounded(1, q.T @ rounded(0, k @ t))
    return (rounded(2, p @ z) @ s.T).reshape(*x.shape[:-1], -1)


def phm_conv(x, a, b, strides, padding, rounded):
    """Each group of channels by itself."""
    (terms, p, q), (_, s, t, rows, columns) = a.shape, b.shape
    groups = np.moveaxis(x.reshape(*x.shape[:3], q, t), 3, 0)
    if second_first(p, q, s, t, rows * columns):
        kernels = b.transpose(0, 3, 4, 2, 1)
        u = np.array([[numpy_layers.conv(group, kernel, strides, padding) for group in groups] for kernel in kernels])
        y = np.einsum("ipq,iqbrcs->brcps", a, rounded(0, u))
    else:
        v = rounded(0, np.einsum("ipq,qbrct->ipbrct", a, groups))
        kernels = b.transpose(0, 3, 4, 2, 1)
        parts = [sum(numpy_layers.conv(v[i, j], kernels[i], strides, padding) for i in range(terms)) for j in range(p)]
        y = np.stack(parts, axis=-2)
    return y.reshape(*y.shape[:3], p * s)
