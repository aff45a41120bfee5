"""As many values in other shapes: from many rows of few features to one row of very many, and planted weights."""

import numpy as np

import planted
from compare import Contestant, compare, machine, options, usually, write

VALUES, B, NOISE = usually(1 << 24, 1 << 14), 4.2, 0.01
FEATURES = [16, 1 << 10, 1 << 14, VALUES >> 4, VALUES]
TAKEN = 10  # rows, in a call


def weights(features):
    return np.resize(planted.weights(min(features, 1 << 10), seed=1), features)


def ours(features, dtype):
    truth = planted.LinearTruth(weights(features), B, NOISE)
    return lambda call: planted.rows(truth, VALUES // features, seed=call, dtype=dtype)[:]


def with_numpy(features, dtype):
    w, rows, real = weights(features).astype(dtype), VALUES // features, np.dtype(dtype).type

    def make(call):
        generator = np.random.default_rng(call)
        X = generator.standard_normal((rows, features), dtype=dtype)
        return X, X @ w + real(B) + real(NOISE) * generator.standard_normal(rows, dtype=dtype)

    return make


def race(features, dtype):
    rows = VALUES // features
    contestants = [
        Contestant("planted rows[:]", ours(features, dtype), rows, ours=True),
        Contestant("NumPy standard_normal", with_numpy(features, dtype), rows),
    ]
    return f"{rows:_} rows of {features:_} features, {dtype}", contestants


def weights_race():
    contestants = [
        Contestant("planted.weights", lambda call: planted.weights(VALUES, seed=call), VALUES, ours=True),
        Contestant("NumPy standard_normal", lambda call: np.random.default_rng(call).standard_normal(VALUES), VALUES),
    ]
    return f"{VALUES:_} weights", contestants


def taken_race():
    """Ten rows at a time: what a call costs before it does anything."""
    rows = planted.regression(planted.weights(16, seed=1), n=usually(10**5, 10**3))
    numbers = np.random.default_rng(1).integers(0, len(rows), TAKEN)
    memory = rows.materialize()
    X, y = np.array(memory.X), np.array(memory.y)
    contestants = [
        Contestant("planted take, from memory", lambda _: memory.take(numbers), TAKEN, ours=True),
        Contestant("planted take, computed", lambda _: rows.take(numbers), TAKEN),
        Contestant("X[numbers], y[numbers]", lambda _: (X[numbers], y[numbers]), TAKEN),
    ]
    return f"{TAKEN} rows of 16 features, by number", contestants


if __name__ == "__main__":
    given = options(__doc__)
    facts = machine()
    races = [race(features, dtype) for dtype in ("float32", "float64") for features in FEATURES]
    races += [weights_race(), taken_race()]
    write(given.json, facts, [compare(title, contestants, given.repeats) for title, contestants in races])
