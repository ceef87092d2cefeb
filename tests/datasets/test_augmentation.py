"""Elastic and affine distortion, from the sampling up to augmented data sets."""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_efficient.datasets import Affine, augment, elastic
from keras_efficient.datasets.warping import IDENTITY, INTERPOLATIONS, Displacement, grid, smoothing_matrix, warp


def random_images(n=20, rows=12, columns=10, channels=1, seed=0):
    shape = (n, rows, columns, channels)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.float32) / 256


def moved(images, down, right, interpolation="bilinear"):
    """Images read at every pixel's place plus (down, right)."""
    coordinates = np.indices(images.shape[1:3]).astype(np.float32)
    coordinates += np.array([down, right], np.float32).reshape(2, 1, 1)
    return warp(images, np.stack([coordinates] * len(images)), interpolation)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize(("down", "right"), [(0, 0), (1, 0), (0, 1), (2, 3), (-1, -2), (11, 9)])
def test_whole_displacements_move_pixels(interpolation, down, right):
    images = random_images(channels=2)
    _, rows, columns, _ = images.shape
    surrounded = np.pad(images, ((0, 0), (20, 20), (20, 20), (0, 0)))
    first_row, first_column = 20 + down, 20 + right
    expected = surrounded[:, first_row : first_row + rows, first_column : first_column + columns, :]
    assert np.array_equal(moved(images, down, right, interpolation), expected)


@pytest.mark.parametrize(("down", "right"), [(12, 0), (0, -10), (1e6, 1e6), (-1e6, 0), (40, -40)])
def test_beyond_the_image_everything_is_zero(down, right):
    assert not moved(random_images(), down, right).any()


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_half_a_pixel_is_the_mean_of_two(interpolation):
    images = random_images()
    result = moved(images, 0.5, 0, interpolation)
    below = np.concatenate([images[:, 1:], np.zeros_like(images[:, :1])], axis=1)
    np.testing.assert_allclose(result, (images + below) / 2, atol=1e-6)


def test_bilinear_weighs_by_distance_and_mean_does_not():
    image = np.zeros((1, 3, 3, 1), np.float32)
    image[0, 1, 1, 0], image[0, 1, 2, 0], image[0, 2, 1, 0] = 1.0, 2.0, 4.0
    bilinear = moved(image, 0.25, 0.125)[0, 1, 1, 0]
    assert bilinear == pytest.approx(0.75 * (0.875 * 1 + 0.125 * 2) + 0.25 * 0.875 * 4)
    assert moved(image, 0.25, 0.125, "mean")[0, 1, 1, 0] == pytest.approx(7 / 4)
    assert moved(image, 0.0, 0.125, "mean")[0, 1, 1, 0] == pytest.approx(3 / 2)


def test_smoothing_is_a_normalised_gaussian():
    matrix = smoothing_matrix(15, 5, 1.5)
    weights = np.exp(-np.array([4, 1, 0, 1, 4]) / 4.5)
    np.testing.assert_allclose(matrix[7, 5:10], weights / weights.sum())
    assert np.count_nonzero(matrix[7]) == 5 and np.allclose(matrix, matrix.T)
    np.testing.assert_allclose(matrix.sum(axis=1)[2:-2], 1)
    assert matrix.sum(axis=1)[0] < 1  # zeros beyond the border


def test_noise_is_one_third_each_and_smoothed_in_two_dimensions():
    raw = Displacement((30, 20), 1, 1.0, 3.0, 0).draw(50)
    assert np.array_equal(np.unique(raw), [-3, 0, 3])
    smooth = Displacement((30, 20), 5, 1.5, 3.0, 0).draw(50)
    rows, columns = smoothing_matrix(30, 5, 1.5), smoothing_matrix(20, 5, 1.5)
    expected = np.einsum("ij,najk,lk->nail", rows, raw, columns)
    np.testing.assert_allclose(smooth, expected, atol=1e-5)
    assert abs(np.corrcoef(raw[:, 0].ravel(), raw[:, 1].ravel())[0, 1]) < 0.03


def test_every_third_of_the_random_numbers_has_its_sign():
    field = Displacement((128, 256), 1, 1.0, 1.0, 0)
    field.bits = SimpleNamespace(random_raw=lambda words: np.arange(4 * words).astype(np.uint16).view(np.uint64))
    signs, counts = np.unique(field.draw(1), return_counts=True)
    assert (*signs, *counts) == (-1, 0, 1, 21845, 21846, 21845)


@pytest.mark.parametrize(("kernel_size", "sigma", "alpha", "pixels"), [(9, 4, 5, 0.5), (13, 6, 20, 1.3)])
def test_strength_is_as_documented(kernel_size, sigma, alpha, pixels):
    field = Displacement((40, 40), kernel_size, sigma, alpha, 0).draw(100)
    inside = field[:, :, 10:-10, 10:-10]
    assert inside.std() == pytest.approx(pixels, abs=0.05)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("affine", [None, IDENTITY])
