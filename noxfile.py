"""The tests, each session in an environment of its own: ``nox`` runs them all, ``nox -l`` lists them."""

import re
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"  # with a pip of today, which takes half the time of an older one

LINTERS = ("ruff==0.17.*", "mypy==2.*", "import-linter>=2.1", "pyright[nodejs]==1.1.*")
# A pin, since a newer torch or a package that asks for one brings several GB of CUDA libraries with it.
TORCH = "torch==2.13.0"
TENSORFLOW = ("tensorflow-cpu>=2.16; sys_platform == 'linux'", "tensorflow>=2.16; sys_platform != 'linux'")
TRAINERS = ("lightning", "accelerate", "keras>=3", "flax", "equinox", "optax", "scikit-learn>=1.4", "statsmodels")
PIPELINES = ("torchdata", "grain", "datasets", "tensorflow-datasets")
# The book's package, without its own pins (it asks for NumPy 1.23.5 and more); then what importing it takes.
BOOK = ("pandas", "requests", "ipython", "matplotlib-inline")
FRAMEWORKS = (".[test]", TORCH, "jax", *TENSORFLOW, *TRAINERS, *PIPELINES, *BOOK, "pytest-cov")
WITHOUT_DEPENDENCIES = ("d2l==1.0.3", "tf_keras")  # tf_keras asks for the larger TensorFlow
DOCTESTS = ("-q", "-p", "no:cacheprovider", "--doctest-modules", "--pyargs")
STORES = ("s3fs", "moto[s3]>=5", "flask", "flask-cors")  # a store of this machine, which speaks S3
OLDEST = (
    "numpy==1.23.5",
    "numba==0.57.1",
    "scipy==1.10.1",
    "click==8.1.0",
    "rich==13.0.0",
    "matplotlib==3.7.1",
    "pyparsing==3.0.9",
    "xxhash==3.0.0",
    "pyarrow==14.0.1",
    "fsspec==2024.6.0",
)
# Bits, formats, rows, fits, the shell; of the loader, the pipeline and the audit what the pages show.
ROOMS_OF_OLDEST = (
    *(f"tests/{room}" for room in ("rows", "order", "estimates", "learn", "disk", "tables", "shell")),
    *("tests/test_docs.py", "tests/test_package.py"),
)
COVERED = 97  # per cent, at least, by `core` and `frameworks` together
# What `lint`, `core` and `frameworks` install: a new release that warns breaks no build until these are renewed.
CONSTRAINTS = Path(".ci/constraints.txt")
CONSTRAINED = ("-c", str(CONSTRAINTS)) if sys.version_info[:2] == (3, 11) else ()  # they were found with Python 3.11


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types, and the direction of the imports."""
    session.install(*CONSTRAINED, *LINTERS, "numpy>=2.2", TORCH, ".")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("pyright")
    session.run("lint-imports")


@nox.session
def core(session: nox.Session) -> None:
    """Everything that needs no framework, where none is installed."""
    session.install(*CONSTRAINED, ".[dev,pandas,polars]", *STORES, "pytest-cov")
    session.run(
        "python", "-c", "import importlib.util as u; assert not any(map(u.find_spec, ('torch', 'jax', 'tensorflow')))"
    )
    _pytest(session, "--cov", "--cov-report=", named="pyarrow,pandas,polars,fsspec,s3fs,moto")


@nox.session
def oldest(session: nox.Session) -> None:
    """The oldest libraries that planted admits: the same bits, old NumPy or new."""
    session.install(".[dev]", *OLDEST)
    _pytest(session, "-m", "not heavy", *(() if session.posargs else ROOMS_OF_OLDEST), named="pyarrow,fsspec")


@nox.session
def frameworks(session: nox.Session) -> None:
    """What meets PyTorch, JAX and TensorFlow, what people train with on them, and the book's own package."""
    session.install(*CONSTRAINED, *FRAMEWORKS)
    session.install(*CONSTRAINED, "--no-deps", *WITHOUT_DEPENDENCIES)
    named = (
        "torch,jax,tensorflow,lightning,accelerate,keras,flax,equinox,optax,sklearn,statsmodels,"
        "torchdata,grain,datasets,tensorflow_datasets,d2l"
    )
    cover = ("--cov", "--cov-append", "--cov-report=")  # to what core has covered
    for marked in ("frameworks and forks", "frameworks and not forks"):  # where JAX is imported, it warns of forks
        _pytest(session, "-m", marked, *cover, named=named)
    session.run("pytest", *DOCTESTS, "planted", "--ignore-glob=*/mxnet.py")


@nox.session
def mxnet(session: nox.Session) -> None:
    """What concerns MXNet, with its last release and the NumPy that this needs."""
    session.install(".[mxnet,test]", *BOOK, "pandas<2.2", "matplotlib<3.9", "pyparsing<3.2")
    session.install("--no-deps", "d2l==1.0.3")
    _pytest(session, "-m", "frameworks", named="mxnet,d2l")
    session.run("pytest", *DOCTESTS, "-W", "ignore::DeprecationWarning", "planted.mxnet")  # MXNet's, of NumPy


@nox.session
def coverage(session: nox.Session) -> None:
    """How much of planted `core` and `frameworks` cover together."""
    if session.posargs:
        session.skip("only some of the tests ran")
    session.install(*CONSTRAINED, "coverage")
    session.run("coverage", "report", f"--fail-under={COVERED}")


@nox.session(default=False)
def peers(session: nox.Session) -> None:
    """What other libraries get wrong, as docs/audit.md tells it: what fails here has been mended."""
    session.install(*FRAMEWORKS)
    session.run("pytest", "-m", "peers", *session.posargs)


@nox.session(default=False)
def constraints(session: nox.Session) -> None:
    """Renew the constraints: the newest versions that go together."""
    session.install(*LINTERS, ".[dev,pandas,polars]", *STORES, *FRAMEWORKS)
    session.install("--no-deps", *WITHOUT_DEPENDENCIES)
    found = str(session.run("python", "-m", "pip", "freeze", "--exclude", "planted", silent=True))
    CONSTRAINTS.write_text(re.sub(r"\+\w+$", "", found, flags=re.MULTILINE), encoding="utf-8")  # 2.13.0+cpu: 2.13.0


def _pytest(session: nox.Session, *options: str, named: str) -> None:
    """Run the tests on two cores; a library that is named and cannot be imported fails the run."""
    words = session.posargs or ("-q", "-n", "2", "--dist", "worksteal")
    none_selected = [5] if session.posargs else []
    session.run(*("pytest", *words, *options), env={"PLANTED_FRAMEWORKS": named}, success_codes=[0, *none_selected])
