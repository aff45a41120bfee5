"""The examples of `docs/trainers.md` run as they stand there, each in a process of its own, and print what it says."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pages import blocks

PAGE = Path(__file__).parents[2] / "docs" / "trainers.md"
TRAINERS = [
    "PyTorch by hand",
    "Lightning",
    "Keras",
    "Flax NNX",
    "Equinox",
    "MXNet Gluon",
    "scikit-learn, minibatch by minibatch",
    "scikit-learn, all at once",
    "statsmodels",
]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}  # TensorFlow's log of the machine it is on


@dataclass(frozen=True)
class Section:
    """An example: the libraries that it needs, its code, and its output."""

    needs: tuple[str, ...]
    code: str
    output: str


def section(title, text):
    """The parts of a section, of which there must be one each."""
    (needs,) = re.findall(r"^<!-- needs: (.+) -->$", text, re.MULTILINE)
    (code,), (output,) = blocks(text, "python"), blocks(text, "text")
    return Section(tuple(needs.split(", ")), code, output)


def sections():
    _, *parts = re.split(r"^## (.+)\n", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {title: section(title, text) for title, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.fixture
def printed(needs):
    """A function that gives what code prints, in a process of its own."""

    def run(code, libraries, **environment):
        needs(*libraries)
        command, environment = [sys.executable, "-c", code], {**os.environ, **QUIET, **environment}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def test_there_is_an_example_for_each_trainer():
    assert list(sections()) == TRAINERS


@pytest.mark.parametrize("title", TRAINERS)
def test_an_example_is_short_imports_what_it_needs_and_ends_with_a_verdict_that_passes(title):
    example = sections()[title]
    lines = [line for line in example.code.splitlines() if line.strip()]
    assert len(lines) <= 25
    assert lines[-1].startswith("print(planted.check(")
    assert example.output.startswith("PASSED: ")
    assert {"planted"} <= imported(example.code) <= {"planted", *example.needs}


def imported(code):
    return set(re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE))


@pytest.mark.parametrize("title", TRAINERS)
def test_an_example_prints_what_the_page_says(printed, title):
    example = sections()[title]
    assert printed(example.code, example.needs) == example.output


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_the_keras_example_runs_on_its_other_backends(printed, backend):
    example = sections()["Keras"]
    assert printed(example.code, (*example.needs, backend), KERAS_BACKEND=backend) == example.output


@pytest.mark.parametrize(
    ("title", "right", "wrong"),
    [
        ("PyTorch by hand", "range(20)", "range(5)"),
        ("MXNet Gluon", "range(20)", "range(5)"),
        ("scikit-learn, minibatch by minibatch", "alpha=0,", "alpha=0.01,"),
        ("scikit-learn, all at once", "fit(X, y)", "fit(X, y[::-1])"),
        ("statsmodels", "sm.add_constant(X)", "X"),
    ],
)
def test_an_example_that_is_spoiled_fails_its_check(printed, title, right, wrong):
    """So that the verdicts above are worth something."""
    example = sections()[title]
    assert example.code.count(right) == 1
    assert printed(example.code.replace(right, wrong), example.needs).startswith("FAILED: the learner is ")