def test_alpha_zero_gives_the_originals(interpolation, channels, affine):
    images = random_images(rows=9, channels=channels)
    result = elastic(images, 2, alpha=0, interpolation=interpolation, affine=affine)
    assert np.array_equal(result, np.concatenate([images, images]))


@pytest.mark.parametrize("settings", [{}, {"affine": Affine()}, {"interpolation": "mean"}])
def test_deterministic_by_seed_and_independent_of_the_chunks(settings):
    images = random_images(n=23, rows=7, columns=5)  # 70 draws an image: not whole 64-bit words
    reference = elastic(images, 3, seed=4, **settings)
    for chunk_size in (1, 2, 7, 23, 1000):
        assert np.array_equal(reference, elastic(images, 3, seed=4, chunk_size=chunk_size, **settings))
    assert not np.array_equal(reference, elastic(images, 3, seed=5, **settings))


def test_copies_differ_and_the_first_do_not_depend_on_their_number():
    images = random_images()
    three = elastic(images, 3, affine=Affine())
    assert np.array_equal(three[:20], elastic(images, 1, affine=Affine()))
    assert not np.array_equal(three[:20], three[20:40])


@pytest.mark.parametrize("settings", [{}, {"alpha": 0, "affine": Affine()}])
def test_every_copy_of_every_image_has_its_own_distortion(settings):
    same = np.repeat(random_images(n=1), 20, axis=0)
    result = elastic(same, 2, chunk_size=8, **settings)
    assert len(np.unique(result.reshape(40, -1), axis=0)) == 40


@pytest.mark.parametrize("alpha", [5.0, 50.0])
@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_values_stay_within_range(alpha, interpolation):
    images = random_images(n=50)
    result = elastic(images, 4, alpha=alpha, interpolation=interpolation, affine=Affine())
    assert result.dtype == np.float32 and result.min() >= 0 and result.max() <= images.max()
    assert not np.array_equal(result[:50], images)


def test_channels_move_together():
    image = random_images()
    result = elastic(np.repeat(image, 3, axis=3), affine=Affine())
    assert np.array_equal(result, np.repeat(elastic(image, affine=Affine()), 3, axis=3))


def test_images_without_a_channel_axis_and_in_double_precision():
    images = random_images()
    flat = elastic(images[..., 0].astype(np.float64), 2)
    assert flat.dtype == np.float32
    assert np.array_equal(flat[..., np.newaxis], elastic(images, 2))


def test_nothing_in_gives_nothing_out():
    assert elastic(random_images(), copies=0).shape == (0, 12, 10, 1)
    assert elastic(random_images()[:0], copies=2).shape == (0, 12, 10, 1)


def test_the_input_is_left_alone():
    images = random_images()
    before = images.copy()
    elastic(images, affine=Affine())
    assert np.array_equal(images, before)


def test_out_is_written_to():
    images = random_images()
    out = np.full((60, 12, 10, 1), np.nan, np.float32)
    assert elastic(images, 3, out=out) is out
    assert np.array_equal(out, elastic(images, 3))


@pytest.mark.parametrize(
    ("affine", "expected"),
    [
        (Affine(rotation=90, scale=0, shear=0, shift=0), lambda image: np.rot90(image, -1)),
        (Affine(rotation=180, scale=0, shear=0, shift=0), lambda image: image[::-1, ::-1]),
    ],
)
def test_right_angles(affine, expected):
    """Positive angles turn an image clockwise."""
    always = SameRow([1, 0, 0, 0, 0])
    images = random_images(rows=9, columns=9)
    result = warp(images, grid(affine.draw(20, always), 9, 9), "bilinear")
    wanted = np.stack([expected(image) for image in images])
    np.testing.assert_allclose(result[:, 1:-1, 1:-1], wanted[:, 1:-1, 1:-1], atol=1e-5)


class SameRow:
    """Stands for a numpy generator that always draws the same row."""

    def __init__(self, row):
        self.row = row

    def uniform(self, low, high, shape):
        assert (low, high) == (-1.0, 1.0)
        return np.broadcast_to(np.array(self.row, float), shape)


@pytest.mark.parametrize(
    ("row", "source"),
    [  # where the pixel one row down and two columns right of the centre is read
        ([0, 0, 0, 0, 0], (1, 2)),
        ([0, 1, 0, 0, 0], (0.8, 1.6)),  # larger by a quarter
        ([0, -1, 0, 0, 0], (4 / 3, 8 / 3)),
        ([0, 0, 1, 0, 0], (1, 2.5)),  # half a column per row
        ([0, 0, 0, 1, 0], (4, 2)),
        ([0, 0, 0, 0, -1], (1, -1)),
        ([1, 0, 0, 0, 0], (-2, 1)),  # cos 90 = 0, sin 90 = 1
        ([1, 0, 1, 0, 0], (-2.5, 1)),  # sheared first, then turned
    ],
)
def test_affine_parts(row, source):
    affine = Affine(rotation=90, scale=0.25, shear=0.5, shift=3)
    coordinates = grid(affine.draw(1, SameRow(row)), 7, 9)
    np.testing.assert_allclose(coordinates[0, :, 3 + 1, 4 + 2] - (3, 4), source, atol=1e-6)


