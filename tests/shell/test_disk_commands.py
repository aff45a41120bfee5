"""The shell's commands for rows on disk: what they print, do and return."""

import json
import os
import pty
import select
import subprocess
import sys

import numpy as np

import planted

WRITE = "write out --rows 20000 --features 4 --seed 3 --noise 0.5 --shard-bytes 150KB".split()


def test_write_writes_the_rows_of_the_options(shell, tmp_path):
    status, out, err = shell(*WRITE)
    assert (status, err) == (0, "")
    assert out.startswith("out: 20_000 rows of LinearTruth(w=[")
    assert out.endswith("), seed 3, float32: 4 npy files, 391 KiB in all\n")
    disk = planted.open(tmp_path / "out")
    rows = planted.regression(planted.weights(4, seed=3), 4.2, noise=0.5, n=20_000, seed=3)
    np.testing.assert_array_equal(disk.X, rows.X)
    assert disk.truth == rows.truth
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert shell(*WRITE)[0] == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()} == before


def test_write_asks_before_it_replaces(shell, tmp_path):
    shell(*WRITE)
    status, _, err = shell(*WRITE, "--dtype", "float64")
    assert status == 2
    assert "holds other rows (dtype 'float32' instead of 'float64'" in err
    assert err.count("\n") == 1
    assert err.endswith("or replace them with --overwrite\n")
    status, out, _ = shell(*WRITE, "--dtype", "float64", "--overwrite")
    assert status == 0
    assert "float64" in out
    assert planted.open(tmp_path / "out").dtype == np.float64


def test_info_tells_what_lies_there_and_how_it_will_be_shuffled(shell):
    shell(*WRITE)
    status, out, _ = shell("info", "out")
    assert status == 0
    lines = {line[:22].strip(): line[22:].strip() for line in out.splitlines()}
    assert lines["rows"] == "20_000"
    assert lines["seed"] == "3"
    assert lines["values"] == "4 features and the response, float32, 20 bytes a row"
    assert lines["files"] == "4 of npy, 6_552 rows each, 391 KiB in all"
    assert lines["blocks"] == "7 of 3_276 rows, each with a checksum"
    assert lines["shuffle within 256MiB"] == "all rows in memory at once: a full shuffle"
    _, out, _ = shell("info", "out", "--memory", "400KB", "--batch-size", "100")
    assert "shuffle within 400KB  pools of 3 of 7 blocks of 3_276 rows (64 KiB), 192 KiB; means of 100 rows vary" in out
    _, out, _ = shell("info", "out", "--memory", "400KB", "--json")
    told = json.loads(out)
    assert (told["rows"], told["shards"], told["blocks"]) == (20_000, 4, 7)
    assert told["truth"]["w"] == planted.weights(4, seed=3).tolist()
    assert told["shuffle"]["pool_blocks"] == 3
    assert told["shuffle"]["quality"] > 10
    status, _, err = shell("info", "out", "--memory", "1KB")
    assert status == 2
    assert "use --memory " in err


def test_verify_finds_and_mends(shell, tmp_path):
    shell(*WRITE)
    assert shell("verify", "out")[:2] == (0, "OK: 20000 rows in out, no fault\n")
    shard = tmp_path / "out" / "rows-00000002.npy"
    right = shard.read_bytes()
    shard.write_bytes(right[:70_000] + bytes([right[70_000] ^ 1]) + right[70_001:])
    status, out, _ = shell("verify", "out")
    assert status == 1
    assert out == (
        "rows-00000002.npy: damaged (block 1)\n"
        "DAMAGED: 20000 rows in out, 1 fault; mend them with planted verify --repair\n"
    )
    status, out, _ = shell("verify", "out", "--repair", "--json")
    assert status == 0
    assert json.loads(out)["faults"] == [
        {"file": "rows-00000002.npy", "kind": "damaged", "blocks": [1], "mended": True}
    ]
    assert shard.read_bytes() == right
    assert shell("verify", "out")[0] == 0


def on_a_terminal(words, folder):
    """What a command prints on a terminal of its own, and its exit status."""
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "planted", *words],
        cwd=folder,
        stdout=writer,
        stderr=writer,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(writer)
    text = b""
    while select.select([reader], [], [], 120)[0]:
        try:
            text += os.read(reader, 65_536)
        except OSError:  # the terminal is closed
            break
    os.close(reader)
    return process.wait(), text.decode()


def test_progress_is_shown_on_a_terminal_only(shell, tmp_path):
    """A bar with the rate; the other tests see that nothing is printed where there is no terminal."""
    status, text = on_a_terminal([*WRITE, "--rows", "2e6"], tmp_path)
    assert status == 0
    assert "writing" in text
    assert "million rows/s" in text
    assert "GB/s" in text
    status, text = on_a_terminal(["verify", "out"], tmp_path)
    assert status == 0
    assert "verifying" in text
    status, text = on_a_terminal(["verify", "out", "--quiet"], tmp_path)
    assert "verifying" not in text
