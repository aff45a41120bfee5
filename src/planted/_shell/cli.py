"""The command ``planted``: ``demo``, ``head`` and ``check``; its commands for rows on disk are in `disk_commands`.

The exit status is 0 if the answer was found, 1 if it was not, and 2 for an error, which is one line on standard error
that says what to do.
"""

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import numpy as np

import planted
from planted._estimates import Estimate
from planted._input import length
from planted._learn import BLOCK_ROWS, Report, known_noise, training_settings
from planted._pipeline import FRAMEWORKS
from planted._rows import ComputedRows
from planted._shell.disk_commands import COMMANDS
from planted._shell.listing import listing
from planted._shell.options import (
    COUNT,
    NUMBER,
    as_json,
    dtype,
    examples,
    planted_options,
    planted_rows,
    rows_meant,
    rows_options,
)
from planted._shell.words import in_shell_words, of_the_command_line, of_the_system
from planted._types import Framework
from planted.errors import DivergedError, InvalidValueError, PlantedError

BROKEN_PIPE: Final = 141  # 128 + SIGPIPE, as shells have it
PICTURES: Final = (".png", ".pdf", ".svg", ".jpg")
LARGEST_LOSS: Final = 1e250  # soon after it no float holds what is computed and drawn of it


@click.group(
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples("planted demo", "planted head --rows 1e12", "planted write rows --rows 1e6 --features 16"),
)
@click.version_option(planted.__version__, prog_name="planted")
@click.pass_context
def cli(context: click.Context) -> None:
    """Regression data whose right answer is known, and whether a learner found it."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


# ---- demo -----------------------------------------------------------------------------------------------------


@cli.command(epilog=examples("planted demo", "planted demo --features 200 --rows 1e5 --epochs 3 --out picture.svg"))
@planted_options
@click.option("--batch-size", type=COUNT, default=32, show_default=True, help="Rows in a minibatch.")
@click.option("--epochs", type=COUNT, default=10, show_default=True, help="How often to read the training rows.")
@click.option("--lr", type=NUMBER, default=0.03, show_default=True, help="The learning rate.")
@click.option(
    "--framework",
    type=click.Choice(["numpy", *FRAMEWORKS]),
    default="numpy",
    show_default=True,
    metavar="NAME",
    help="Who learns: numpy, torch, jax, tensorflow or mxnet.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default="planted-demo.png", show_default=True, help="The picture."
)
def demo(batch_size: int, epochs: int, lr: float, framework: Framework, out: Path, rows: int, **truth: Any) -> int:
    """Plant a truth, learn it, check it, draw it.

    It is learnt in shuffled minibatches, and the exit status is 1 if it was not found.
    As many rows again as --rows are kept for validation.
    """
    from rich.console import Console

    out = _picture_path(out)
    epochs, lr = training_settings(epochs, lr)
    learn = _learner(framework)
    train = planted_rows(rows=rows, **truth)
    if rows <= train.features:
        raise InvalidValueError(f"--rows {rows} is too few for {train.features + 1} parameters: use more rows")
    known_noise(train.truth)  # or the check at the end would refuse it
    train, validation = planted.rows(train.truth, 2 * rows, seed=train.seed).split(rows, rows)
    loader = planted.Loader(train, batch_size, seed=train.seed, framework=framework)

    console = Console(highlight=False)
    console.print(f"planted   {train.truth!r}, seed {train.seed}", soft_wrap=True)
    x, y = train[0]
    console.print(f"first row x = {_abbreviated(x)}, y = {y[0]:.5g}", soft_wrap=True)
    X, Y = next(iter(loader))
    console.print(
        f"batches   {len(loader)} of X {tuple(X.shape)} and y {tuple(Y.shape)}, {framework}, in a new order each epoch"
    )
    loader.set_epoch(0)
    estimate, losses = _train(console, learn, loader, epochs, lr, train, validation)
    report = planted.check(estimate, train)
    _print_report(console, report)

    from planted._shell.picture import picture

    picture(out, train, losses, report)
    console.print(f"picture   {out}", soft_wrap=True)
    return 0 if report.passed else 1


def _picture_path(out: Path) -> Path:
    """The path of the picture, known to be possible before any work is done."""
    if out.suffix.lower() not in PICTURES:
        raise InvalidValueError(f"--out {out} must end in one of {', '.join(PICTURES)}")
    if not out.parent.is_dir():
        raise InvalidValueError(f"--out {out}: there is no folder {out.parent}; make it first")
    return out


def _learner(framework: Framework) -> Callable[..., Estimate]:
    if framework == "numpy":
        return planted.sgd
    learn: Callable[..., Estimate] = importlib.import_module(f"planted.{framework}").fit
    return learn


def _train(
    console: Any,
    learn: Callable[..., Estimate],
    loader: Any,
    epochs: int,
    lr: float,
    train: ComputedRows,
    validation: ComputedRows,
) -> tuple[Estimate, list[tuple[float, float]]]:
    """The estimate, and the losses on train and validation after each epoch."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    losses: list[tuple[float, float]] = []
    text = TextColumn("loss {task.fields[train]:.3g} train, {task.fields[validation]:.3g} validation")
    columns = (TextColumn("training "), BarColumn(24), MofNCompleteColumn(), TextColumn("epochs"), text)
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        task = progress.add_task("", total=epochs, train=float("nan"), validation=float("nan"))

        def on_epoch(epoch: int, estimate: Estimate, loss: float) -> None:  # noqa: ARG001 -- the mean over the epoch
            losses.append((_loss(estimate, train), _loss(estimate, validation)))
            if not max(losses[-1]) < LARGEST_LOSS:
                raise DivergedError(f"it diverged: the loss overflowed in epoch {epoch}: lower --lr {lr:g}")
            progress.update(task, advance=1, train=losses[-1][0], validation=losses[-1][1])

        estimate = learn(loader, epochs, lr, on_epoch=on_epoch)
    return estimate, losses


