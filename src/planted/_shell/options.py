"""Options that several commands of the shell take: the truth and its rows, their type, a folder of rows, JSON."""

import json
import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

import planted
from planted._rows import ComputedRows, Rows
from planted._shell.laws import FEATURE_LAW, NOISE_LAW
from planted._truth import FeatureLaw, NoiseLaw
from planted.errors import InvalidValueError

BOOK_WEIGHTS: Final = (2.0, -3.4)
BOOK_INTERCEPT: Final = 4.2
MOST_DIGITS: Final = 1_000  # of a whole number

Command = TypeVar("Command", bound=Callable[..., Any])


class _Count(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.4
    """A whole number, also written 1_000_000 or 1e6, or 0x2a, as large seeds are shown."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = Decimal(int(value, 16) if str(value).startswith("0x") else value)
        except (InvalidOperation, ValueError):
            number = Decimal("NaN")
        if not number.is_finite() or number != number.to_integral_value():
            self.fail(f"{value!r} is not a whole number: write 1000, 1_000 or 1e3", param, ctx)
        if number.adjusted() >= MOST_DIGITS:
            self.fail(f"{value!r} is too large: use fewer than {MOST_DIGITS:_} digits", param, ctx)
        return int(number)


class _Number(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A finite number."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number: write 4.2 or 1e-3", param, ctx)
        return number


class _Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Numbers with commas between them."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        if isinstance(value, (list, tuple)):
            return list(value)
        try:
            numbers = [float(part) for part in str(value).split(",")]
        except ValueError:
            numbers = [math.nan]
        if not all(map(math.isfinite, numbers)):
            self.fail(f"{value!r} is not a list of finite numbers: write 2,-3.4", param, ctx)
        return numbers


def _storage_options(
    context: click.Context,  # noqa: ARG001
    option: click.Parameter,  # noqa: ARG001
    words: tuple[str, ...],
) -> dict[str, Any]:
    """Options for fsspec: values are JSON where they can be read as such, else text."""
    options: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise InvalidValueError(f"--storage-option {word!r} must be a name and a value: write -o anon=true")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


COUNT, NUMBER, NUMBERS = _Count(), _Number(), _Numbers()

as_json = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
dtype = click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    show_default=True,
    help="Of features and responses.",
)
storage = click.option(
    "--storage-option",
    "-o",
    "storage_options",
    multiple=True,
    callback=_storage_options,
    metavar="K=V",
    help="For a store that fsspec opens; more than once.",
)


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def planted_options(command: Command) -> Command:
    """The options that say what is planted."""
    return _with(
        command,
        click.option(
            "--weights",
            type=NUMBERS,
            metavar="W,...",
            help="The weights, such as 2,-3.4 (the book's, and the default).",
        ),
        click.option("--intercept", type=NUMBER, default=BOOK_INTERCEPT, show_default=True, help="The intercept."),
        click.option("--features", type=COUNT, help="Draw this many weights from the seed instead."),
        click.option("--noise", type=NUMBER, default=0.01, show_default=True, help="The noise's standard deviation."),
        click.option("--law", type=FEATURE_LAW, metavar="LAW", help=f"The law of the features: {FEATURE_LAW.words}."),
        click.option(
            "--noise-law",
            type=NOISE_LAW,
            metavar="LAW",
            help=f"The law of the noise, in place of --noise: {NOISE_LAW.words}.",
        ),
        click.option("--rows", type=COUNT, default=1000, show_default=True, help="How many rows."),
        click.option("--seed", type=COUNT, default=0, show_default=True, help="The seed of everything."),
    )


def rows_options(command: Command) -> Command:
    """The options that say which rows are meant: planted by `planted_options`, or kept in a folder."""
    return _with(
        planted_options(command),
        click.option("--rows-from", metavar="FOLDER", help="The rows that planted write has put there, instead."),
        storage,
    )


def _with(command: Command, *options: Callable[[Command], Command]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def rows_meant(rows_from: str | None, storage_options: dict[str, Any], **truth: Any) -> Rows:
    """The rows that `rows_options` describe."""
    if rows_from is None:
        return planted_rows(**truth)
    context = click.get_current_context()
    for name in truth:
        if context.get_parameter_source(name) is not ParameterSource.DEFAULT:
            option = name.replace("_", "-")
            raise InvalidValueError(
                f"--rows-from and --{option} exclude each other: the folder knows its truth, its rows and their type"
            )
    return planted.open(rows_from, storage_options=storage_options)


def planted_rows(
    weights: list[float] | None,
    intercept: float,
    features: int | None,
    noise: float,
    rows: int,
    seed: int,
    law: FeatureLaw | None = None,
    noise_law: NoiseLaw | None = None,
    dtype: Any = "float32",
) -> ComputedRows:
    """The rows that `planted_options` describe."""
    given = click.get_current_context().get_parameter_source("noise") not in (None, ParameterSource.DEFAULT)
    if noise_law is not None and given:
        raise InvalidValueError("--noise and --noise-law exclude each other: the law's last number says how loud it is")
    if weights is not None and features is not None and len(weights) != features:
        raise InvalidValueError(f"--weights has {len(weights)} numbers, --features is {features}: give one of them")
    if weights is None:
        weights = list(BOOK_WEIGHTS)
        if features not in (None, len(BOOK_WEIGHTS)):
            weights = planted.weights(features, seed=seed).tolist()
    loudness = noise if noise_law is None else noise_law
    return planted.regression(weights, intercept, noise=loudness, features=law, n=rows, seed=seed, dtype=dtype)
