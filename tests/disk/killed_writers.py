"""Writers that are killed: at random moments of their work, or at each of their calls to the system."""

import functools
import itertools
import os
import random
import shutil
import signal
import time
import traceback
from collections import Counter
from dataclasses import dataclass

from broken_files import flip
from folders import (
    FOREIGN,
    MANIFEST,
    PLAN,
    UNFINISHED,
    Case,
    assert_right,
    assert_same,
    contents,
    differing,
    faulty,
    finished_shards,
    formats_here,
    read_all,
    reference,
    stamps,
    told,
)

import planted
from planted.errors import MissingError


@dataclass(frozen=True, slots=True)
class Work:
    """What a child does to a folder, and what may be seen of it."""

    kind: str  # write, overwrite, repair
    case: Case

    @property
    def other(self):
        """The rows that lay there before."""
        return Case("npy" if self.case.file_format == "arrow" else self.case.file_format, self.case.n, 715)

    def prepare(self, folder, rng):
        folder.mkdir()
        for name, content in FOREIGN.items():
            (folder / name).write_bytes(content)
        if self.kind == "overwrite":
            self.other.write(folder)
        elif self.kind == "repair":
            self.case.write(folder)
            for name in rng.sample(sorted(reference(self.case)), 5):
                if name != PLAN:
                    flip(rng, folder / name)

    def run(self, folder):
        if self.kind == "repair":
            assert planted.verify(folder, repair=True).ok
        else:
            self.case.write(folder, overwrite=self.kind == "overwrite")

    def check(self, folder, before):
        """What a killed writer leaves is whole files, and no manifest unless all is in place."""
        found = contents(folder)
        assert not differing({name: found[name] for name in FOREIGN}, FOREIGN), "foreign files were touched"
        whole = {name: found[name] for name in found if not name.endswith(UNFINISHED) and name not in FOREIGN}
        wanted = reference(self.case)
        allowed = [wanted]
        if self.kind == "overwrite" and whole.get(PLAN) != wanted[PLAN]:
            allowed = [reference(self.other)]
        elif self.kind == "repair":
            allowed = [wanted, before]
        for name, content in whole.items():
            assert any(content == files.get(name) for files in allowed), f"{name} is not what was written"
            assert self.kind != "write" or f"{name.split('.')[0]}.sums" in whole or name in (PLAN, MANIFEST)
        if MANIFEST in whole and self.kind != "repair":
            assert_same(whole, allowed[0])
        try:
            disk = planted.open(folder)
            X, y = disk[:]
        except MissingError:
            assert MANIFEST not in whole or self.kind == "repair"
        except planted.PlantedError:
            assert self.kind == "repair"
        else:
            assert_right(self.case if disk.seed == self.case.seed else self.other, X, y)


def child_of(action):
    """A forked child that says when it begins; its process number, and where it says it."""
    ear, mouth = os.pipe()
    process = os.fork()
    if process:
        os.close(mouth)
        return process, ear
    status = 1
    try:
        os.write(mouth, b"!")
        action()
        status = 0
    except BaseException:  # noqa: BLE001 -- the child ends here, whatever happened
        traceback.print_exc()
    finally:
        os._exit(status)
    return None  # never


def killed(action, delay):
    """Whether a child was killed before it had done its work; it is an error if it failed, or does not end."""
    process, ear = child_of(action)
    try:
        os.read(ear, 1)
    finally:
        os.close(ear)
    time.sleep(delay)
    os.kill(process, signal.SIGKILL)
    status = os.waitpid(process, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WIFSIGNALED(status)


def duration(work, folder, rng):
    """Seconds that undisturbed children take, at least, once all is compiled."""
    taken = []
    work.prepare(folder / "here", rng)
    work.run(folder / "here")
    read_all(work.case, folder / "here", rng)
    shutil.rmtree(folder / "here")
    for i in range(3):
        target = folder / f"undisturbed-{i}"
        work.prepare(target, rng)
        process, ear = child_of(functools.partial(work.run, target))
        os.read(ear, 1)
        begun = time.perf_counter()
        os.close(ear)
        os.waitpid(process, 0)
        taken.append(time.perf_counter() - begun)
        shutil.rmtree(target)
    return min(taken)


def finish(work, folder):
    """The same command again ends with the bytes of an undisturbed run, and keeps what was finished."""
    ours = contents(folder).get(PLAN) == reference(work.case)[PLAN]
    kept = stamps(folder, finished_shards(folder, work.case)) if ours and work.kind != "repair" else {}
    work.run(folder)
    assert_same(contents(folder), {**reference(work.case), **FOREIGN})
    assert stamps(folder, kept) == kept, "what was finished was written again"
    assert planted.verify(folder).faults == ()
    X, y = planted.open(folder)[:]
    assert_right(work.case, X, y)


def kills(seed, count, folder):
    """Kill writers at random moments of their work, up to four in a row on one folder."""
    rng = random.Random(seed)
    works = [Work(kind, Case(name, 2_501)) for kind in ("write", "overwrite", "repair") for name in formats_here()]
    times, tally = {}, Counter()
    tenths = [0] * 10
    for number in itertools.count():
        if tally["kills"] >= count and (tally["within"] > count / 4 or tally["kills"] > 10 * count):
            break  # on a busy machine fewer hit the writing itself
        work = works[number % len(works)]
        target = folder / f"kills-{number}"
        if work not in times:
            times[work] = duration(work, folder, rng)
        work.prepare(target, rng)
        before = contents(target)
        with told(f"kills, seed {seed}, folder {number}: {work}"):
            for _ in range(rng.randint(1, 4)):
                at_first = contents(target)
                hit = killed(functools.partial(work.run, target), rng.random() * times[work])
                found = contents(target)
                work.check(target, before)
                touched = [name for name in differing(found, at_first) if name != ".writing"]
                done = all(found.get(name) == content for name, content in reference(work.case).items())
                moment = "after" if done or not hit else "within" if touched else "before"
                tally["kills"] += hit
                tally[moment] += 1
                tally[f"{work.kind} {work.case.file_format}"] += hit
                if moment == "within" and work.kind == "write":
                    wanted = reference(work.case)
                    tenths[10 * len([name for name in wanted if name in found]) // len(wanted)] += 1
                times[work] *= {"before": 1.1, "within": 1, "after": 0.9}[moment]  # the machine may be busy with others
                if moment == "after":
                    break
            finish(work, target)
        shutil.rmtree(target)
    return {**tally, "folders": number, "writes by tenths of their files": tenths}


class Dead(BaseException):
    """The writer is dead: nothing that it does afterwards has any effect."""


def dying(step):
    """The writer dies at a call to the system, in the middle of it if it is a write; it does nothing afterwards."""
    calls = itertools.count()
    last = []

    def fault(call, size):
        if last:
            raise Dead
        if next(calls) == step:
            last.append(step)
            if call != "write" or size < 2:
                raise Dead
            return size // 2
        return size

    return fault


def steps(folder):
    """Let writers die at each of their calls to the system."""
    tally = Counter()
    for work in [Work(kind, Case(name, 160)) for kind in ("write", "overwrite", "repair") for name in formats_here()]:
        for step in itertools.count():
            target = folder / f"steps-{step}"
            work.prepare(target, random.Random(step))
            before = contents(target)
            dead = False
            with told(f"step {step} of {work}"):
                try:
                    with faulty(dying(step)):
                        work.run(target)
                except Dead:
                    dead = True
                work.check(target, before)
                finish(work, target)
            shutil.rmtree(target)
            if not dead:
                break
            tally[f"{work.kind} {work.case.file_format}"] += 1
    return {"steps": sum(tally.values()), **tally}
