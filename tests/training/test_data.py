"""What a run trains on: real numbers, all of them, and labels that are classes or probabilities."""

import numpy as np
import pytest

from keras_efficient.training.data import TrainingData, as_inputs, as_labels

X = np.arange(12.0).reshape(3, 4)
Y = np.array([0, 1, 2])
ROWS = np.eye(3)


def read(x=X, y=Y):
    y_val = Y if np.ndim(y) == 1 else ROWS
    return TrainingData.of_parts([(as_inputs(x), as_labels(y), None), (as_inputs(X), as_labels(y_val), None)])


@pytest.mark.parametrize("x", [X, X.tolist(), X.astype("uint8"), X.astype("float16"), X > 3, X.astype("int64")])
def test_numbers_are_taken(x):
    data = read(x)
    assert data.x_train.dtype == "float32"
    np.testing.assert_array_equal(data.x_train, np.asarray(x, "float32"))


def test_numbers_of_machine_learning_are_taken():
    types = pytest.importorskip("ml_dtypes")
    np.testing.assert_array_equal(read(X.astype(types.bfloat16)).x_train, X)


@pytest.mark.parametrize(
    "x, received",
    [
        (X + 1j, "an array of complex128"),
        (X.astype("datetime64[s]"), r"an array of datetime64\[s\]"),
        (X.astype("timedelta64[s]"), r"an array of timedelta64\[s\]"),
        (X.astype(str), "an array of <U"),
        (X.astype(bytes), r"an array of \|S"),
        (X.astype(object), "an array of object"),
        (np.zeros(3, [("a", "f4")]), r"an array of \[\('a'"),
        (np.ma.masked_less(X, 3), "a masked array"),
        (list(np.ma.masked_less(X, 3)), "a masked array"),
    ],
)
def test_what_would_lose_something_is_refused(x, received):
    with pytest.raises(ValueError, match=f"`x` must hold real numbers.*Received: {received}"):
        read(x)
    with pytest.raises(ValueError, match=f"Labels must be .*Received: {received}"):
        read(y=x[0] if not isinstance(x, list) else x)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_in_float32_are_refused(value):
    x = X.copy()
    x[1, 1] = value
    with pytest.raises(ValueError, match="`x_train` of `data` holds numbers that are not finite"):
        read(x)


@pytest.mark.parametrize("y", [Y, Y.tolist(), Y[:, None], Y.astype("float32"), Y.astype("uint8")])
def test_classes_are_taken(y):
    np.testing.assert_array_equal(as_labels(y), Y)


@pytest.mark.parametrize("y", [Y + 0.5, np.array([0, 1, np.nan]), np.array([0, 1, np.inf])])
def test_labels_that_are_no_classes_are_refused(y):
    with pytest.raises(ValueError, match="Labels must be integers"):
        read(y=y)


SMOOTH = np.full((3, 3), 1 / 3)


@pytest.mark.parametrize("rows", [ROWS, ROWS.astype(bool), SMOOTH, SMOOTH.astype("float16"), 0.9 * ROWS + 0.1 * SMOOTH])
def test_rows_of_probabilities_are_taken(rows):
    np.testing.assert_allclose(read(y=rows).y_train, rows.astype("float32"))


@pytest.mark.parametrize(
    "row", [[0, 0, 0], [-1, 1, 1], [0, 7, 0], [np.nan, 1, 0], [1, 1, 0], [np.inf, 0, 0], [2, -1, 0]]
)
def test_rows_of_anything_else_are_refused(row):
    rows = ROWS.copy()
    rows[1] = row
    with pytest.raises(
        ValueError, match="rows of probabilities.*Received: 1 rows of 3 that are not, the first.* row 1, "
    ):
        read(y=rows)
