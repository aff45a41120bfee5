"""What the tests of the audit share, beside the rows and streams of `streams`."""

import pytest


@pytest.fixture(params=[False, True], ids=["by value", "by number"])
def index(request):
    """Whether batches hold row numbers."""
    return request.param


def pytest_collection_modifyitems(config, items):
    """Skip what other people's loaders get wrong, unless it is asked for: a release of theirs may mend it any day."""
    if "peers" in config.getoption("markexpr"):
        return
    for item in items:
        if item.get_closest_marker("peers"):
            item.add_marker(pytest.mark.skip(reason="a fault of another library: run it with -m peers"))