def _loss(estimate: Estimate, rows: ComputedRows) -> float:
    """Half the mean squared error, read in blocks."""
    total = 0.0
    for first in range(0, len(rows), BLOCK_ROWS):
        X, y = rows[first : first + BLOCK_ROWS]
        with np.errstate(over="ignore", invalid="ignore"):  # a learner that diverges is an error later
            residual = X @ estimate.w + estimate.b - y[:, 0]
            total += float(residual @ residual)
    return 0.5 * total / len(rows)


def _print_report(console: Any, report: Report) -> None:
    from rich.table import Column, Table

    (name, *columns), *rows = report.table()
    right = [Column(column, justify="right") for column in columns]
    table = Table(name, *right, box=None, pad_edge=False, padding=(0, 2))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if report.omitted:
        console.print(f"... {report.omitted}")
    *findings, verdict = report.summary()
    for line in findings:
        console.print(line, soft_wrap=True)
    console.print(verdict, style="bold green" if report.passed else "bold red", soft_wrap=True)


def _abbreviated(x: Any, limit: int = 6) -> str:
    numbers = ", ".join(f"{value:.5g}" for value in x[:limit])
    return f"[{numbers}{', ...' if len(x) > limit else ''}]"


# ---- head -----------------------------------------------------------------------------------------------------


@cli.command(
    epilog=examples(
        "planted head --features 4 --seed 7",
        "planted head --rows 1e12 --start 999_999_999_990",
        "planted head --count 1e6 --rows 1e6 --format csv > rows.csv",
    )
)
@rows_options
@click.option("--count", "-n", type=COUNT, default=10, show_default=True, help="How many rows to print.")
@click.option("--start", type=COUNT, default=0, show_default=True, help="The number of the first one.")
@dtype
@click.option(
    "--format",
    "style",
    type=click.Choice(["table", "csv"]),
    default="table",
    show_default=True,
    help="csv: with all digits, to be read by programs.",
)
def head(count: int, start: int, style: str, **source: Any) -> int:
    """Print rows: number, features, response.

    CSV has the columns row, x0, x1, ..., y, and each number reads back as the very same.
    """
    rows = rows_meant(**source)
    n = length(rows)
    if count < 0 or not 0 <= start <= n:
        raise InvalidValueError(f"--start {start} --count {count} must lie within the {n} rows: see --rows")
    for text in listing(rows, start, min(start + count, n), style):
        click.echo(text, nl=False)
    return 0


