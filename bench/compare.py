"""Contestants side by side, in one process and taking turns, so that a busy machine slows all of them alike.

What comes in: functions that do the same work, ours and others'. What goes out: their times, and ratios of them; a ratio
outlasts the machine it was measured on, a time does not. Targets are printed beside the results and never asserted.
"""

import argparse
import gc
import json
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from rich.box import MARKDOWN
from rich.console import Console
from rich.table import Table

PAUSE = 0.05  # seconds between turns: thread pools of the one before stop spinning
WIDTH = 140

Times = dict[str, list[float]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who takes part: `run` is called with the number of the round; `rows` is how many rows that is."""

    name: str
    run: Callable[[int], Any]
    rows: int = 1
    ours: bool = False
    target: float | None = None  # of a peer: how many times as fast as it ours means to be


def options(description: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--repeats", type=int, default=7, help="rounds that are measured, after one that is not")
    parser.add_argument("--json", type=Path, help="also write the results there")
    return parser.parse_args()


def machine(*libraries: str) -> dict[str, Any]:
    """What the times depend on; printed, and returned for the JSON."""
    import llvmlite.binding

    import planted

    facts = {
        "cpu": f"{_cpu_model()} ({llvmlite.binding.get_host_cpu_name()})",
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "python": platform.python_version(),
        "planted": planted.__version__,
        **{name: version(name) for name in ("numpy", "numba", *libraries)},
    }
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    return facts


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def take_turns(contestants: Sequence[Contestant], repeats: int) -> Times:
    """Seconds of each contestant in each round; one warm-up round goes before and is not among them."""
    times: Times = {each.name: [] for each in contestants}
    for turn in range(repeats + 1):
        for each in contestants:
            gc.collect()
            time.sleep(PAUSE)
            start = time.perf_counter()
            each.run(turn)
            seconds = time.perf_counter() - start
            if turn:
                times[each.name].append(seconds)
    return times


def compare(title: str, contestants: Sequence[Contestant], repeats: int) -> dict[str, Any]:
    """Let them take turns; print the times, then ours against each peer's, row for row."""
    times = take_turns(contestants, repeats)
    speeds = [(each, median(times[each.name]), min(times[each.name]), max(times[each.name])) for each in contestants]
    table(
        title,
        ["", "rows", "median ms", "min", "max", "million rows/s"],
        (
            [
                each.name,
                f"{each.rows:_}",
                *(f"{1e3 * t:.1f}" for t in (middle, low, high)),
                f"{each.rows / middle / 1e6:.2f}",
            ]
            for each, middle, low, high in speeds
        ),
    )
    ratios = [_ratio(our, peer, times) for our in contestants if our.ours for peer in contestants if not peer.ours]
    table(
        "",
        ["times as fast", "as", "by medians", "median of rounds", "target", ""],
        (
            [r["ours"], r["peer"], f"{r['medians']:.1f}", f"{r['rounds']:.1f}", *_verdict(r["target"], r["met"])]
            for r in ratios
        ),
    )
    return {"title": title, "seconds": times, "rows": {each.name: each.rows for each in contestants}, "ratios": ratios}


def _ratio(our: Contestant, peer: Contestant, times: Times) -> dict[str, Any]:
    """Ours against a peer, a row; a target is met if both ways to take the ratio say so."""
    ours = [t / our.rows for t in times[our.name]]
    theirs = [t / peer.rows for t in times[peer.name]]
    medians = median(theirs) / median(ours)
    rounds = median(t / o for o, t in zip(ours, theirs, strict=True))
    met = None if peer.target is None else min(medians, rounds) >= peer.target
    return {
        "ours": our.name,
        "peer": peer.name,
        "medians": medians,
        "rounds": rounds,
        "target": peer.target,
        "met": met,
    }


def _verdict(target: float | None, met: bool | None) -> tuple[str, str]:
    return ("", "") if target is None else (f"{target:g}", "met" if met else "NOT met")


def table(title: str, head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print a table that can be pasted into Markdown; the first column is text, the others end at the right."""
    if title:
        print(f"\n{title}")
    shown = Table(box=MARKDOWN)
    for i, name in enumerate(head):
        shown.add_column(name, justify="left" if i == 0 or name == "as" else "right", no_wrap=True)
    for line in lines:
        shown.add_row(*line)
    Console(width=WIDTH).print(shown)


def write(path: Path | None, facts: dict[str, Any], results: Sequence[dict[str, Any]]) -> None:
    """The machine, every time and every ratio, as JSON."""
    if path is not None:
        path.write_text(json.dumps({"machine": facts, "results": results}, indent=1) + "\n", encoding="utf-8")
