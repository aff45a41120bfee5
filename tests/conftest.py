"""What all tests share: which frameworks a run must cover, which tests ask for one, and planted's own threads."""

import gc
import importlib.util
import os
import threading
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("planted", deadline=None, print_blob=True)
settings.load_profile("planted")

REQUIRED = {name for name in os.environ.get("PLANTED_FRAMEWORKS", "").split(",") if name}
FRAMEWORKS_ROOM = Path(__file__).parent / "frameworks"


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(items):
    """Mark `frameworks`: what asks for a framework, and the frameworks' own room. The sessions of nox select by it."""
    for item in items:
        if "framework" in getattr(item, "fixturenames", ()) or FRAMEWORKS_ROOM in item.path.parents:
            item.add_marker("frameworks")


def load(name):
    """A library; the test is skipped where it is absent, unless the run was told to cover it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of their imports are not ours to mend
        return importlib.import_module(name) if name in REQUIRED else pytest.importorskip(name)


@pytest.fixture(scope="session")
def framework():
    """A function that imports a framework, or what people train with on one; the test is marked `frameworks`."""
    return load


@pytest.fixture(scope="session")
def library():
    """A function that imports one of the other libraries that planted can do without: pyarrow, fsspec."""
    return load


@pytest.fixture(scope="session")
def needs():
    """A function that skips a test whose processes need an absent library, unless the run was told to cover it."""

    def check(*names):
        for name in names:  # not imported here: all of them in one process take long, and get in each other's way
            if name not in REQUIRED and importlib.util.find_spec(name) is None:
                pytest.skip(f"{name} is not installed")

    return check


@pytest.fixture(scope="session")
def torch(framework):
    """PyTorch."""
    return framework("torch")


@pytest.fixture(scope="session")
def sklearn(framework):
    """scikit-learn."""
    return framework("sklearn")


@pytest.fixture(scope="session")
def threads():
    """A function that lists planted's threads."""
    return lambda: [thread for thread in threading.enumerate() if thread.name.startswith("planted")]


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of a few batches, so that a loader of few rows has many, and threads at work."""
    monkeypatch.setattr("planted._loader.loader.CHUNK_BYTES", 400)


@pytest.fixture(autouse=True)
def no_thread_is_left_behind(request, threads):
    """Whatever a test of those marked `threads` does, planted's threads are gone soon afterwards."""
    yield
    if request.node.get_closest_marker("threads") is None:
        return
    gc.collect()
    for _ in range(100):
        if not threads():
            return
        time.sleep(0.05)
    assert not threads()
