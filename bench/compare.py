"""Contestants side by side, in one process and taking turns, so that a busy machine slows all of them alike.

What comes in: functions that do the same work, ours and others'. What goes out: their times and the ratios of them: a
ratio outlasts the machine it was measured on, a time does not. Targets are printed beside the results, never asserted.

On a shared machine two cores may do the work of one, and who uses both suffers alone. So before each turn it is
measured what the cores are worth just then: how many times the arithmetic of one of them all do together. That also
wakes them, for everyone alike. Before that comes a pause: OpenBLAS's threads keep a core busy for a tenth of a second
and more after their work is done, which would be counted against whoever comes next. A core that was idle is slow at
first, which would be counted against whoever is done sooner; hence turns of a fifth of a second at least.
"""

import argparse
import gc
import hashlib
import itertools
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple, TypeVar

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

T = TypeVar("T")


def usually(value: T, smoke: T) -> T:
    """A size of a benchmark, and the tiny one with which ``--smoke`` only sees whether all of it still runs."""
    return smoke if "--smoke" in sys.argv else value


PAUSE = usually(0.3, 0.0)  # seconds between turns
TURN = usually(
    0.2, 0.0
)  # seconds that a turn lasts at least: what takes less is called again, and the time is that of a call
WIDTH = 140
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WAYS = ("medians", "rounds", "minima")  # to take a ratio; neighbours on the machine disturb the last one least
BLOCK = bytes(4 << 20)  # to hash: a few milliseconds of arithmetic


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who takes part: `run` is called with the number of the call and handles `rows` rows."""

    name: str
    run: Callable[[int], Any]
    rows: int = 1
    ours: bool = False
    target: float | None = None  # of a peer: how many times as fast as it ours means to be
    before: Callable[[int], Any] | None = None  # each call of `run`; not timed


class Rounds(NamedTuple):
    """Seconds of each contestant in each round, and what the cores were worth in it (the median of its turns)."""

    seconds: dict[str, list[float]]
    cores_worth: list[float]


def options(description: str, add: Callable[[argparse.ArgumentParser], Any] | None = None) -> argparse.Namespace:
    """What all scripts are given, and what `add` adds for one of them."""
    parser = argparse.ArgumentParser(description=description)
    default = usually(7, 1)
    parser.add_argument("--repeats", type=int, default=default, help="rounds that are measured, after one that is not")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    add_smoke(parser)
    if add is not None:
        add(parser)
    return parser.parse_args()


def add_smoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--smoke", action="store_true", help="tiny sizes, one round: whether it runs; the times say nothing"
    )


# ---- the machine ----------------------------------------------------------------------------------------------


def machine(*libraries: str) -> dict[str, Any]:
    """What the times depend on; printed, and returned for the JSON."""
    import llvmlite.binding

    import planted

    facts = {
        "cpu": f"{_cpu_model()} ({llvmlite.binding.get_host_cpu_name()})",
        "cores": CORES,
        "python": platform.python_version(),
        "planted": planted.__version__,
        **{name: _version(name) for name in ("numpy", "numba", *libraries)},
    }
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    return facts


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return version(f"{name}-cpu")  # as TensorFlow's smaller package is called


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def cores_worth(samples: int = 3) -> float:
    def seconds(threads: int) -> float:
        workers = [threading.Thread(target=lambda: hashlib.sha256(BLOCK).digest()) for _ in range(threads)]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return time.perf_counter() - start

    pairs = [(seconds(1), seconds(CORES)) for _ in range(samples)]
    return CORES * median(one for one, _ in pairs) / median(all_ for _, all_ in pairs)


# ---- the race -------------------------------------------------------------------------------------------------


def take_turns(contestants: Sequence[Contestant], repeats: int) -> Rounds:
    """Time each contestant once a round, in each round another one first; a warm-up round is not counted."""
    rounds = Rounds({each.name: [] for each in contestants}, [])
    calls = itertools.count()
    for turn in range(usually(0, 1), repeats + 1):
        worths = []
        first = turn % len(contestants)
        for each in (*contestants[first:], *contestants[:first]):
            gc.collect()
            time.sleep(PAUSE)
            worths.append(cores_worth())
            seconds = _seconds_a_call(each, calls)
            if turn:
                rounds.seconds[each.name].append(seconds)
        if turn:
            rounds.cores_worth.append(median(worths))
    worths = rounds.cores_worth
    print(f"{CORES} cores were worth {median(worths):.1f} ({min(worths):.1f} to {max(worths):.1f}); {repeats} rounds")
    return rounds


def _seconds_a_call(each: Contestant, calls: Iterator[int]) -> float:
    seconds = 0.0
    for done, call in enumerate(calls, 1):
        if each.before is not None:
            each.before(call)
        start = time.perf_counter()
        each.run(call)
        seconds += time.perf_counter() - start
        if seconds >= TURN:
            return seconds / done
    raise AssertionError


def compare(
    title: str, contestants: Sequence[Contestant], repeats: int, row_bytes: int | None = None
) -> dict[str, Any]:
    """Let them take turns; print the times, then ours against each peer's, row for row."""
    print(f"\n{title}")
    return report(title, contestants, take_turns(contestants, repeats), row_bytes)


