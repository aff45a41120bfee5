"""The shell's commands for rows on disk: ``planted write``, ``planted info`` and ``planted verify``.

Progress is shown on standard error, if that is a terminal.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import click

import planted
from planted._disk import FILE_FORMATS, DiskRows
from planted._input import bytes_of, integer, size_text
from planted._order import plan_pool, variance_ratio
from planted._shell.options import COUNT, as_json, dtype, examples, planted_options, planted_rows, storage
from planted._types import FileFormat

quiet = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")


@click.command(
    epilog=examples(
        "planted write rows --rows 1e7 --features 16 --seed 7",
        "planted write s3://bucket/rows --rows 1e9 --format parquet",
    )
)
@planted_options
@dtype
@click.option(
    "--format", "file_format", type=click.Choice(FILE_FORMATS), default="npy", show_default=True, help="Of the files."
)
@click.option("--shard-bytes", default="64MiB", show_default=True, help="About how large a file is.")
@click.option("--overwrite", is_flag=True, help="Replace other rows that are there.")
@quiet
@storage
@click.argument("out")
def write(
    out: str,
    file_format: FileFormat,
    shard_bytes: str,
    overwrite: bool,
    quiet: bool,
    storage_options: dict[str, Any],
    **truth: Any,
) -> int:
    """Write rows to OUT, a folder or a URL.

    After an interruption, the same command continues.
    """
    rows = planted_rows(**truth)
    row_bytes = (rows.features + 1) * rows.dtype.itemsize
    with _progress("writing", quiet, rows.n, row_bytes) as progress:
        disk = planted.write(
            rows,
            out,
            format=file_format,
            shard_bytes=shard_bytes,
            overwrite=overwrite,
            progress=progress,
            storage_options=storage_options,
        )
    plan = disk.shards.plan
    files = f"{plan.shards:_} {file_format} file" + ("" if plan.shards == 1 else "s")
    click.echo(
        f"{out}: {disk.n:_} rows of {disk.truth!r}, seed {disk.seed}, {disk.dtype_name}: {files}, "
        f"{size_text(disk.n * plan.row_bytes)} in all"
    )
    return 0


@click.command(epilog=examples("planted info rows", "planted info s3://bucket/rows --memory 1GiB --json"))
@click.option("--memory", default="256MiB", show_default=True, help="What a loader may take to shuffle.")
@click.option("--batch-size", type=COUNT, default=256, show_default=True, help="Rows in a minibatch.")
@as_json
@storage
@click.argument("folder")
def info(folder: str, memory: str, batch_size: int, as_json: bool, storage_options: dict[str, Any]) -> int:
    """Say which rows are in FOLDER.

    And how well a loader will shuffle them. Only the manifest is read.
    """
    disk = planted.open(folder, storage_options=storage_options)
    facts = _facts(disk, memory, batch_size)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return 0
    lines = _lines(disk, facts)
    width = max(map(len, lines))
    for name, line in lines.items():
        click.echo(f"{name:<{width}}  {line}")
    return 0


def _facts(disk: DiskRows, memory: str, batch_size: int) -> dict[str, Any]:
    plan = disk.shards.plan
    batch_size = integer(batch_size, "batch_size", minimum=1, remedy="use 1 or more rows a batch")
    pool = plan_pool(disk, bytes_of(memory, "memory"))
    return {
        **plan.to_dict(),
        "features": disk.features,
        "bytes": disk.n * plan.row_bytes,
        "shards": plan.shards,
        "shard_rows": plan.shard_rows,
        "blocks": -(-disk.n // plan.block_rows),
        "shuffle": {
            "memory": memory,
            "batch_size": batch_size,
            "blocks": len(pool.blocks),
            "block_rows": pool.blocks.size,
            "block_bytes": pool.blocks.size * plan.row_bytes,
            "pool_blocks": pool.pool,
            "quality": variance_ratio(batch_size, pool.blocks, pool.pool),
        },
    }


def _lines(disk: DiskRows, facts: dict[str, Any]) -> dict[str, str]:
    """The same for people."""
    shuffle = facts["shuffle"]
    if shuffle["blocks"] <= shuffle["pool_blocks"]:
        mixed = "all rows in memory at once: a full shuffle"
    else:
        size = shuffle["block_bytes"]
        mixed = (
            f"pools of {shuffle['pool_blocks']:_} of {shuffle['blocks']:_} blocks of {shuffle['block_rows']:_} rows "
            f"({size_text(size)}), {size_text(shuffle['pool_blocks'] * size)}; means of "
            f"{shuffle['batch_size']} rows vary {shuffle['quality']:.3f} times as much as fully shuffled, if the "
            "labels are sorted along the files"
        )
    start = f" (from number {facts['start']:_} on)" if facts["start"] else ""
    row_bytes, total = disk.shards.plan.row_bytes, size_text(facts["bytes"])
    return {
        "rows": f"{facts['rows']:_}{start}",
        "truth": repr(disk.truth),
        "seed": str(facts["seed"]) + (f", salt {disk.salt!r}" if disk.salt else ""),
        "values": f"{disk.features} features and the response, {disk.dtype_name}, {row_bytes} bytes a row",
        "files": f"{facts['shards']:_} of {facts['format']}, {facts['shard_rows']:_} rows each, {total} in all",
        "blocks": f"{facts['blocks']:_} of {facts['block_rows']:_} rows, each with a checksum",
        f"shuffle within {shuffle['memory']}": mixed,
    }


@click.command(epilog=examples("planted verify rows", "planted verify rows --repair"))
@click.option("--repair", is_flag=True, help="Make damaged, truncated and missing files again.")
@as_json
@quiet
@storage
@click.argument("folder")
def verify(folder: str, repair: bool, as_json: bool, quiet: bool, storage_options: dict[str, Any]) -> int:
    """Compare each byte in FOLDER with its checksum.

    The exit status is 1 if something is wrong and was not mended.
    """
    with _progress("verifying", quiet) as progress:
        found = planted.verify(folder, repair=repair, progress=progress, storage_options=storage_options)
    if as_json:
        faults = [
            {"file": fault.file, "kind": fault.kind, "blocks": list(fault.blocks), "mended": fault.mended}
            for fault in found.faults
        ]
        click.echo(json.dumps({"ok": found.ok, "rows": found.rows, "bytes": found.bytes, "faults": faults}, indent=2))
    else:
        click.echo(str(found))
    return 0 if found.ok else 1


COMMANDS: Final = (write, info, verify)


# ---- progress -------------------------------------------------------------------------------------------------


@contextmanager
def _progress(
    what: str, quiet: bool, rows: int | None = None, row_bytes: int | None = None
) -> Iterator[Callable[[int, int], None] | None]:
    """A bar with the rate and the time left, on standard error; none if that is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True, highlight=False)
    if quiet or not console.is_terminal:
        yield None
        return
    rate = TextColumn("{task.fields[rate]}")
    columns = (TextColumn(what), BarColumn(24), TaskProgressColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=rows, rate="")

        def show(done: int, total: int) -> None:
            speed = progress.tasks[0].speed or 0.0
            text = f"{speed / 1e6:.1f} million rows/s" + (f", {speed * row_bytes / 1e9:.2f} GB/s" if row_bytes else "")
            progress.update(task, completed=done, total=total, rate=text if speed else "")

        yield show
