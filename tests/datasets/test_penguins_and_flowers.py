"""The data sets of the pruning study: features, orders, splits, broken files."""

import hashlib
import io
import json
import tarfile

import keras
import numpy as np
import pytest
from PIL import Image

from keras_efficient.datasets import flipped, load_dataset, penguins, sources
from keras_efficient.datasets.sources import FLOWERS


def test_the_penguins_are_those_of_the_seed(shared_data):
    data = load_dataset("penguins", shared_data)
    assert [len(x) for x in (data.x_train, data.x_val, data.x_test)] == [200, 100, 33]
    assert data.x_train.shape[1:] == (12,) and data.classes == 3
    # The three rows that the seed prints.
    expected = [
        [0, 1, 0, 1.022, 0.825, 1.125, 1.05, 1, 0, 0, 0, 1],
        [0, 0, 1, 0.712, 0.875, 0.955, 0.635, 0, 1, 0, 0, 1],
        [0, 0, 1, 0.822, 0.905, 1.025, 0.86, 1, 0, 0, 1, 0],
    ]
    np.testing.assert_allclose(data.x_train[:3], expected, atol=1e-6)
    assert data.y_train[:3].tolist() == [1, 0, 0]
    other = load_dataset("penguins", shared_data, seed=1)
    np.testing.assert_array_equal(other.x_test, data.x_test)
    assert len(other.x_val) == 100 and not np.array_equal(other.x_val, data.x_val)


def test_the_order_is_the_golden_one(golden):
    rows = json.loads(golden("penguins_order.json").read_text())["rows"]
    assert [int(number) for number in penguins.ORDER.split()] == rows


def test_a_shorter_table_of_penguins_is_refused(tmp_path):
    (tmp_path / "penguins.csv").write_text("species,island\nAdelie,Dream\n")
    with pytest.raises(ValueError, match="must hold the 344 rows of palmerpenguins. Received: 1 rows"):
        load_dataset("penguins", tmp_path)


@pytest.mark.parametrize("change", [lambda text: "\x00" + text[::-1], lambda text: text.replace("Biscoe,", "Biscoe,x")])
def test_a_changed_table_of_penguins_is_named(change, shared_data, tmp_path):
    text = (shared_data / "penguins.csv").read_text(encoding="utf-8")
    for content in (change(text).encode(), b"\xff\xfe"):
        (tmp_path / "penguins.csv").write_bytes(content)
        with pytest.raises(ValueError, match="penguins.csv.* must hold the 344 rows of palmerpenguins"):
            load_dataset("penguins", tmp_path)


@pytest.fixture
def downloads_from(monkeypatch, tmp_path):
    """Downloads come from files, and are kept in a folder of the test."""
    get_file, cache = keras.utils.get_file, tmp_path / "cache"

    def give(path):
        def from_file(name, url, **arguments):
            return get_file(name, path.as_uri(), cache_dir=str(cache), **arguments)

        monkeypatch.setattr(keras.utils, "get_file", from_file)

    return give


def test_a_download_is_checked(downloads_from, tmp_path, capsys):
    downloads_from(tmp_path / "nothing.csv")
    with pytest.raises(ConnectionError, match="Could not download https://.*/penguins.csv .*data_dir"):
        load_dataset("penguins")
    (tmp_path / "other.csv").write_text("something else")
    downloads_from(tmp_path / "other.csv")
    with pytest.raises(ConnectionError, match="Could not download .* with SHA-256 f204db2c.*data_dir"):
        load_dataset("penguins")
    sha = hashlib.sha256(b"something else").hexdigest()
    assert sources.fetched(None, "file", "https://example.org/file", sha).read_text() == "something else"
    assert capsys.readouterr().out == ""


@pytest.fixture
def flower_dir(tmp_path):
    write_flowers(tmp_path / "flowers_180.tar", "w", "flowers/train")
    return tmp_path


def write_flowers(path, mode, folder):
    with tarfile.open(path, mode) as archive:
        for number in range(40):
            buffer = io.BytesIO()
            Image.fromarray(np.full((180, 180, 3), 6 * number, np.uint8)).save(buffer, "JPEG")
            member = tarfile.TarInfo(f"{folder}/{FLOWERS[number % 5]}/{number:03}.jpg")
            member.size = buffer.tell()
            buffer.seek(0)
            archive.addfile(member, buffer)


def test_flowers(flower_dir):
    data = load_dataset("flowers", flower_dir, validation=8, image_size=16)
    assert data.x_train.shape == (12, 16, 16, 3) and len(data.x_val) == 8 and len(data.x_test) == 20
    assert data.x_train.dtype == np.float32 and data.classes == 5
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val), (data.x_test, data.y_test)):
        numbers = np.rint((x[:, 0, 0, 0] + 1) * 127.5 / 6)
        np.testing.assert_array_equal(numbers % 5, y)


def test_downloaded_flowers_have_the_same_order(flower_dir, downloads_from, monkeypatch):
    path = flower_dir / "photos.tgz"
    write_flowers(path, "w:gz", "flower_photos")
    downloads_from(path)
    monkeypatch.setattr(sources, "FLOWERS_SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    ours, theirs = (load_dataset("flowers", folder, validation=8, image_size=16) for folder in (flower_dir, None))
    np.testing.assert_array_equal(ours.x_test, theirs.x_test)
    np.testing.assert_array_equal(ours.y_train, theirs.y_train)


def test_the_flowers_of_the_study(shared_data):
    data = load_dataset("flowers", shared_data, image_size=8)
    assert [len(x) for x in (data.x_train, data.x_val, data.x_test)] == [3540, 80, 50]
    assert -1 <= data.x_train.min() < -0.9 and 0.9 < data.x_train.max() <= 1


def test_wrong_flowers_are_refused(tmp_path, flower_dir):
    with pytest.raises(FileNotFoundError, match="No file flowers_180.tar"):
        load_dataset("flowers", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="`image_size` must be an integer from 1 to 180"):
        load_dataset("flowers", flower_dir, image_size=0)
    with pytest.raises(ValueError, match="`image_size` is for the flowers only"):
        load_dataset("digits", image_size=8)
    (flower_dir / "flowers_180.tar").write_bytes(b"no tar")
    with pytest.raises(ValueError, match="must be a tar of JPEG images"):
        load_dataset("flowers", flower_dir)


def test_flips_are_whole_images_and_half_of_them():
    x = np.random.default_rng(0).random((400, 3, 4, 2)).astype("float32")
    y = flipped(x, np.random.default_rng(1))
    same = (y == x).all(axis=(1, 2, 3))
    np.testing.assert_array_equal(y[~same], x[~same][:, :, ::-1])
    assert 150 < same.sum() < 250
    np.testing.assert_array_equal(flipped(x[..., 0], np.random.default_rng(1)), y[..., 0])
