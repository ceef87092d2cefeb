"""The data sets of the pruning study: features, orders, splits, broken files."""

import io
import json
import tarfile
import urllib.request

import numpy as np
import pytest
from PIL import Image

from keras_efficient.datasets import downloads, flipped, load_dataset, penguins
from keras_efficient.datasets.flowers import KINDS


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


def test_a_download_is_checked(monkeypatch):
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(b"something else"))
    with pytest.raises(ConnectionError, match="gave another file: its SHA-256 is .* data_dir"):
        load_dataset("penguins")

    def fails(url, timeout):
        raise OSError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", fails)
    with pytest.raises(ConnectionError, match="Could not download .*no network.*data_dir"):
        load_dataset("penguins")
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: io.BytesIO(b"right"))
    sha = "27042f4e6eca7d0b2a7ee4026df2ecfa51d3339e6d122aa099118ecd8563bad9"
    assert downloads.fetched(None, "file", "https://example.org/file", sha) == b"right"


@pytest.fixture
def flower_dir(tmp_path):
    with tarfile.open(tmp_path / "flowers_180.tar", "w") as archive:
        for number in range(40):
            buffer = io.BytesIO()
            Image.fromarray(np.full((180, 180, 3), 6 * number, np.uint8)).save(buffer, "JPEG")
            member = tarfile.TarInfo(f"flowers/train/{KINDS[number % 5]}/{number:03}.jpg")
            member.size = buffer.tell()
            buffer.seek(0)
            archive.addfile(member, buffer)
    return tmp_path


def test_flowers(flower_dir):
    data = load_dataset("flowers", flower_dir, validation=8, image_size=16)
    assert data.x_train.shape == (12, 16, 16, 3) and len(data.x_val) == 8 and len(data.x_test) == 20
    assert data.x_train.dtype == np.float32 and data.classes == 5
    for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val), (data.x_test, data.y_test)):
        numbers = np.rint((x[:, 0, 0, 0] + 1) * 127.5 / 6)
        np.testing.assert_array_equal(numbers % 5, y)


def test_the_flowers_of_the_study(shared_data):
    data = load_dataset("flowers", shared_data, image_size=8)
    assert [len(x) for x in (data.x_train, data.x_val, data.x_test)] == [3540, 80, 50]
    assert -1 <= data.x_train.min() < -0.9 and 0.9 < data.x_train.max() <= 1


def test_wrong_flowers_are_refused(tmp_path, flower_dir):
    with pytest.raises(ValueError, match="read from a folder only.*Received: data_dir=None"):
        load_dataset("flowers")
    with pytest.raises(FileNotFoundError, match="No file flowers_180.tar"):
        load_dataset("flowers", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="`image_size` must be from 1 to 180"):
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
