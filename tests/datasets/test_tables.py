"""`load_table`: CSV and .npz files of somebody's own."""

import numpy as np
import pytest

from keras_efficient.datasets import load_table

BIRDS = "bill,island,mass,kind\n" + "".join(
    f"{40 + row},{('Dream', 'Biscoe', 'a, b')[row % 3]!r},{row}.5,{'gentoo' if row % 4 else 'adelie'}\n".replace(
        "'", '"'
    )
    for row in range(40)
)


@pytest.fixture
def written(tmp_path):
    def write(content, name="birds.csv"):
        path = tmp_path / name
        if isinstance(content, dict):
            np.savez(path, **content)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
        return path

    return write


def rows_of(data):
    x = np.concatenate([data.x_train, data.x_val, data.x_test])
    return x[np.argsort(x[:, 0])]


def test_text_becomes_one_hot_and_numbers_stay(written):
    data = load_table(written(BIRDS))
    assert data.columns == ("bill", "island=Biscoe", "island=Dream", "island=a, b", "mass")
    assert (data.name, data.classes, data.x_train.dtype) == ("birds", 2, np.float32)
    rows = rows_of(data)
    np.testing.assert_array_equal(rows[:3], [[40, 0, 1, 0, 0.5], [41, 1, 0, 0, 1.5], [42, 0, 0, 1, 2.5]])
    assert len(rows) == 40 and data.y_train.dtype.kind == "U"
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val), (data.x_test, data.y_test)):
        np.testing.assert_array_equal(y, np.where((x[:, 0] - 40) % 4, "gentoo", "adelie"))


@pytest.mark.parametrize(
    ("target", "dtype", "classes"), [("mass", "float32", None), ("bill", "int64", 40), ("island", "<U6", 3)]
)
def test_any_column_can_be_the_target(written, target, dtype, classes):
    data = load_table(written(BIRDS), target)
    assert (data.y_val.dtype, data.classes) == (np.dtype(dtype), classes)
    assert not any(name.startswith(target) for name in data.columns) and len(data.columns) == data.x_val.shape[1]


def test_whole_numbers_with_a_point_are_classes_where_they_are_few(written):
    for numbers in (2, 30):
        rows = "".join(f"{row},{row % numbers}.0\n" for row in range(120))
        arrays = {"x": np.ones((120, 1)), "y": np.arange(120.0) % numbers}
        for data in (load_table(written("a,b\n" + rows)), load_table(written(arrays, "a.npz"))):
            assert (data.y_train.dtype.kind, data.classes) == (("i", 2) if numbers == 2 else ("f", None))


def test_each_part_has_its_share_of_each_class(written):
    rows = "".join(f"{row},{'rare' if row < 20 else 'often'}\n" for row in range(200))
    data, same, other = (load_table(written("a,b\n" + rows), seed=seed) for seed in (0, 0, 1))
    assert [len(y) for y in (data.y_train, data.y_val, data.y_test)] == [160, 20, 20]
    assert [int((y == "rare").sum()) for y in (data.y_train, data.y_val, data.y_test)] == [16, 2, 2]
    assert np.array_equal(data.x_val, same.x_val) and not np.array_equal(data.x_val, other.x_val)


def test_a_class_of_two_rows_is_among_the_training_rows(written):
    data = load_table(written("a,b\n" + "".join(f"{row},class {row // 2}\n" for row in range(100))))
    assert len(set(data.y_train)) == data.classes == 50


def test_what_python_alone_takes_for_a_number_is_text(written):
    assert load_table(written("a,b\n" + "1_2,1\n3_4,0\n" * 5)).columns == ("a=1_2", "a=3_4")


@pytest.mark.parametrize("text", ["a;b\n1;2.5\n", "\ufeffa\tb\r\n1\t2.5\r\n", 'a,"b"\n 1, 2.5\n\n'])
def test_other_ways_to_write_a_table(written, text):
    first, line = text.splitlines(keepends=True)[:2]
    data = load_table(written(first + line * 10))
    assert data.columns == ("a",) and set(data.y_train) == {2.5} and set(data.x_train[:, 0]) == {1}


def test_arrays_stay_as_they_are(written):
    x, y = np.arange(120).reshape(20, 3, 2), np.linspace(0, 1, 20)
    data = load_table(written({"x": x, "y": y, "more": y}, "signals.npz"))
    assert data.x_train.shape == (16, 3, 2) and data.x_train.dtype == np.float32 and data.classes is None
    for part, targets in ((data.x_train, data.y_train), (data.x_val, data.y_val), (data.x_test, data.y_test)):
        np.testing.assert_allclose(part[:, 0, 0] / 6, targets * 19, rtol=1e-6)
    assert load_table(written({"x": x.astype("uint8"), "y": y}, "b.npz")).x_val.dtype == np.uint8


