"""Reading rows: an epoch of shuffled minibatches as torch tensors, 10^6 rows of 16 features."""

import numpy as np
import torch
from compare import Contestant, compare, machine, options, write
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

import planted

ROWS, FEATURES = 10**6, 16
FEW = 10**5  # for the slowest peer
TARGETS = {256: 100, 32: 40}

COMPUTED = planted.regression(planted.weights(FEATURES, seed=1), 4.2, n=ROWS)
MEMORY = COMPUTED.materialize()
ARRAYS = COMPUTED[:]
TENSORS = TensorDataset(*map(torch.from_numpy, ARRAYS))


def epoch(loader):
    def run(turn):
        for X, y in loader:
            pass

    return run


def with_numpy(batch_size):
    features, responses = ARRAYS
    generator = np.random.default_rng()

    def run(turn):
        order = generator.permutation(ROWS)
        for first in range(0, ROWS, batch_size):
            numbers = order[first : first + batch_size]
            X, y = torch.from_numpy(features[numbers]), torch.from_numpy(responses[numbers])

    return run


def contestants(batch_size):
    few = TensorDataset(*TENSORS[:FEW])
    sampler = BatchSampler(RandomSampler(TENSORS), batch_size, drop_last=False)
    memory, computed = (planted.Loader(rows, batch_size, framework="torch") for rows in (MEMORY, COMPUTED))
    usual = DataLoader(few, batch_size, shuffle=True)
    return [
        Contestant("planted, from memory", epoch(memory), ROWS, ours=True),
        Contestant("planted, computed on demand", epoch(computed), ROWS, ours=True),
        Contestant("DataLoader(TensorDataset, shuffle=True)", epoch(usual), FEW, target=TARGETS[batch_size]),
        Contestant("DataLoader(sampler=BatchSampler)", epoch(DataLoader(TENSORS, None, sampler=sampler)), ROWS),
        Contestant("NumPy permutation and indexing", with_numpy(batch_size), ROWS),
    ]


if __name__ == "__main__":
    given = options(__doc__)
    facts = machine("torch")
    print(
        f"DataLoader(TensorDataset, shuffle=True) reads {FEW:_} rows, the others {ROWS:_}: its time is linear in them,"
    )
    print("and all are compared per row.")
    results = [compare(f"batches of {size}", contestants(size), given.repeats) for size in TARGETS]
    write(given.json, facts, results)
