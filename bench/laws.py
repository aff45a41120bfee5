"""Rows of each law against rows of the normal law, and what is usually written by hand for AR(1) and a covariance."""

import numpy as np
from scipy.signal import lfilter

import planted
from compare import Contestant, compare, machine, options, usually, write
from planted import features, noise

ROWS, D, B = usually(1 << 20, 1 << 10), 16, 4.2
WIDE = 64
RHO = 0.9


def covariance(d):
    shared = np.random.default_rng(0).standard_normal((d, d))
    product = shared @ shared.T / d
    return (product + product.T) / 2


FEATURES = [
    features.Normal(),
    features.Uniform(-1, 1),
    features.StudentT(3),
    features.AR1(RHO),
    features.Equicorrelated(0.3),
    features.Covariance(covariance(D)),
    features.LowRank(5, 0.1),
    features.Categorical([0.6, 0.2, 0.2]),
    features.Polynomial(4, scaled=True),
]
NOISES = [
    noise.StudentT(3, 0.5),
    noise.Laplace(0.5),
    noise.Contaminated(0.5, 0.1, 10),
    noise.Heteroscedastic(0.5, 2),
    noise.Clustered(0.5, 0.3, 20),
]


def ours(law, of_noise=0.01, d=D, rows=ROWS, dtype="float32"):
    truth = planted.LinearTruth(planted.weights(d, seed=1), B, of_noise, law)
    return lambda call: planted.rows(truth, rows, seed=call, dtype=dtype)[:]


def laws_race(dtype):
    """Each law takes its time next to the normal one's."""
    contestants = [Contestant("planted, normal", ours(FEATURES[0], dtype=dtype), ROWS, ours=True)]
    contestants += [Contestant(f"features {law.name}", ours(law, dtype=dtype), ROWS) for law in FEATURES[1:]]
    contestants += [Contestant(f"noise {law.name}", ours(FEATURES[0], law, dtype=dtype), ROWS) for law in NOISES]
    return f"{ROWS:_} rows of {D} features, {dtype}, by law", contestants


def line(generator, X, w):
    return X, X @ w + np.float32(B) + np.float32(0.01) * generator.standard_normal(len(X), dtype="float32")


def ar1_race():
    """The recursion by hand: SciPy's filter, and a loop over the columns."""
    w, own = planted.weights(D, seed=1).astype("float32"), np.float32(np.sqrt(1 - RHO**2))

    def filtered(call):
        generator = np.random.default_rng(call)
        Z = generator.standard_normal((ROWS, D), dtype="float32")
        Z[:, 1:] *= own
        return line(generator, lfilter([1], [1, -RHO], Z).astype("float32"), w)

    def in_place(call):
        """As skglm and benchopt make it: float64, a column of the rows after the other."""
        generator = np.random.default_rng(call)
        X = generator.standard_normal((ROWS, D))
        for j in range(1, D):
            X[:, j] *= np.sqrt(1 - RHO**2)
            X[:, j] += RHO * X[:, j - 1]
        return X, X @ w + B + 0.01 * generator.standard_normal(ROWS)

    def by_columns(call):
        generator = np.random.default_rng(call)
        X = generator.standard_normal((D, ROWS), dtype="float32")
        for j in range(1, D):
            X[j] = np.float32(RHO) * X[j - 1] + own * X[j]
        return line(generator, X.T, w)

    contestants = [
        Contestant("planted AR1", ours(features.AR1(RHO)), ROWS, ours=True),
        Contestant("NumPy, scipy.signal.lfilter", filtered, ROWS),
        Contestant("NumPy, as skglm makes it, float64", in_place, ROWS),
        Contestant("NumPy, transposed, column after column", by_columns, ROWS),
    ]
    return f"AR(1): {ROWS:_} rows of {D} features, float32", contestants


def covariance_race():
    wanted, rows = covariance(WIDE), ROWS // 4
    L = np.linalg.cholesky(wanted + 1e-9 * np.eye(WIDE)).astype("float32")
    w = planted.weights(WIDE, seed=1).astype("float32")

    def by_hand(call):
        generator = np.random.default_rng(call)
        return line(generator, generator.standard_normal((rows, WIDE), dtype="float32") @ L.T, w)

    contestants = [
        Contestant("planted Covariance", ours(features.Covariance(wanted), d=WIDE, rows=rows), rows, ours=True),
        Contestant("NumPy standard_normal @ L.T", by_hand, rows),
    ]
    return f"a covariance: {rows:_} rows of {WIDE} features, float32", contestants


if __name__ == "__main__":
    given = options(__doc__)
    facts = machine()
    races = [laws_race("float32"), laws_race("float64"), ar1_race(), covariance_race()]
    write(given.json, facts, [compare(title, contestants, given.repeats) for title, contestants in races])