def test_parts_that_are_there_stay(written):
    parts = {"x_train": np.ones((30, 2)), "y_train": np.arange(30) % 3, "x_test": np.zeros((5, 2))}
    data = load_table(written({**parts, "y_test": np.arange(5)}, "a.npz"))
    assert [len(y) for y in (data.y_train, data.y_val, data.y_test)] == [27, 3, 5]
    assert not data.x_test.any() and data.x_val.all() and sorted(data.y_val) == [0, 1, 2] and data.classes == 5


def test_one_hot_rows_are_classes(written):
    y = np.eye(2)[np.r_[np.zeros(10, int), np.ones(30, int)]]
    data = load_table(written({"x": np.ones((40, 1)), "y": y}, "a.npz"))
    assert data.classes == 2 and data.y_val.sum(axis=0).tolist() == [1, 3]


TEN = "1,2\n" * 10


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        ("a,b\n1,2\n3,\n", None, r"row 2 of .*birds.csv \(line 3\) has no value in the column 'b'"),
        ('a,b\n"x\ny",2\nNA,1\n', None, r"row 2 of .* \(line 4\) has no value in the column 'a'"),
        ("a,b\n1,2\n3\n", None, "row 2 of .* must have 2 cells, as the first line has. Received: 1"),
        ("1.5,2\n" + TEN, None, "must name the columns.*Received: '1.5', '2'"),
        (",a\n" + TEN, None, "must name the columns"),
        ("a,a\n" + TEN, None, "must name the columns"),
        ("a\n1\n", None, "two or more"),
        ("", None, "Received: nothing"),
        ("a,b\n" + TEN, "c", "must be a column of .*: a, b. Received: target='c'"),
        ("a,b\n1,2\n", None, "at least 10 rows, to be split. Received: 1"),
        ("a,b\n" + "1,2\n" * 9 + "1e39,2\n", None, "row 10 of .* a finite number in the column 'a'. Received: 1e39"),
        ("a,b\n" + "".join(f"t{row},2\n" for row in range(101)), None, "column 'a' .*101, such as 't0'; leave it out"),
        (
            "a,b\n" + "".join(f"{row},2\n" for row in range(20)) + "ERR,2\n",
            None,
            "row 21 of .* 'a', as most.*'ERR'; mend",
        ),
        ("a;b\n" + "1,5;2\n3;4\n" * 9, None, "column 'a' .* decimal point and no other commas. Received: '1,5'"),
        ("a;b\n" + "1;-2,50\n" * 10, "b", "column 'b' .* decimal point and no other commas. Received: '-2,50'"),
        (b"a,b\n\xff,1\n", None, "no table of text in UTF-8"),
        ('a,b\n"1,2\n', None, "cells with commas between"),
    ],
)
def test_a_wrong_table_is_refused(written, content, target, message):
    with pytest.raises(ValueError, match=message):
        load_table(written(content), target)


X, Y = np.ones((10, 2)), np.arange(10)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, "must hold the arrays x and y, or x_train.*Received: x"),
        ({"x_train": X, "y_train": Y, "x_val": X}, "must hold the arrays.*Received: x_train, y_train, x_val"),
        ({"x": X, "y": Y[:9]}, r"do not fit together. Received: x \(10, 2\), y \(9,\)"),
        ({"x": X, "y": Y, "x_test": X[:, :1], "y_test": Y}, r"do not fit together.*x_test \(10, 1\)"),
        ({"x": np.where(np.eye(10, 2), np.nan, X), "y": Y}, "row 1 of x in .* missing or not finite"),
        ({"x": X, "y": np.full(10, np.inf)}, "row 1 of y in"),
        ({"x": Y, "y": Y}, r"x of .* must hold numbers \(samples, features\).*\(10,\)"),
        ({"x": X, "y": X * 1j}, "y of .* must hold numbers or text"),
        ({"x": X.astype(object), "y": Y}, "must be an .npz file with arrays of numbers"),
        (b"no archive", "must be an .npz file"),
    ],
)
def test_wrong_arrays_are_refused(written, arrays, message):
    with pytest.raises(ValueError, match=message):
        load_table(written(arrays, "a.npz"))


def test_wrong_arguments_are_refused(written):
    with pytest.raises(FileNotFoundError, match="there is no table at"):
        load_table("nowhere.csv")
    with pytest.raises(ValueError, match=r"`path` must be a .csv or .npz file. Received: table.xlsx"):
        load_table("table.xlsx")
    with pytest.raises(ValueError, match="`target` is for .csv files"):
        load_table(written({"x": X, "y": Y}, "a.npz"), target="y")
    with pytest.raises(TypeError, match="`path` must be a path"):
        load_table(3)
