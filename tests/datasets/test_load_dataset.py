"""Data sets by name: shapes, ranges, splits, and the errors of wrong input."""

import ast
import io
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from keras_efficient import datasets
from keras_efficient.datasets import DATASETS, load_dataset, loading, sources


def gray_arrays(train=40, test=10, size=28):
    """Arrays like those of mnist.npz; the first pixels of a sample tell which one it is."""
    x_train = np.random.default_rng(0).integers(0, 256, (train, size, size)).astype(np.uint8)
    x_test = np.random.default_rng(1).integers(0, 256, (test, size, size)).astype(np.uint8)
    x_train[:, 0, 0], x_train[0, 1, 1], x_train[1, 1, 1] = np.arange(train), 0, 255
    y_train, y_test = (np.arange(n).astype(np.uint8) % 10 for n in (train, test))
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


@pytest.fixture
def mnist_dir(tmp_path):
    np.savez(tmp_path / "mnist.npz", **gray_arrays())
    return tmp_path


def smooth_image(index):
    rows, columns = np.mgrid[0:32, 0:32]
    levels = [rows * 4 + index, columns * 4 + 50, 200 - rows * 3 - columns * 3]
    return np.stack(levels, axis=-1).astype(np.uint8)


def jpeg(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=95, subsampling=0)
    return np.frombuffer(buffer.getvalue(), np.uint8)


@pytest.fixture
def cifar_dir(tmp_path):
    arrays = {}
    for part, indices in (("train", range(20)), ("test", range(20, 25))):
        files = [jpeg(smooth_image(index)) for index in indices]
        arrays[f"jpeg_{part}"] = np.concatenate(files)
        arrays[f"size_{part}"] = np.array([len(file) for file in files], np.int32)
        arrays[f"y_{part}"] = np.array([index % 10 for index in indices], np.uint8)
    np.savez(tmp_path / "cifar10_jpeg.npz", **arrays)
    return tmp_path


def check_dataset(data, sizes, shape):
    x_train, y_train, x_val, y_val, x_test, y_test = data.arrays()
    parts = ((x_train, y_train), (x_val, y_val), (x_test, y_test))
    for (x, y), size in zip(parts, sizes, strict=True):
        assert x.shape == (size, *shape) and y.shape == (size,)
        assert x.dtype == np.float32 and y.dtype == np.int64
        assert x.min() >= 0 and x.max() < 1
        assert np.array_equal(x * 256, np.round(x * 256))
        assert set(np.unique(y)) <= set(range(data.classes))


def rows(*parts):
    """Samples as sorted bytes, to compare sets of images."""
    return sorted(sample.tobytes() for part in parts for sample in part)


def test_digits():
    data = load_dataset("digits")
    check_dataset(data, (1150, 287, 360), (8, 8, 1))
    assert (data.name, data.classes) == ("digits", 10)
    assert np.array_equal(np.bincount(data.y_test), [36] * 10)
    assert data.x_train.max() == 255 / 256  # value 16 becomes byte 255
    assert "1150 train, 287 validation, 360 test samples of 8x8x1" in repr(data)


def test_digits_hold_every_image_once():
    from sklearn.datasets import load_digits

    data = load_dataset("digits", validation=100, seed=5)
    everything = np.minimum(load_digits().images * 16, 255).astype(np.float32) / 256
    assert rows(data.x_train, data.x_val, data.x_test) == rows(everything)


def test_the_test_split_does_not_depend_on_the_seed():
    first, second = load_dataset("digits", seed=0), load_dataset("digits", seed=1)
    assert np.array_equal(first.x_test, second.x_test)
    assert not np.array_equal(first.x_val, second.x_val)


@pytest.mark.parametrize("seed", [0, 3])
def test_the_split_is_fixed_by_the_seed(mnist_dir, seed):
    first, second = (load_dataset("mnist", mnist_dir, 8, seed) for _ in range(2))
    assert all(map(np.array_equal, first.arrays(), second.arrays()))


def test_the_split_is_disjoint_complete_in_order_and_aligned(mnist_dir):
    data = load_dataset("mnist", str(mnist_dir), validation=15)
    check_dataset(data, (25, 15, 10), (28, 28, 1))
    train, val = (x[:, 0, 0, 0] * 256 for x in (data.x_train, data.x_val))
    assert sorted([*train, *val]) == list(range(40))
    assert np.all(np.diff(train) > 0) and np.all(np.diff(val) > 0)
    assert np.array_equal(train % 10, data.y_train) and np.array_equal(val % 10, data.y_val)


