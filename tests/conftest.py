"""What all tests share: which frameworks a run must cover, and one loader of plain values."""

import importlib
import os
import warnings

import pytest
from hypothesis import settings

settings.register_profile("planted", deadline=None, print_blob=True)
settings.load_profile("planted")

REQUIRED = {name for name in os.environ.get("PLANTED_FRAMEWORKS", "").split(",") if name}


@pytest.fixture(scope="session")
def framework():
    """A function that imports a framework; it skips where one is absent, unless the run was told to cover it."""

    def load(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those of their imports are not ours to mend
            return importlib.import_module(name) if name in REQUIRED else pytest.importorskip(name)

    return load


@pytest.fixture(scope="session")
def torch(framework):
    """PyTorch."""
    return framework("torch")


@pytest.fixture(scope="session")
def sklearn(framework):
    """scikit-learn."""
    return framework("sklearn")
