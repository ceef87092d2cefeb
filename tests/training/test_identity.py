"""What makes two runs the same: settings that a later version adds do not count at their defaults."""

import json

import keras
import pytest

import keras_efficient as ke
from keras_efficient.training.manifest import check_directory
from keras_efficient.training.network_source import NetworkSource


class _Base(keras.layers.Layer):
    def __init__(self, units, sizes=(1, 2), **kwargs):
        super().__init__(**kwargs)
        self.units, self.sizes = units, sizes

    def get_config(self):
        return {**super().get_config(), "units": self.units, "sizes": list(self.sizes)}


def _version_1():
    class Scale(_Base):
        pass

    return Scale


def _version_2():
    class Scale(_Base):
        def __init__(self, units, ratio=1.0, rounding=None, **kwargs):
            super().__init__(units, **kwargs)
            self.ratio, self.rounding = ratio, rounding

        def get_config(self):
            return {**super().get_config(), "ratio": self.ratio, "rounding": self.rounding}

    return Scale


def _identity(layer, **settings):
    def build():
        return keras.Sequential([keras.Input((3,)), layer(**settings)])

    build.__qualname__ = "build"
    return NetworkSource(build, (3,)).identity()


def test_a_new_argument_at_its_default_makes_no_other_network():
    before = _identity(_version_1(), units=4)
    assert _identity(_version_2(), units=4) == before
    for changes in ({"units": 5}, {"ratio": 1.5}, {"ratio": True}, {"rounding": "none"}, {"sizes": (1, 3)}):
        assert _identity(_version_2(), **{"units": 4, **changes}) != before


@pytest.mark.parametrize("missing", ["halving", "min_learning_rate", "optimizer"])
def test_a_new_setting_of_a_stage_at_its_default_makes_no_other_run(tmp_path, missing):
    manifest = {"engine": "keras", "precision": "float32", "stages": [ke.Stage("float", 1, 1).describe()]}
    earlier = json.loads(json.dumps(manifest))
    del earlier["stages"][0][missing]
    (tmp_path / "manifest.json").write_text(json.dumps(earlier))
    check_directory(tmp_path, manifest)
    manifest["stages"][0][missing] = "another"
    with pytest.raises(ValueError, match=rf"other settings: stages\[0\]\.{missing}"):
        check_directory(tmp_path, manifest)
