"""Making rows: 10^6 of 16 float32 features and a response, on all cores."""

import numpy as np
import torch
from sklearn.datasets import make_regression

import planted
from compare import Contestant, compare, machine, options, write

ROWS, FEATURES, B, NOISE = 10**6, 16, 4.2, 0.01
W = planted.weights(FEATURES, seed=1)


def ours(turn):
    return planted.rows(planted.LinearTruth(W, B, NOISE), ROWS, seed=turn)[:]


def ours_anew(turn):
    """Another number of rows each round: so planted finds no block of memory that it gave back in the last."""
    return planted.rows(planted.LinearTruth(W, B, NOISE), ROWS + turn, seed=turn)[:]


def with_torch(turn):
    generator = torch.Generator().manual_seed(turn)
    w = torch.as_tensor(W, dtype=torch.float32).reshape(-1, 1)
    X = torch.randn(ROWS, FEATURES, generator=generator)
    return X, X @ w + B + NOISE * torch.randn(ROWS, 1, generator=generator)


def with_numpy(turn):
    generator = np.random.default_rng(turn)
    w = W.astype(np.float32).reshape(-1, 1)
    X = generator.standard_normal((ROWS, FEATURES), dtype=np.float32)
    return X, X @ w + np.float32(B) + np.float32(NOISE) * generator.standard_normal((ROWS, 1), dtype=np.float32)


def with_sklearn(turn):
    return make_regression(ROWS, FEATURES, noise=NOISE, random_state=turn)


CONTESTANTS = [
    Contestant("planted rows[:]", ours, ROWS, ours=True),
    Contestant("planted rows[:], fresh memory", ours_anew, ROWS, ours=True),
    Contestant("torch randn", with_torch, ROWS, target=6),
    Contestant("NumPy standard_normal", with_numpy, ROWS, target=15),
    Contestant("scikit-learn make_regression (float64)", with_sklearn, ROWS, target=30),
]

if __name__ == "__main__":
    given = options(__doc__)
    facts = machine("torch", "scikit-learn")
    write(given.json, facts, [compare(f"{ROWS:_} rows of {FEATURES} features", CONTESTANTS, given.repeats)])
