"""What the tests of the frameworks share."""

import pytest


@pytest.fixture
def pipes(torch):
    """`planted.torch`, for its input pipelines."""
    from planted import torch as module

    return module
