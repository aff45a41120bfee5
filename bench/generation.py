"""Making rows: 10^6 of 16 float32 features and a response, on all cores."""

import numpy as np
import torch
from sklearn.datasets import make_regression

import planted
from compare import Contestant, compare, machine, options, usually, write

ROWS, FEATURES, B, NOISE = usually(10**6, 10**3), 16, 4.2, 0.01
W = planted.weights(FEATURES, seed=1)


def ours(call):
    return planted.rows(planted.LinearTruth(W, B, NOISE), ROWS, seed=call)[:]


def ours_anew(call):
    """Another number of rows each call: so planted finds no block of memory that it gave back."""
    return planted.rows(planted.LinearTruth(W, B, NOISE), ROWS + call, seed=call)[:]


def with_torch(call):
    generator = torch.Generator().manual_seed(call)
    w = torch.as_tensor(W, dtype=torch.float32).reshape(-1, 1)
    X = torch.randn(ROWS, FEATURES, generator=generator)
    return X, X @ w + B + NOISE * torch.randn(ROWS, 1, generator=generator)


def with_numpy(call):
    generator = np.random.default_rng(call)
    w = W.astype(np.float32).reshape(-1, 1)
    X = generator.standard_normal((ROWS, FEATURES), dtype=np.float32)
    return X, X @ w + np.float32(B) + np.float32(NOISE) * generator.standard_normal((ROWS, 1), dtype=np.float32)


def with_sklearn(call):
    return make_regression(ROWS, FEATURES, noise=NOISE, random_state=call)


PEERS = [
    Contestant("torch randn", with_torch, ROWS, target=6),
    Contestant("NumPy standard_normal", with_numpy, ROWS, target=15),
    Contestant("scikit-learn make_regression (float64)", with_sklearn, ROWS, target=30),
]
# Two races: in one, blocks that another turn gave back would be used by the contestant that is to have none.
RACES = {
    f"{ROWS:_} rows of {FEATURES} features": Contestant("planted rows[:]", ours, ROWS, ours=True),
    "the same into memory fresh from the system": Contestant("planted rows[:], fresh", ours_anew, ROWS, ours=True),
}

if __name__ == "__main__":
    given = options(__doc__)
    facts = machine("torch", "scikit-learn")
    results = [compare(title, [contestant, *PEERS], given.repeats) for title, contestant in RACES.items()]
    write(given.json, facts, results)
