"""Training on several processes, for real: killed in the middle, and resumed on another number of them."""

import itertools
import json
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import planted

SCRIPT = Path(__file__).parent / "ddp.py"


@pytest.fixture
def train(torch, tmp_path):
    """A function that runs the script on so many processes in a folder, until all end or one dies."""
    runs = itertools.count()

    def start(name, world_size, *options):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        run = next(runs)
        arguments = [[str(folder), str(run), str(rank), str(world_size), *options] for rank in range(world_size)]
        processes = [
            subprocess.Popen([sys.executable, "-W", "ignore", str(SCRIPT), *each], stdout=subprocess.PIPE, text=True)
            for each in arguments
        ]
        try:
            processes[-1].wait(timeout=300)
            if processes[-1].returncode:  # as a launcher does: the others wait for the one that is gone
                for process in processes:
                    process.kill()
            said = [process.communicate(timeout=300)[0] for process in processes]
        finally:
            for process in processes:
                process.kill()
        return run, [process.returncode for process in processes], said[0]

    return start


def logged(folder, run, world_size):
    """The global batches of a run: (epoch, batch) and the rows of all ranks, as far as every rank came."""
    files = [folder / f"log-{run}-{rank}.jsonl" for rank in range(world_size)]
    steps = zip(*[map(json.loads, file.read_text().splitlines()) for file in files], strict=False)
    batches = {}
    for parts in steps:
        ((epoch, batch),) = {(epoch, batch) for epoch, batch, _ in parts}
        batches[epoch, batch] = list(itertools.chain.from_iterable(rows for *_, rows in parts))
    return batches


@pytest.mark.timeout(900)
def test_a_run_that_is_killed_and_resumed_on_other_numbers_of_processes_ends_the_same(torch, train, tmp_path):
    """To the bit, since all sums are exact; and each process count reads the very same global batches."""
    ddp = runpy.run_path(str(SCRIPT))
    n, size, epochs, every = (ddp[name] for name in ("N", "BATCH", "EPOCHS", "EVERY"))
    steps = -(-n // size)
    run, codes, said = train("whole", 2, "--exact")
    assert codes == [0, 0]
    assert "PASSED" in said
    whole = logged(tmp_path / "whole", run, 2)
    orders = [planted.permutation(n, seed=5, epoch=epoch).take(range(n)).tolist() for epoch in range(epochs)]
    assert whole == {(e, k): orders[e][k * size : (k + 1) * size] for e in range(epochs) for k in range(steps)}

    seen, begin = {}, 0
    for world_size, die_at in ((3, 10), (4, 29)):
        run, codes, _ = train("killed", world_size, "--exact", "--die-at", str(die_at))
        assert codes[-1] == -signal.SIGKILL
        batches = logged(tmp_path / "killed", run, world_size)
        assert min(e * steps + k for e, k in batches) == begin
        assert batches == {step: whole[step] for step in batches}
        begin = die_at - die_at % every  # where the last checkpoint is
        seen |= batches
    run, codes, said = train("killed", 2, "--exact")
    assert codes == [0, 0]
    assert "PASSED" in said
    assert seen | logged(tmp_path / "killed", run, 2) == whole
    weights = [torch.load(tmp_path / name / "weights.pt") for name in ("whole", "killed")]
    for name, value in weights[0].items():
        assert torch.equal(value, weights[1][name])


@pytest.mark.timeout(900)
def test_resumed_on_as_many_processes_float32_ends_with_the_same_bits(torch, train, tmp_path):
    assert train("whole", 2)[1] == [0, 0]
    assert train("killed", 2, "--die-at", "21")[1][-1] == -signal.SIGKILL
    assert train("killed", 2)[1] == [0, 0]
    assert train("others", 3, "--die-at", "21")[1][-1] == -signal.SIGKILL
    assert train("others", 2)[1] == [0, 0]
    whole, killed, others = (torch.load(tmp_path / name / "weights.pt") for name in ("whole", "killed", "others"))
    for name, value in whole.items():
        assert torch.equal(value, killed[name])
        torch.testing.assert_close(value, others[name], rtol=1e-5, atol=1e-6)  # summed in another order