def test_validation_follows_the_rule_of_numpys_global_generator(mnist_dir):
    np.random.seed(3)
    expected = np.sort(np.random.choice(40, 15, replace=False))
    data = load_dataset("mnist", mnist_dir, validation=15, seed=3)
    assert np.array_equal(data.x_val[:, 0, 0, 0] * 256, expected)


def test_loading_leaves_the_global_generator_alone():
    np.random.seed(0)
    expected = np.random.random()
    np.random.seed(0)
    load_dataset("digits")
    assert np.random.random() == expected


def test_bytes_become_byte_over_256(mnist_dir):
    arrays = gray_arrays()
    data = load_dataset("mnist", mnist_dir, 1)
    assert np.array_equal(data.x_test[..., 0], arrays["x_test"] / 256)


def test_mnist_of_the_study(shared_data, golden):
    data = load_dataset("mnist", shared_data)
    check_dataset(data, (50_000, 10_000, 10_000), (28, 28, 1))
    with np.load(shared_data / "mnist.npz") as archive:
        x, y = archive["x_train"], archive["y_train"]
    indices = np.load(golden("calibration_FL_best.npz"))["val_index_first128"]
    assert np.array_equal(data.x_val[:128, ..., 0], x[indices] / 256)
    assert np.array_equal(data.y_val[:128], y[indices])


def test_fashion_mnist(shared_data):
    data = load_dataset("fashion_mnist", shared_data, validation=5_000)
    check_dataset(data, (55_000, 5_000, 10_000), (28, 28, 1))
    assert data.name == "fashion_mnist"


def test_cifar10_file(cifar_dir):
    data = load_dataset("cifar10", cifar_dir, validation=4)
    check_dataset(data, (16, 4, 5), (32, 32, 3))
    for image, label in zip(data.x_test, data.y_test, strict=True):
        assert np.abs(image * 256 - smooth_image(label + 20)).max() <= 8  # JPEG, quality 95


def test_cifar10_decodes_the_shared_images(shared_data):
    keys = ("jpeg_test", "size_test", "y_test")
    data, sizes, y = sources.read_npz(shared_data, "cifar10_jpeg.npz", keys)
    images = sources.decode_jpegs(data[: sizes[:20].sum()], sizes[:20])
    assert images.shape == (20, 32, 32, 3) and images.dtype == np.uint8 and len(y) == 10_000
    assert images.std(axis=(1, 2, 3)).min() > 10
    assert len(set(rows(images))) == 20


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"name": "minst"}, ValueError, "digits, mnist, fashion_mnist, cifar10.*name='minst'"),
        ({"name": None}, TypeError, "`name` must be a string.*None"),
        ({"validation": 0}, ValueError, "`validation` must be an integer of at least 1.*validation=0"),
        ({"validation": -5}, ValueError, "validation=-5"),
        ({"validation": 1437}, ValueError, "`validation` must be an integer from 1 to 1436.*1437"),
        ({"validation": 0.2}, ValueError, "`validation` must be an integer.*0.2"),
        ({"validation": True}, ValueError, "`validation`.*True"),
        ({"seed": -1}, ValueError, "`seed`.*4294967295.*seed=-1"),
        ({"seed": 2**32}, ValueError, "`seed`.*4294967296"),
        ({"seed": "0"}, ValueError, "`seed`.*'0'"),
        ({"data_dir": 7}, TypeError, "`data_dir`.*7"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        load_dataset(**{"name": "digits", **arguments})


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("mnist", "mnist.npz"),
        ("fashion_mnist", "fashion_mnist.npz"),
        ("cifar10", "cifar10_jpeg.npz"),
    ],
)
def test_a_missing_file_is_named(tmp_path, name, file):
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=f"{file}.*[Ww]ithout data_dir.*downloaded"):
            load_dataset(name, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y_train": None}, "mnist.npz must be .* x_train, y_train, x_test, y_test"),
        ({"y_test": np.zeros(9, np.uint8)}, r"do not fit together.*\(9,\)"),
        ({"y_train": np.full(40, 10, np.uint8)}, "labels of mnist must be from 0 to 9.*10"),
        ({"y_train": np.array(["a"] * 40)}, "labels of mnist must be whole numbers. Received: dtype <U1"),
        ({"y_test": np.full(10, np.nan)}, "labels of mnist must be whole numbers"),
        ({"y_test": np.full(10, 1.5)}, "labels of mnist must be whole numbers"),
        ({"x_test": np.zeros((10, 20, 28), np.uint8)}, "do not fit together"),
        ({"x_train": np.zeros((40, 28, 28))}, "must be uint8.*float64"),
        ({"x_test": np.zeros((10, 28, 28, 1), np.uint8)}, "must be uint8 .n, rows, columns."),
    ],
)
def test_broken_arrays(tmp_path, change, message):
    arrays = gray_arrays() | change
    present = {key: array for key, array in arrays.items() if array is not None}
    np.savez(tmp_path / "mnist.npz", **present)
    with pytest.raises(ValueError, match=message):
        load_dataset("mnist", tmp_path, validation=5)


