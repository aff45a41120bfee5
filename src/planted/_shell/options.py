"""Options that several commands of the shell take: the truth and its rows, their type, JSON."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import click

import planted
from planted._rows import ComputedRows
from planted.errors import InvalidValueError

BOOK_WEIGHTS: Final = (2.0, -3.4)
BOOK_INTERCEPT: Final = 4.2

Command = TypeVar("Command", bound=Callable[..., Any])


class _Count(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.4
    """A whole number, also written 1_000_000 or 1e6."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        with suppress(ValueError):
            return int(value)
        with suppress(ValueError):
            number = float(value)
            if number.is_integer():
                return int(number)
        return self.fail(f"{value!r} is not a whole number: write 1000, 1_000 or 1e3", param, ctx)


class _Numbers(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Numbers with commas between them."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[float]:
        if isinstance(value, (list, tuple)):
            return list(value)
        try:
            return [float(part) for part in str(value).split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers: write 2,-3.4", param, ctx)


COUNT, NUMBERS = _Count(), _Numbers()

as_json = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
dtype = click.option("--dtype", default="float32", show_default=True, help="float32 or float64.")


def planted_options(command: Command) -> Command:
    """The options that say what is planted."""
    options = [
        click.option("--weights", type=NUMBERS, help="The weights, such as 2,-3.4 (the book's, and the default)."),
        click.option("--intercept", type=float, default=BOOK_INTERCEPT, show_default=True, help="The intercept."),
        click.option("--features", type=COUNT, help="Draw this many weights from the seed instead."),
        click.option("--noise", type=float, default=0.01, show_default=True, help="The noise's standard deviation."),
        click.option("--rows", type=COUNT, default=1000, show_default=True, help="How many rows."),
        click.option("--seed", type=COUNT, default=0, show_default=True, help="The seed of everything."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def planted_rows(
    weights: list[float] | None,
    intercept: float,
    features: int | None,
    noise: float,
    rows: int,
    seed: int,
    dtype: Any = "float32",
) -> ComputedRows:
    """The rows that `planted_options` describe."""
    if weights is not None and features is not None and len(weights) != features:
        raise InvalidValueError(f"--weights has {len(weights)} numbers, --features is {features}: give one of them")
    if weights is None:
        weights = list(BOOK_WEIGHTS)
        if features not in (None, len(BOOK_WEIGHTS)):
            weights = planted.weights(features, seed=seed).tolist()
    return planted.regression(weights, intercept, noise=noise, n=rows, seed=seed, dtype=dtype)
