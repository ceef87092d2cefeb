import pytest
from report import report_samples


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
