"""The examples of the README and of the pages run as they stand there, and print what stands there."""

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import planted
from pages import blocks

ROOT = Path(__file__).parent.parent
PAGES = {
    name: (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("check", "frameworks", "disk", "audit", "training", "faq", "laws")
}
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINKED = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("bench/*.md")])
EXAMPLE = re.compile(
    r"(?:^<!-- needs: (\w+) -->\n\n)?^```python\n(.*?)^```\n\n^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
EXAMPLES = [
    pytest.param(*match, id=f"{name}-{i}", marks=[pytest.mark.frameworks] if match[0] else [])
    for name, text in PAGES.items()
    for i, match in enumerate(EXAMPLE.findall(text))
]


def test_the_readme_example_prints_what_the_readme_says():
    """Ten lines or fewer of code, and their real output."""
    code, output = blocks(README, "python")[0], blocks(README, "text")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    assert printed.getvalue() == output


def test_the_readmes_import_for_the_books_chapter_offers_its_names(torch):
    names = {}
    exec(compile(blocks(README, "python")[1], "README.md", "exec"), names)
    assert names["d2l"].__name__ == "planted.torch"
    for name in ("HyperParameters", "DataModule", "add_to_class", "SyntheticRegressionData"):
        assert hasattr(names["d2l"], name)


def test_the_readmes_rows_on_disk_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"planted": planted, "rows": planted.regression(w=[2.0, -3.4], b=4.2, n=1_000)}
    exec(compile(blocks(README, "python")[2], "README.md", "exec"), names)
    assert len(blocks(README, "python")) == 3
    assert sum(len(X) for X, _ in names["loader"]) == 1_000


def anchors(page):
    """The anchors of a page's headings, as they are made where the page is shown."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=[str(page.relative_to(ROOT)) for page in LINKED])
def test_what_a_page_links_to_exists(page):
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), (target, anchor)


@pytest.mark.parametrize("name", PAGES)
def test_no_example_is_overlooked(name):
    assert sum(example.id.startswith(name) for example in EXAMPLES) == PAGES[name].count("```python") >= 3


@pytest.mark.parametrize(("library", "code", "output"), EXAMPLES)
def test_an_example_prints_what_the_page_says(tmp_path, needs, library, code, output):
    """In an empty folder."""
    needs(*([library] if library else []))
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
