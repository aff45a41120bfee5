"""The examples of the README and of the pages run as they stand there, and print what stands there."""

import contextlib
import doctest
import importlib.util
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import planted

ROOT = Path(__file__).parent.parent
PAGES = {
    name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("frameworks", "disk", "audit", "training")
}
EXAMPLE = re.compile(
    r"(?:^<!-- needs: (\w+) -->\n\n)?^```python\n(.*?)^```\n\n^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
EXAMPLES = [
    pytest.param(*match, id=f"{name}-{i}", marks=[pytest.mark.frameworks] if match[0] else [])
    for name, text in PAGES.items()
    for i, match in enumerate(EXAMPLE.findall(text))
]


def blocks(language):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_readme_example_prints_what_the_readme_says():
    """Ten lines or fewer of code, and their real output."""
    code, output = blocks("python")[0], blocks("text")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == output


def test_the_files_that_the_readme_links_to_exist():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("name", PAGES)
def test_no_example_is_overlooked(name):
    assert sum(example.id.startswith(name) for example in EXAMPLES) == PAGES[name].count("```python") >= 3


@pytest.mark.parametrize(("needs", "code", "output"), EXAMPLES)
def test_an_example_prints_what_the_page_says(tmp_path, needs, code, output):
    """In an empty folder."""
    if needs and needs not in os.environ.get("PLANTED_FRAMEWORKS", "") and importlib.util.find_spec(needs) is None:
        pytest.skip(f"{needs} is not installed")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == output


@pytest.mark.parametrize("name", planted.__all__)
def test_the_examples_of_a_public_name_run(name):
    """Those of methods too, which pytest's own doctests pass over where a class says that its module is `planted`."""
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    printed = io.StringIO()
    for example in doctest.DocTestFinder().find(getattr(planted, name), name, module=False, globs={**vars(planted)}):
        runner.run(example, out=printed.write)
    assert not runner.failures, printed.getvalue()
