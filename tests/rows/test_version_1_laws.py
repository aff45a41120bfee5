"""The laws of noise, and features of words, against programs written from the page alone: bit for bit."""

import numpy as np
import pytest
import version_1
import version_1_fills
import version_1_noise
from comparisons import patterns

import planted
from planted import features, noise

ROWS = [0, 1, 19, 20, 12345, 2**32, 2**63 - 1]
DRAWN = [(0, ""), (714, "Übung №1"), (2**200, "a/b")]
W, B = [2.0, -3.4, 0.5], 4.2


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("seed", "salt"), DRAWN)
@pytest.mark.parametrize(
    ("law", "numbers"),
    [
        (noise.StudentT, (3.0, 0.5)),
        (noise.StudentT, (1.0, 1e-3)),
        (noise.Laplace, (0.5,)),
        (noise.Contaminated, (0.5, 0.3, 10.0)),
        (noise.Contaminated, (0.5, 1.0, 10.0)),
        (noise.Heteroscedastic, (0.5, 2.0)),
        (noise.Clustered, (0.5, 0.3, 20)),
    ],
)
def test_noise(law, numbers, seed, salt, dtype):
    truth = planted.LinearTruth(W, B, law(*numbers))
    y = planted.rows(truth, 2**63, seed=seed, salt=salt, dtype=dtype).take(ROWS).y
    real, expected = version_1.REALS[dtype], []
    for i in ROWS:
        x = version_1.features(i, len(W), seed, salt, real)
        v = B
        for value, weight in zip(x, W, strict=True):
            v += value * weight
        expected.append(real.rounded(v + version_1_noise.noise((law.name, *numbers), x[0], i, seed, salt, real)))
    assert patterns(y) == patterns(np.array(expected, dtype)[:, np.newaxis])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("seed", "salt"), DRAWN)
def test_features_of_words(seed, salt, dtype):
    real = version_1.REALS[dtype]
    key = version_1.key_words(f"features{real.B}", seed, salt)[:2]
    low, width = real.rounded(-1.3), real.rounded(0.9 - -1.3)
    expected = {
        features.Uniform(-1.3, 0.9): lambda i: [
            real.rounded(real.rounded(width * u) + low) for u in version_1_fills.uniforms(i, 7, key, real)
        ],
        features.StudentT(2.5): lambda i: version_1_fills.student_t(i, 7, key, real, 2.5),
    }
    for law, program in expected.items():
        truth = planted.LinearTruth(np.ones(7), features=law)
        X = planted.rows(truth, 2**63, seed=seed, salt=salt, dtype=dtype).take(ROWS).X
        assert patterns(X) == patterns(np.array([program(i) for i in ROWS], dtype)), law


@pytest.mark.parametrize(("seed", "salt"), DRAWN)
@pytest.mark.parametrize(("d", "informative"), [(1, 1), (9, 4), (10, 10), (300, 7)])
def test_drawn_truths(d, informative, seed, salt):
    truth = planted.LinearTruth.draw(d, informative=informative, scale=1.5, seed=seed, salt=salt)
    assert truth.w.tolist() == version_1_noise.drawn_weights(d, informative, 1.5, seed, salt)
