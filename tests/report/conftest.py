import pytest
from report import report_samples
from report.html_reader import Page

from keras_efficient.report.page import render


@pytest.fixture(scope="session")
def full_page():
    """The page of the complete result, drawn once: plots take most of the time."""
    return Page(render(report_samples.full_result()))


@pytest.fixture(params=sorted(report_samples.SAMPLES))
def any_result(request):
    """Each of the synthetic results: complete, bare, long, all trials failed."""
    return report_samples.SAMPLES[request.param]()


@pytest.fixture
def full_result():
    return report_samples.full_result()


@pytest.fixture
def bare_result():
    return report_samples.bare_result()
