"""Faults, put on purpose into folders of rows: writers are killed, files damaged, disks filled.

What comes in: a seed, how many faults, an empty folder. What goes out: how many there were of each sort. Whatever was
done, rows are right or there is an error of planted's own, and the same command or a repair ends with the bytes of an
undisturbed run; else an `AssertionError` says which fault of which seed it was.

`test_faults.py` runs some hundred of them; this runs more:

    python tests/disk/faults.py --seed 1 --kills 2000 --steps --flips 20000 --full 200
"""

import argparse
import json
import sys
import time

from broken_files import flips
from folders import formats_here, quick_folder, small_blocks
from full_disks import full, really_full
from killed_writers import kills, steps


def main():
    """Run what is asked for; one line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=0, help="writers to kill at random moments")
    parser.add_argument("--steps", action="store_true", help="kill a writer at each of its calls to the system")
    parser.add_argument("--flips", type=int, default=0, help="folders to damage, over all formats")
    parser.add_argument("--full", type=int, default=0, help="points at which the disk is full, over all formats")
    options = parser.parse_args()
    small_blocks()
    with quick_folder() as folder:
        share = {
            name: (options.flips // len(formats_here()) + 1, options.full // len(formats_here()) + 1)
            for name in formats_here()
        }
        runs = [("kills", kills, (options.seed, options.kills, folder))] * bool(options.kills)
        runs += [("steps", steps, (folder,))] * options.steps
        runs += [
            ("flips", flips, (options.seed, share[name][0], folder, name)) for name in formats_here() if options.flips
        ]
        runs += [
            ("full", full, (options.seed, share[name][1], folder, name)) for name in formats_here() if options.full
        ]
        runs += [("really full", really_full, (options.seed, options.full // 2 + 1, folder))] * bool(options.full)
        for name, run, settings in runs:
            begun = time.perf_counter()
            found = run(*settings)
            taken = round(time.perf_counter() - begun, 1)
            line = json.dumps({"run": name, "seed": options.seed, "seconds": taken, "found": found})
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
