"""Reading rows: an epoch of shuffled minibatches as torch tensors, 10^6 rows of 16 features."""

from functools import partial

import numpy as np
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

import planted
from compare import Contestant, compare, machine, options, usually, write

ROWS, FEATURES = usually(10**6, 10**3), 16
TARGETS = {256: 100, 32: 40}

COMPUTED = planted.regression(planted.weights(FEATURES, seed=1), 4.2, n=ROWS)
MEMORY = COMPUTED.materialize()
ARRAYS = COMPUTED[:]
TENSORS = TensorDataset(*map(torch.from_numpy, ARRAYS))


def with_numpy(batch_size):
    order = np.random.default_rng().permutation(ROWS)
    for first in range(0, ROWS, batch_size):
        numbers = order[first : first + batch_size]
        yield torch.from_numpy(ARRAYS.X[numbers]), torch.from_numpy(ARRAYS.y[numbers])


def with_torch(batch_size):
    for numbers in torch.randperm(ROWS).split(batch_size):
        yield TENSORS[numbers]


def contestants(batch_size):
    def reader(name, batches, **settings):
        def run(_turn):
            for X, y in batches():
                pass

        return Contestant(name, run, ROWS, **settings)

    memory, computed = (planted.Loader(rows, batch_size, framework="torch") for rows in (MEMORY, COMPUTED))
    usual = DataLoader(TENSORS, batch_size, shuffle=True)
    sampler = BatchSampler(RandomSampler(TENSORS), batch_size, drop_last=False)
    batched = DataLoader(TENSORS, batch_size=None, sampler=sampler)
    return [
        reader("planted, from memory", partial(iter, memory), ours=True),
        reader("planted, computed on demand", partial(iter, computed), ours=True),
        reader("DataLoader(TensorDataset, shuffle=True)", partial(iter, usual), target=TARGETS[batch_size]),
        reader("DataLoader(sampler=BatchSampler)", partial(iter, batched)),
        reader("NumPy permutation and indexing", partial(with_numpy, batch_size)),
        reader("torch randperm and indexing", partial(with_torch, batch_size)),
    ]


if __name__ == "__main__":
    given = options(__doc__)
    facts = machine("torch")
    results = [compare(f"batches of {size}", contestants(size), given.repeats) for size in TARGETS]
    write(given.json, facts, results)
