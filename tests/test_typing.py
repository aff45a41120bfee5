"""A user's program and its types: two checkers read `tests/typing` in the session `lint`; here the program runs."""

import runpy
from pathlib import Path

import pytest

import planted


@pytest.mark.frameworks
def test_the_program_that_the_type_checkers_read_runs(needs, tmp_path, monkeypatch):
    """What they know of its batches, planted's or of rows of one's own, is so."""
    needs("torch")
    monkeypatch.chdir(tmp_path)
    names = runpy.run_path(str(Path(__file__).parent / "typing" / "user_program.py"))
    assert names["report"].passed
    assert isinstance(names["batch"], tuple)
    assert isinstance(names["rows"], planted.Rows)
    assert isinstance(names["Mine"](), planted.Rows)


def test_a_loaders_type_takes_that_of_its_batches():
    """At run time, too, where `Loader[...]` stands in annotations that are evaluated."""
    assert planted.Loader[tuple[int, int]].__origin__ is planted.Loader


@pytest.mark.frameworks
def test_the_program_on_pytorch_that_they_read_runs(needs):
    needs("torch")
    names = runpy.run_path(str(Path(__file__).parent / "typing" / "torch_program.py"))
    assert names["report"].passed