def test_a_file_that_is_no_npz(tmp_path):
    (tmp_path / "mnist.npz").write_text("<html>not found</html>")
    with pytest.raises(ValueError, match="mnist[.]npz must be an [.]npz file"):
        load_dataset("mnist", tmp_path)


@pytest.mark.parametrize(
    ("data", "sizes", "message"),
    [
        (jpeg(smooth_image(0)), [5], "sum to 5 bytes"),
        (np.zeros(0, np.uint8), [], "sum to 0"),
        (np.arange(100, dtype=np.uint8), [60, 40], "cannot be decoded"),
    ],
)
def test_broken_jpegs(data, sizes, message):
    with pytest.raises(ValueError, match=message):
        sources.decode_jpegs(data, np.array(sizes, np.int32))


def fake_keras(monkeypatch, name, load_data):
    module = SimpleNamespace(**{name: SimpleNamespace(load_data=load_data)})
    monkeypatch.setitem(sys.modules, "keras", SimpleNamespace(datasets=module))


def test_a_download_has_column_labels_made_flat_and_prints_on_standard_error(monkeypatch, capsys):
    x, y = np.zeros((30, 32, 32, 3), np.uint8), np.arange(30, dtype=np.uint8)[:, None] % 10

    def load_data():
        print("progress")  # noqa: T201
        return (x, y), (x[:6], y[:6])

    fake_keras(monkeypatch, "cifar10", load_data)
    check_dataset(load_dataset("cifar10", validation=7), (23, 7, 6), (32, 32, 3))
    captured = capsys.readouterr()
    assert captured.out == "" and "progress" in captured.err


def test_a_failed_download_names_the_way_out(monkeypatch):
    def load_data():
        raise Exception("URL fetch failure")

    fake_keras(monkeypatch, "mnist", load_data)
    with pytest.raises(ConnectionError, match="mnist: URL fetch failure.*--data-dir"):
        load_dataset("mnist")


def test_keras_has_what_is_downloaded():
    import keras

    for name in set(DATASETS) - {"digits", "penguins", "flowers"}:
        assert callable(getattr(keras.datasets, name).load_data)


def test_a_source_may_give_finished_features(monkeypatch):
    """Tables of numbers pass as they are: only bytes are scaled."""
    x, y = np.linspace(-3, 3, 40).reshape(10, 4), np.arange(10) % 3
    table = sources.Source(lambda folder: sources.RawData(x, y, x[:2], y[:2]), 3, 4)
    monkeypatch.setitem(loading.SOURCES, "table", table)
    data = load_dataset("table")
    assert data.x_test.dtype == np.float32 and np.allclose(data.x_test, x[:2])
    assert (len(data.x_train), len(data.x_val), data.classes) == (6, 4, 3)


def test_importing_the_data_sets_imports_nothing_heavy():
    """Keras, scikit-learn and PIL are imported by the functions that need them."""
    light = set(sys.stdlib_module_names) | {"numpy", "keras_efficient"}
    for path in Path(datasets.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Import):
                assert {name.name.split(".")[0] for name in node.names} <= light, path.name
            if isinstance(node, ast.ImportFrom):
                assert node.module.split(".")[0] in light, path.name
                inside = node.module.startswith(
                    tuple(f"keras_efficient.{name}" for name in ("datasets", "outside_files", "checks"))
                )
                assert inside or not node.module.startswith("keras_efficient"), path.name
