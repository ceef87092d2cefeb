"""Fixtures of the export tests."""

import shutil

import pytest
from samples import STUDY

import keras_efficient as ke
from keras_efficient.export.verify.compilers import HOST_INSTALL


@pytest.fixture
def c_compiler():
    """Skips the test where no C compiler is installed."""
    if not any(map(shutil.which, ("gcc", "clang", "cc"))):
        pytest.skip(f"needs a C compiler: {HOST_INSTALL}")


@pytest.fixture
def published(golden):
    """The published quantized network."""
    return ke.compat.load_2019(golden("checkpoints_2019/modelQL_0.h5"))


@pytest.fixture
def study():
    """The study's network with fresh weights."""
    return ke.build_network(STUDY, mode="freeze_scales")
