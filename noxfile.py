"""The tests, each session in an environment of its own: ``nox`` runs them all, ``nox -l`` lists them."""

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "venv"  # pip finds the wheels that uv does not look for
nox.options.sessions = ["lint", "core", "oldest", "torch"]

TESTS = ("pytest>=8", "pytest-xdist", "pytest-timeout", "hypothesis>=6.100")
# A pin, since a newer torch or a package that asks for one brings several GB of CUDA libraries with it.
TORCH = ("torch==2.13.0", "scikit-learn>=1.4")
# The book's package, without its own pins (it asks for NumPy 1.23.5 and more); then what importing it takes.
BOOK = ("pandas", "requests", "ipython", "matplotlib-inline")
OLDEST = (
    "numpy==1.23.5",
    "numba==0.57.1",
    "scipy==1.10.1",
    "click==8.1.0",
    "rich==13.0.0",
    "matplotlib==3.7.1",
    "pyparsing==3.0.9",
)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, and the direction of the imports."""
    session.install("ruff==0.17.*", "mypy==2.*", "import-linter>=2.1", "numpy>=2.2", TORCH[0], ".")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session
def core(session: nox.Session) -> None:
    """Everything that needs no framework, where none is installed."""
    session.install(".", *TESTS)
    session.run("python", "-c", "import importlib.util as u; assert not u.find_spec('torch')")
    _pytest(session, frameworks="")


@nox.session
def oldest(session: nox.Session) -> None:
    """The same with the oldest libraries that planted admits: the same bits, old NumPy or new."""
    session.install(".", *OLDEST, *TESTS)
    _pytest(session, frameworks="")


@nox.session
def torch(session: nox.Session) -> None:
    """Everything, with PyTorch, scikit-learn and the book's own package; doctests and coverage too."""
    session.install(".", *TORCH, *TESTS, *BOOK, "pytest-cov")
    session.install("--no-deps", "d2l==1.0.3")
    _pytest(session, "--cov", "--cov-report=term", frameworks="torch,sklearn,d2l")
    session.run("pytest", "-p", "no:cacheprovider", "--doctest-modules", "--pyargs", "planted", "-q")


def _pytest(session: nox.Session, *options: str, frameworks: str) -> None:
    """Run the tests on two cores; a framework that is named and cannot be imported fails the run."""
    words = session.posargs or ("-q", "-n", "2")
    session.run("pytest", *words, *options, env={"PLANTED_FRAMEWORKS": frameworks})