# ---- check ----------------------------------------------------------------------------------------------------


@cli.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "planted check 2 -3.4 4.2",
        "planted check --features 4 --rows 1e6 --seed 7 estimate.json",
        "planted check --rows-from FOLDER estimate.json",
    ),
)
@rows_options
@click.option("--alpha", type=NUMBER, default=0.001, show_default=True, help="How often honest rows may fail.")
@click.option("--tolerance", type=NUMBER, help="Standard errors that the learner may be from the least-squares fit.")
@dtype
@as_json
@click.argument("estimate", nargs=-1, required=True, metavar="W... B | FILE.json")
def check(estimate: tuple[str, ...], alpha: float, tolerance: float | None, as_json: bool, **source: Any) -> int:
    """Check an estimate against the rows it was learnt from.

    It is given as numbers, the weights and then the intercept; or as a JSON file {"w": [...], "b": ...}.

    Which rows: those of --weights (or --features), --intercept, --noise, --law, --noise-law, --rows, --seed and
    --dtype; give what the learner has read, for it is judged by what these very rows can show.

    Or those of --rows-from, a folder, which knows its truth.

    The exit status is 0 if the check passed, 1 if it failed, 2 for an error.
    """
    from rich.console import Console

    learned = _estimate(estimate)
    report = planted.check(learned, rows_meant(**source), alpha=alpha, tolerance=tolerance)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        _print_report(Console(highlight=False), report)
    return 0 if report.passed else 1


def _estimate(words: tuple[str, ...]) -> Estimate:
    numbers = [number for word in words if (number := _number(word)) is not None]
    if len(numbers) == len(words) >= 2:
        return Estimate(numbers[:-1], numbers[-1])
    if numbers or len(words) != 1:
        given = " ".join(words)
        raise InvalidValueError(f"the estimate {given!r} is neither weights and intercept nor a file: write 2 -3.4 4.2")
    path = Path(words[0])
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidValueError(f"cannot read {of_the_system(error)}; give a JSON file or numbers") from error
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(f'{path} is not JSON: write {{"w": [2.0, -3.4], "b": 4.2}}') from error
    missing = [name for name in ("w", "b") if not isinstance(fields, dict) or name not in fields]
    if missing:
        names = " and no ".join(f'"{name}"' for name in missing)
        raise InvalidValueError(f'{path} has no {names}: write {{"w": [2.0, -3.4], "b": 4.2}}')
    return Estimate(fields["w"], fields["b"])


def _number(word: str) -> float | None:
    """The number that the word is; None if it is none. It is no option that `check` does not have."""
    try:
        return float(word)
    except ValueError:
        if word.startswith("-"):  # let through by click, since -3.4 begins so too
            raise click.NoSuchOption(word.partition("=")[0], ctx=click.get_current_context()) from None
        return None


# ---- the way in -----------------------------------------------------------------------------------------------

for _command in COMMANDS:
    cli.add_command(_command)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its status; an error is one line and status 2."""
    try:
        status = cli.main(arguments, prog_name="planted", standalone_mode=False)
    except click.ClickException as error:
        _fail(of_the_command_line(error), 2)
    except PlantedError as error:
        _fail(in_shell_words(error, cli.commands), 2)
    except OSError as error:
        _fail(of_the_system(error), 2)
    except MemoryError as error:
        _fail(f"there is not enough memory ({error}): use fewer rows or features", 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("interrupted", 130)
    except SystemExit:  # click's for a pipe whose reader has gone; its status, 1, would say that the check failed
        sys.exit(BROKEN_PIPE)
    else:
        sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str, status: int) -> None:
    click.echo(f"planted: {' '.join(message.split())}", err=True)
    sys.exit(status)
