"""How well a loader mixes a file that is sorted by its labels: the spread of batch means, and gradient descent.

Writes a picture (``--out``), and prints what it shows. Four orders: the file's own; blocks shuffled, rows left as they
are; a loader's pools of blocks within its default memory; a full shuffle.
"""

import argparse
import tempfile
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

import planted
from compare import add_smoke, usually
from planted._order import plan_pool, variance_ratio

FEATURES, BATCH, SHARDS, LR = 16, 256, 16, 0.01
POINTS = 32  # of the curve, an epoch


def files(folder, rows):
    """Rows sorted by their response, as other people's .npy files."""
    values = np.hstack(rows[:])
    values = values[np.argsort(values[:, -1], kind="stable")]
    edges = np.linspace(0, len(values), SHARDS + 1).astype(int)
    for k, (start, stop) in enumerate(pairwise(edges)):
        np.save(Path(folder) / f"sorted-{k:02d}.npy", values[start:stop])
    return values


def in_order(values, order):
    for first in range(0, len(values), BATCH):
        part = values[order[first : first + BATCH]]
        yield part[:, :-1], part[:, -1:]


def orders(values, table, seed):
    """For each name a function of the epoch that gives its batches."""
    n, blocks = len(values), plan_pool(table, 256 << 20).blocks
    loader = planted.Loader(table, BATCH, seed=seed)

    def blocks_only(epoch):
        taken = planted.permutation(len(blocks), seed, epoch).take(range(len(blocks)))
        return np.concatenate([np.arange(*blocks.bounds(index)) for index in taken.tolist()])

    return {
        "no shuffle": lambda _: in_order(values, np.arange(n)),
        "blocks shuffled, rows in order": lambda epoch: in_order(values, blocks_only(epoch)),
        "pools of blocks (planted)": loader.read,
        "full shuffle": lambda epoch: in_order(values, planted.permutation(n, seed, epoch).take(range(n))),
    }


def descend(batches, truth, epochs, n):
    """The distance to the truth, POINTS times an epoch, and the variance of the batches' mean responses."""
    beta, wanted = np.zeros(FEATURES + 1), np.append(truth.w, truth.b)
    steps = -(-n // BATCH)
    shown = set(np.linspace(0, steps - 1, POINTS + 1).astype(int)[1:].tolist())
    distances, means = [float(np.linalg.norm(beta - wanted))], []
    for epoch in range(epochs):
        for step, (X, y) in enumerate(batches(epoch)):
            if len(X) == BATCH:
                means.append(float(y.mean(dtype=np.float64)))
            residual = X @ beta[:-1] + beta[-1] - y[:, 0]
            beta[:-1] -= LR / len(X) * (residual @ X)
            beta[-1] -= LR / len(X) * residual.sum()
            if step in shown:
                distances.append(float(np.linalg.norm(beta - wanted)))
    return distances, float(np.var(means))


def last_epoch(runs):
    """The distance in the last epoch, of the median run."""
    return np.median([np.mean(distances[-POINTS:]) for distances in runs])


def picture(path, curves, epochs):
    mpl.use("Agg")
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    x = np.linspace(0, epochs, epochs * POINTS + 1)
    for name, runs in curves.items():
        axes.plot(x, np.median(runs, axis=0), label=f"{name}: {last_epoch(runs):.2g}")
        axes.fill_between(x, np.min(runs, axis=0), np.max(runs, axis=0), alpha=0.2)
    axes.set(yscale="log", xlabel="epoch", ylabel="distance to the true w and b", xlim=(0, epochs))
    axes.legend(loc="center left", bbox_to_anchor=(0.02, 0.6), title="in the last epoch, the median run")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=usually(16e6, 2e4))
    parser.add_argument("--epochs", type=int, default=usually(3, 1))
    parser.add_argument("--runs", type=int, default=usually(5, 1))
    parser.add_argument("--out", type=Path, default=Path("disk.png"))
    add_smoke(parser)
    given = parser.parse_args()
    rows = planted.regression(planted.weights(FEATURES, seed=1), 4.2, noise=1.0, n=int(given.rows))
    with tempfile.TemporaryDirectory() as folder:
        values = files(folder, rows)
        table = planted.open_table(folder, response=FEATURES)
        plan = plan_pool(table, 256 << 20)
        print(planted.Loader(table, BATCH))
        runs = [
            {
                name: descend(batches, rows.truth, given.epochs, len(values))
                for name, batches in orders(values, table, seed).items()
            }
            for seed in range(given.runs)
        ]
    full = np.mean([run["full shuffle"][1] for run in runs])
    print(
        f"expected variance of batch means: {variance_ratio(BATCH, plan.blocks, plan.pool):.3f} times a full shuffle's"
    )
    for name in runs[0]:
        ratio = np.mean([run[name][1] for run in runs]) / full
        last = last_epoch([run[name][0] for run in runs])
        print(f"{name:32} variance of batch means {ratio:8.3f}, distance to the truth in the last epoch {last:.3g}")
    picture(given.out, {name: [run[name][0] for run in runs] for name in runs[0]}, given.epochs)