def report(
    title: str, contestants: Sequence[Contestant], rounds: Rounds, row_bytes: int | None = None
) -> dict[str, Any]:
    """Print the times (with the bytes of a row: GB/s too), then ours against each peer's, row for row."""
    head = ["", "rows", "median ms", "min", "max", "million rows/s", *(["GB/s"] if row_bytes else [])]
    table(head, [_speed(each, rounds.seconds[each.name], row_bytes) for each in contestants])
    pairs = [(our, peer) for our in contestants if our.ours for peer in contestants if not peer.ours]
    ratios = [_ratio(our, peer, rounds) for our, peer in pairs]
    table(
        ["ours", "against", "of medians", "median of rounds", "rounds", "of minima", "target", "verdict"],
        [_line(ratio) for ratio in ratios],
    )
    rows = {each.name: each.rows for each in contestants}
    return {"title": title, **rounds._asdict(), "rows": rows, "ratios": ratios}


def fastest(result: dict[str, Any], among: Iterable[str] | None = None) -> None:
    """Say which peer was the hardest to beat, and how it came out."""
    ratios = [r for r in result["ratios"] if among is None or r["peer"] in among]
    hardest = min(ratios, key=lambda r: r["medians"])
    print(f"the fastest to compare with: {hardest['peer']}; ours is {_times(hardest['medians'])} times as fast")


def _speed(each: Contestant, seconds: Sequence[float], row_bytes: int | None) -> list[str]:
    middle = median(seconds)
    times = (f"{1e3 * t:.1f}" for t in (middle, min(seconds), max(seconds)))
    speed = each.rows / middle
    bytes_too = [] if row_bytes is None else [f"{speed * row_bytes / 1e9:.3f}"]
    return [each.name, f"{each.rows:_}", *times, f"{speed / 1e6:.{2 if speed > 1e5 else 4}f}", *bytes_too]


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 2 else f"{ratio:.2f}"


def _line(ratio: dict[str, Any]) -> list[str]:
    medians, rounds, minima = (_times(ratio[way]) for way in WAYS)
    spread = " to ".join(map(_times, ratio["spread"]))
    return [ratio["ours"], ratio["peer"], medians, rounds, spread, minima, *verdict(ratio["target"], ratio["met"])]


def _ratio(our: Contestant, peer: Contestant, rounds: Rounds) -> dict[str, Any]:
    """Ours against a peer, a row: how many times as fast. A target is met if medians and rounds both say so."""
    ours = [t / our.rows for t in rounds.seconds[our.name]]
    theirs = [t / peer.rows for t in rounds.seconds[peer.name]]
    by_round = [t / o for o, t in zip(ours, theirs, strict=True)]
    ways = dict(zip(WAYS, (median(theirs) / median(ours), median(by_round), min(theirs) / min(ours)), strict=True))
    met = None if peer.target is None else min(ways["medians"], ways["rounds"]) >= peer.target
    spread = (min(by_round), max(by_round))
    return {"ours": our.name, "peer": peer.name, **ways, "spread": spread, "target": peer.target, "met": met}


# ---- what is printed and kept ---------------------------------------------------------------------------------


def verdict(target: float | None, met: bool | None) -> tuple[str, str]:
    return ("", "") if target is None else (f"{target:g}", "met" if met else "not met")


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print a table that can be pasted into Markdown."""
    shown = Table(box=MARKDOWN)
    for name in head:
        shown.add_column(name, justify="left" if name in ("", "ours", "against") else "right", no_wrap=True)
    for line in lines:
        shown.add_row(*line)
    Console(width=WIDTH).print(shown)


def write(path: Path | None, facts: dict[str, Any], results: Sequence[dict[str, Any]]) -> None:
    """The machine, every time and every ratio, as JSON."""
    if path is not None:
        path.write_text(json.dumps({"machine": facts, "results": results}, indent=1) + "\n", encoding="utf-8")
