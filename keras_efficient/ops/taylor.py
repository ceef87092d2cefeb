"""Products with the Taylor features [x, x kron x, ...] of x, without those features.

The features of order d are `k_d = [1, k_(d-1)] kron x` with k_1 = x; there are D = m + ... + m^d of
them. In all functions x is (batch, m), and the factors are P (p, rank), Q (q, rank), S (s, rank),
T (t, rank) with q t = D.
"""

from keras import ops

from keras_efficient.checks import integer
from keras_efficient.ops.kronecker import kronecker_dual_low_rank, low_rank
from keras_efficient.ops.tinybig_layout import spread_products, spread_sums
from keras_efficient.type_aliases import Tensor

EPSILON = 1e-5  # of torch.nn.LayerNorm, which tinyBIG applies to the features


def taylor_moments(x: Tensor, order: int) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of the D features of each sample, each (batch, 1).

    With mean u and variance v of x, a = u^2 + v and the share w_i = m^i / D of the features of
    degree i, the degree has mean u^i and mean square a^i:

        mean = sum_i w_i u^i        variance = sum_i w_i ((u^i - mean)^2 + a^i - u^(2 i))

    The last difference is computed as `v sum_(j<i) a^j u^(2 (i-1-j))`: nothing cancels.
    """
    size, order = x.shape[1], integer(order, "order", 1)
    counts = [size**degree for degree in range(1, order + 1)]
    shares = [count / sum(counts) for count in counts]
    center = ops.mean(x, axis=1, keepdims=True)
    spread = ops.mean(ops.square(x - center), axis=1, keepdims=True)
    means = [center**degree for degree in range(1, order + 1)]
    mean = sum(share * each for share, each in zip(shares, means, strict=True))
    within = [_power_difference(ops.square(center), spread, degree) for degree in range(1, order + 1)]
    parts = zip(shares, means, within, strict=True)
    return mean, sum(share * (ops.square(each - mean) + inner) for share, each, inner in parts)


def taylor_kronecker(
    x: Tensor, p: Tensor, q: Tensor, s: Tensor, t: Tensor, order: int = 2, normalize: bool = False
) -> Tensor:
    """`k W'` with `W = (P Q') kron (S T')` and the features k of `x`, or their LayerNorm.

    Order 1: any q and t. Orders 2 and 3: t = m and q = D / m; then the features read as (q, t) are
    the outer product of g = [1, k_(order-1)] and x, so that `y = vec(u v')`, u = P Q' g, v = S T' x.

    Multiply-adds per sample, order 2: rank (2 m + p + s) + p s.
    """
    if order == 1:
        if normalize:
            mean, variance = taylor_moments(x, 1)
            x = (x - mean) * ops.rsqrt(variance + EPSILON)
        return kronecker_dual_low_rank(x, p, q, s, t)
    y = _outer(ops.matmul(_left_sums(x, q, order), ops.transpose(p)), low_rank(x, s, t))
    if not normalize:
        return y
    mean, variance = taylor_moments(x, order)
    ones = _outer(_times_sums(p, q)[None], _times_sums(s, t)[None])
    return (y - mean * ones) * ops.rsqrt(variance + EPSILON)


def taylor_tinybig(x: Tensor, p: Tensor, q: Tensor, s: Tensor, t: Tensor, normalize: bool = False) -> Tensor:
    """`k W'` with tinyBIG's W (see `tinybig_layout`) and the features k = [x, x kron x], or their
    LayerNorm.

    q = m, t = m + 1: each row of the features read as (q, t) is a shifted copy of x, so that the
    products with B = S T' are correlations. q = m + 1, t = m: an outer product, as in
    `taylor_kronecker`.
    """
    count, rows = q.shape[0], s.shape[0]
    b = ops.matmul(s, ops.transpose(t))
    if count % rows == 0:
        return spread_sums(_finished(_shared_sums(x, b, count), x, ops.sum(b), normalize), p, q, rows)
    b_sums = ops.sum(b, axis=1)
    return spread_products(_finished(_products(x, b, count), x, b_sums, normalize), p, q)


def _shared_sums(x, b, count):
    """`g_j = sum_b H[s j + b, b]`, (batch, q / s), for s that divides q."""
    size, rows = x.shape[1], b.shape[0]
    blocks = (-1, count // rows, rows)
    if count != size:
        v = ops.matmul(x, ops.transpose(b))
        return ops.sum(ops.reshape(_with_one(x), blocks) * v[:, None, :], axis=2)
    y = block_correlation(ops.reshape(x, blocks), _phase_filters(b))
    before, here = ops.reshape(_with_one(x)[:, :-1], blocks), ops.reshape(x, blocks)
    return ops.sum(before * y[:, : count // rows] + here * y[:, count // rows :], axis=2)


def _products(x, b, count):
    """`H = K B'`, (batch, q, s), where s does not divide q."""
    size = x.shape[1]
    if count != size:
        v = ops.matmul(x, ops.transpose(b))
        return _with_one(x)[:, :, None] * v[:, None, :]
    y = block_correlation(x[:, :, None], b[:, :, None])
    return _with_one(x)[:, :-1, None] * y[:, :size] + x[:, :, None] * y[:, size:]


def _phase_filters(b):
    """B (s, m + 1) as filters (s, m / s + 1, s) on blocks of s inputs: row i is i places late.

    Cutting the rows, with s zeros after each, one number shorter delays each row by one more.
    """
    rows, length = b.shape
    late = ops.reshape(ops.pad(b, ((0, 0), (0, rows))), (-1,))[: rows * (length + rows - 1)]
    return ops.reshape(late, (rows, (length - 1) // rows + 1, rows))


def _finished(h, x, b_sums, normalize):
    """Sums over features as sums over their LayerNorm; `b_sums` are the sums of features of one."""
    if not normalize:
        return h
    mean, variance = taylor_moments(x, 2)
    shape = (-1, *[1] * (len(h.shape) - 1))
    mean, variance = ops.reshape(mean, shape), ops.reshape(variance, shape)
    return (h - mean * b_sums) * ops.rsqrt(variance + EPSILON)


def _left_sums(x, q, order):
    """`g Q` with g = [1, x] (order 2) or [1, x, x kron x] (order 3): (batch, rank)."""
    size, rank = x.shape[1], q.shape[1]
    sums = q[0] + ops.matmul(x, q[1 : size + 1])
    if order == 2:
        return sums
    pairs = ops.reshape(q[size + 1 :], (size, size * rank))
    half = ops.reshape(ops.matmul(x, pairs), (-1, size, rank))
    return sums + ops.sum(half * x[:, :, None], axis=1)


def _outer(u, v):
    """vec(u v') of each sample."""
    return ops.reshape(u[:, :, None] * v[:, None, :], (-1, u.shape[1] * v.shape[1]))


def _times_sums(left, right):
    """`left right' 1`."""
    return ops.matmul(left, ops.sum(right, axis=0))


def _with_one(x):
    return ops.concatenate([ops.ones_like(x[:, :1]), x], axis=1)


def _power_difference(square, spread, degree):
    """`(square + spread)^degree - square^degree`."""
    total = square + spread
    return spread * sum(total**j * square ** (degree - 1 - j) for j in range(degree))


# Numbers in the Toeplitz matrix up to which one product with it takes the place of the transforms: a
# product costs less than the steps of a transform while its matrix is small. Chosen on two CPU cores.
LARGEST_TOEPLITZ = 2**16


def block_correlation(x: Tensor, filters: Tensor, method: str | None = None) -> Tensor:
    """Correlation with period 2 J of J blocks with filters of J + 1 taps, channels summed.

        y[n, j, o] = sum_(d, c) x[n, (j + d) mod 2 J, c] f[o, d, c],   j < 2 J,   x = 0 from J on

    x (batch, J, channels), filters (outputs, J + 1, channels). method: `"toeplitz"`: one matrix product, the matrix has
    2 J^2 channels outputs numbers; `"fft"`: real transforms of length 2 J. None chooses by the size of the matrix.
    """
    (_, blocks, channels), outputs = x.shape, filters.shape[0]
    if method is None:
        method = "toeplitz" if 2 * blocks**2 * channels * outputs <= LARGEST_TOEPLITZ else "fft"
    return (_by_toeplitz if method == "toeplitz" else _by_fft)(x, filters)


def _by_toeplitz(x, filters):
    (_, blocks, channels), outputs = x.shape, filters.shape[0]
    backwards = ops.reshape(ops.flip(x, axis=1), (-1, blocks * channels))
    return ops.reshape(ops.matmul(backwards, _hankel(filters)), (-1, 2 * blocks, outputs))


def _hankel(filters):
    """The matrix (J channels, 2 J outputs) with f[o, (J - 1 - i - j) mod 2 J, c] at (i, c), (j, o).

    Repeating a row of 2 J numbers and cutting the result into rows of 2 J + 1 shifts each row by
    one: no index table, and a gradient without scattering.
    """
    taps, period = ops.transpose(filters, (1, 2, 0)), 2 * (filters.shape[1] - 1)
    blocks, (channels, outputs) = period // 2, taps.shape[1:]
    silence = ops.zeros((blocks - 1, channels, outputs), dtype=taps.dtype)
    row = ops.concatenate([ops.flip(taps[:blocks], axis=0), silence, taps[blocks:]], axis=0)
    rows = ops.tile(row, (blocks + 1, 1, 1))[: blocks * (period + 1)]
    matrix = ops.reshape(rows, (blocks, period + 1, channels, outputs))[:, :period]
    return ops.reshape(ops.transpose(matrix, (0, 2, 1, 3)), (blocks * channels, period * outputs))


def _by_fft(x, filters):
    period, outputs = 2 * x.shape[1], filters.shape[0]
    x_real, x_imaginary = ops.rfft(ops.transpose(x, (0, 2, 1)), period)
    f_real, f_imaginary = ops.rfft(ops.transpose(filters, (2, 0, 1)), period)
    # A product with the conjugate at each frequency, over the channels, as one real product.
    x_both = ops.transpose(ops.concatenate([x_real, x_imaginary], axis=1), (2, 0, 1))
    upper = ops.concatenate([f_real, -f_imaginary], axis=1)
    lower = ops.concatenate([f_imaginary, f_real], axis=1)
    f_both = ops.transpose(ops.concatenate([upper, lower], axis=0), (2, 0, 1))
    y_both = ops.transpose(ops.matmul(x_both, f_both), (1, 2, 0))
    y = ops.irfft((y_both[:, :outputs], y_both[:, outputs:]), period)
    return ops.transpose(y, (0, 2, 1))
