"""More rows than memory: an epoch from a disk whose page cache is empty, read in a process whose memory is capped.

The cap is RLIMIT_AS: what the process has mapped once everything is imported and compiled, and CAP bytes more. It
counts all address space, files that are mapped and what malloc only reserves for its threads (64 MiB each) included, so
it is the strictest there is: neither can rows be held, nor files mapped. (RLIMIT_DATA would let files be mapped. Both
work: LLVM's and Numba's code is there before.) The kernel's page cache is nobody's address space, hence the empty one.
How much the process really took is its peak of resident memory, beyond what it had before.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from compare import Contestant, compare, fastest
from disk_files import MIB, asked_for_ahead, blocks_in_random_order, by_threads, forget, in_order

BATCH = 256
CAP = 512 * MIB
MEMORY = "256MiB"
TARGET = 0.85  # of the speed of reading in order
FEW = 200_000  # rows, to compile and to warm up

# ---- the process whose memory is capped -----------------------------------------------------------------------


def memory(kind):
    return 1024 * int(Path("/proc/self/status").read_text(encoding="utf-8").split(kind)[1].split()[0])


def epoch(rows, framework="numpy"):
    import planted

    return sum(len(X) for X, _ in planted.Loader(rows, BATCH, shuffle=True, memory=MEMORY, framework=framework))


def capped(folder, verify):
    """Get ready, say so, wait for a word, read an epoch, and tell."""
    import resource

    import planted

    rows = planted.open(folder)
    epoch(rows.split(min(FEW, len(rows)))[0])
    limit = memory("VmSize:") + CAP
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        bytearray(CAP + MIB)
    except MemoryError:
        pass
    else:
        raise RuntimeError("the cap does not hold")
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # the peak begins anew
    before = memory("VmRSS:")
    print(flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    rows = epoch(planted.open(folder, verify=verify))
    seconds = time.perf_counter() - start
    print(json.dumps({"rows": rows, "seconds": seconds, "peak": memory("VmHWM:") - before}), flush=True)


class Capped:
    """Such a process for each turn: made ready before it, told to read in it."""

    def __init__(self, folder, rows, *, verify):
        self.folder, self.rows, self.verify = folder, rows, verify
        self.told, self.child = [], None

    def before(self, _turn):
        self.close()
        command = [sys.executable, __file__, str(self.folder), "verify" if self.verify else ""]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()
        forget(self.folder)

    def run(self, _turn):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        told = json.loads(self._line())
        if told["rows"] != self.rows:
            raise RuntimeError(f"{told['rows']} rows of {self.rows} were read")
        self.told.append(told)

    def close(self):
        if self.child is not None:
            self.child.kill()
            self.child.communicate()
            self.child = None

    def _line(self):
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of capped memory failed: exit status {self.child.wait()}")
        return line


# ---- the race -------------------------------------------------------------------------------------------------


def cold(folder, disk, repeats, row_bytes):
    """Rows of a folder, against the fastest ways to read its files that there are."""
    rows = len(disk)
    files = sorted(folder.glob("*.npy"))
    checked, trusted = (Capped(folder, rows, verify=verify) for verify in (True, False))

    def reader(name, read, target=None, **settings):
        return Contestant(name, lambda _: read(files, **settings), rows, target=target, before=lambda _: forget(folder))

    in_sequence = [
        reader("1 MiB reads", in_order, TARGET),
        reader("4 MiB reads, 192 MiB asked for ahead", asked_for_ahead),
        reader("1 MiB reads by 4 threads", by_threads, size=MIB, threads=4),
        reader("16 MiB reads by 4 threads, O_DIRECT", by_threads, size=16 * MIB, threads=4, flags=os.O_DIRECT),
    ]
    contestants = [
        Contestant("planted, shuffled", checked.run, rows, ours=True, before=checked.before),
        Contestant("planted, shuffled, verify=False", trusted.run, rows, before=trusted.before),
        *in_sequence,
        reader("64 KiB reads in random order, 256 asked for ahead", blocks_in_random_order),
    ]
    try:
        result = compare(
            f"cold: an epoch of {rows * row_bytes / 2**30:.1f} GiB in batches of {BATCH}, memory capped at "
            f"{CAP // MIB} MiB beyond the start; page cache emptied before each turn, as mincore confirms",
            contestants,
            repeats,
            row_bytes,
        )
    finally:
        checked.close()
        trusted.close()
    fastest(result, {each.name for each in in_sequence})
    peak = max(told["peak"] for each in (checked, trusted) for told in each.told)
    print(f"while planted read, its process took {peak / MIB:.0f} MiB more than before, at most")
    return {**result, "cap": CAP, "peak": peak}


if __name__ == "__main__":
    capped(sys.argv[1], sys.argv[2] == "verify")
