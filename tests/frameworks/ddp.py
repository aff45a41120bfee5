"""One process of a training run under torch.distributed: what test_distributed starts, kills and resumes.

    python tests/frameworks/ddp.py FOLDER RUN RANK WORLD_SIZE [--die-at STEP] [--exact]

Linear regression by DistributedDataParallel over gloo. It goes on from FOLDER/checkpoint.pt if that is there, writes
one every few steps, and logs the row numbers of each batch of its rank. At the step given, the last rank kills itself.

With --exact all values are multiples of a power of two, with bits to spare: sums are the same in any order, so another
number of processes must end with the same bits.
"""

import argparse
import json
import os
import signal
from datetime import timedelta
from pathlib import Path

import torch
from torch import distributed

import planted

N, BATCH, EPOCHS, EVERY, LR = 1_000, 64, 3, 4, 2**-3
ROWS = planted.regression([2.0, -3.4], 4.2, noise=0.5, n=N, seed=714)


def on_grid(values, bits):
    return (values * 2**bits).round() / 2**bits


def begin(folder, run, rank, world_size, exact):
    """The process group, and the loader, layer and step with which this run begins."""
    torch.set_num_threads(1)
    meeting = f"file://{folder}/rendezvous-{run}"
    distributed.init_process_group(
        "gloo", init_method=meeting, rank=rank, world_size=world_size, timeout=timedelta(seconds=60)
    )
    loader = planted.Loader(ROWS, BATCH, seed=5, framework="torch", with_index=True, rank="auto")
    assert (loader.rank, loader.world_size) == (rank, world_size)
    layer = torch.nn.utils.skip_init(torch.nn.Linear, 2, 1, dtype=torch.float64 if exact else torch.float32)
    for parameter in layer.parameters():
        torch.nn.init.zeros_(parameter)
    if not (folder / "checkpoint.pt").exists():
        return loader, layer, 0
    saved = torch.load(folder / "checkpoint.pt")
    layer.load_state_dict(saved["model"])
    loader.load_state_dict(saved["loader"])
    return loader, layer, saved["step"]


def save(folder, loader, layer, step):
    """A checkpoint, whole or not at all; all ranks are at the same place."""
    states = [None] * loader.world_size
    distributed.all_gather_object(states, loader.state_dict())
    assert all(state == states[0] for state in states), states
    if loader.rank == 0:
        saved = {"model": layer.state_dict(), "loader": loader.state_dict(), "step": step}
        torch.save(saved, folder / "unfinished.pt")
        (folder / "unfinished.pt").replace(folder / "checkpoint.pt")


def main(folder, run, rank, world_size, die_at, exact):
    loader, layer, step = begin(folder, run, rank, world_size, exact)
    model = torch.nn.parallel.DistributedDataParallel(layer)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    log = (folder / f"log-{run}-{rank}.jsonl").open("a", buffering=1)

    def descend(X, y, rows):
        optimizer.zero_grad()
        (0.5 * ((model(X) - y) ** 2).sum() * world_size).backward()  # DDP divides by world_size
        if step == die_at and rank == world_size - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.grad /= rows
        optimizer.step()

    while loader.epoch < EPOCHS:
        epoch = loader.epoch
        for X, y, index in loader:
            batch = (loader.state_dict()["batch"] or len(loader)) - 1
            log.write(json.dumps([epoch, batch, index.tolist()]) + "\n")
            rows = min(BATCH, N - batch * BATCH)  # of all ranks
            if exact:
                descend(on_grid(X.double(), 8), on_grid(y.double(), 8), rows)
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter.copy_(on_grid(parameter, 20))
            else:
                descend(X, y, rows)
            step += 1
            if step % EVERY == 0:
                save(folder, loader, layer, step)
    if rank == 0:
        torch.save(layer.state_dict(), folder / "weights.pt")
        print(planted.check(layer, ROWS))
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("run", type=int)
    parser.add_argument("rank", type=int)
    parser.add_argument("world_size", type=int)
    parser.add_argument("--die-at", type=int, default=-1)
    parser.add_argument("--exact", action="store_true")
    main(**vars(parser.parse_args()))
