"""What all tests of training share."""

import pytest

from keras_efficient.markup import tag
from keras_efficient.report import trials


@pytest.fixture(autouse=True, scope="module")
def _pages_without_plots(request):
    """Plots take a fifth of a short run. Runs draw them in test_train_network.py; tests/report looks at them."""
    with pytest.MonkeyPatch.context() as patch:
        if request.path.name != "test_train_network.py":
            patch.setattr(trials, "draw_svg", lambda draw, name, label, size=None: tag("svg", label))
        yield