def test_the_grid_leaves_the_maps_alone():
    maps = Affine().draw(3, np.random.default_rng(0))
    assert np.array_equal(grid(maps, 7, 9), grid(maps, 7, 9))


def test_affine_draws_within_its_ranges():
    maps = Affine(rotation=0, scale=0.2, shear=0, shift=2).draw(2000, np.random.default_rng(0))
    factors, shifts = 1 / maps[:, 0, 0], maps[:, :, 2]
    assert 0.8 <= factors.min() < 0.81 and 1.19 < factors.max() <= 1.2
    assert -2 <= shifts.min() < -1.99 and 1.99 < shifts.max() <= 2
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.1


@pytest.mark.parametrize("label_dtype", [np.int64, np.float32])
def test_augment_keeps_the_originals_first_and_the_labels_aligned(label_dtype):
    x, y = random_images(), np.arange(20).astype(label_dtype)
    x_augmented, y_augmented = augment(x, y, copies=3, seed=7, sigma=2.0)
    assert x_augmented.shape == (80, 12, 10, 1) and x_augmented.dtype == np.float32
    assert np.array_equal(x_augmented[:20], x)
    assert np.array_equal(x_augmented[20:], elastic(x, 3, seed=7, sigma=2.0))
    assert np.array_equal(y_augmented, np.tile(y, 4)) and y_augmented.dtype == label_dtype


def test_augment_with_one_hot_labels_and_without_copies():
    x, y = random_images(), np.eye(20)
    assert augment(x, y, 2)[1].shape == (60, 20)
    x_same, y_same = augment(x, y, 0)
    assert np.array_equal(x_same, x) and np.array_equal(y_same, y)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"images": np.zeros((2, 8, 8), np.uint8)}, TypeError, "`images`.*byte / 256.*uint8"),
        ({"images": np.zeros((8, 8))}, ValueError, r"`images`.*\(8, 8\)"),
        ({"images": np.zeros((2, 0, 8))}, ValueError, r"`images`.*\(2, 0, 8\)"),
        ({"images": np.zeros((2, 8, 8, 1, 1))}, ValueError, "`images`"),
        ({"copies": -1}, ValueError, "`copies` must be an integer of at least 0.*-1"),
        ({"copies": 1.5}, ValueError, "`copies`.*1.5"),
        ({"kernel_size": 8}, ValueError, "`kernel_size` must be odd.*8"),
        ({"kernel_size": 0}, ValueError, "`kernel_size`.*0"),
        ({"kernel_size": 9.0}, ValueError, "`kernel_size`.*9.0"),
        ({"sigma": 0}, ValueError, "`sigma` must be a positive number.*0"),
        ({"sigma": "4"}, ValueError, "`sigma`.*'4'"),
        ({"alpha": -1.0}, ValueError, "`alpha` must be a number of at least 0.*-1.0"),
        ({"alpha": float("nan")}, ValueError, "`alpha`.*nan"),
        ({"alpha": float("inf")}, ValueError, "`alpha`.*inf"),
        ({"seed": -1}, ValueError, "`seed`.*-1"),
        ({"seed": None}, ValueError, "`seed`.*None"),
        ({"interpolation": "cubic"}, ValueError, "`interpolation`.*'bilinear', 'mean'.*'cubic'"),
        ({"affine": True}, TypeError, "`affine`.*True"),
        ({"chunk_size": 0}, ValueError, "`chunk_size`.*0"),
        ({"out": np.zeros((20, 12, 10, 1))}, ValueError, "`out`.*float32.*float64"),
        ({"out": np.zeros((4, 12, 10, 1), np.float32)}, ValueError, r"`out`.*\(4, 12, 10, 1\)"),
    ],
)
def test_wrong_arguments_of_elastic(arguments, error, message):
    with pytest.raises(error, match=message):
        elastic(**{"images": random_images(), **arguments})


@pytest.mark.parametrize("y", [np.arange(19), np.array(3), np.arange(40)])
def test_labels_must_match_the_images(y):
    with pytest.raises(ValueError, match="`y` must hold one label per image, 20"):
        augment(random_images(), y, 1)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"rotation": -1}, ValueError),
        ({"shear": float("nan")}, ValueError),
        ({"shift": "1"}, ValueError),
        ({"scale": 1.0}, ValueError),
    ],
)
def test_wrong_arguments_of_affine(arguments, error):
    (name,) = arguments
    with pytest.raises(error, match=f"`{name}`.*Received: {name}="):
        Affine(**arguments)
