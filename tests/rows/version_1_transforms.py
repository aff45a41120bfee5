"""The laws of features once more, from `docs/version-1.md` alone: plain Python, beside `version_1`.

What comes in: values of one row, of its own and shared, and the law's parameters. What goes out: its features.
"""

import math
from fractions import Fraction

import version_1


def normals(count, i, purpose, seed, salt, real):
    """The first normals of row i, under the key of a purpose."""
    key = version_1.key_words(f"{purpose}{real.B}", seed, salt)[:2]
    return [version_1.normals(version_1.row_words(i, j // real.N, key), real)[j % real.N] for j in range(count)]


def affine(u, low, high, real):
    """Uniforms on another interval."""
    lo, width = real.rounded(low), real.rounded(high - low)
    return [real.rounded(real.rounded(width * value) + lo) for value in u]


def ar1(z, rho, real):
    """Each feature leans on the one before."""
    s, rho = real.rounded(math.sqrt(1.0 - rho * rho)), real.rounded(rho)
    x = [z[0]]
    for own in z[1:]:
        x.append(real.rounded(real.rounded(rho * x[-1]) + real.rounded(s * own)))
    return x


def equicorrelated(z, f, rho, real):
    """All features lean on one factor."""
    a, c = real.rounded(math.sqrt(rho)), real.rounded(math.sqrt(1.0 - rho))
    return [real.rounded(real.rounded(a * f) + real.rounded(c * own)) for own in z]


def cholesky(matrix):
    """The factor of a covariance: a list of rows, in float64."""
    d = len(matrix)
    rest = [list(row) for row in matrix]
    L = [[0.0] * d for _ in range(d)]
    least = float(d) * 2.0**-52 * max(matrix[j][j] for j in range(d))
    for k in range(d):
        if rest[k][k] <= least:
            continue
        L[k][k] = math.sqrt(rest[k][k])
        for j in range(k + 1, d):
            L[j][k] = rest[j][k] / L[k][k]
        for j in range(k + 1, d):
            for m in range(k + 1, j + 1):
                product = L[j][k] * L[m][k]
                rest[j][m] = rest[j][m] - product
    return L


def dot(weights, values, real):
    """Products, each rounded, added up from the first on."""
    total = real.rounded(weights[0] * values[0])
    for weight, value in zip(weights[1:], values[1:], strict=True):
        total = real.rounded(total + real.rounded(weight * value))
    return total


def covariance(z, matrix, real):
    """Features of this covariance."""
    L = [[real.rounded(entry) for entry in row] for row in cholesky(matrix)]
    return [dot(L[j][: j + 1], z[: j + 1], real) for j in range(len(z))]


def sign(j, k):
    """With which sign factor k enters feature j."""
    word = version_1.row_words(j, k // 128, version_1.key_words("loadings", 0)[:2])[k // 32 % 4]
    return -1.0 if word >> k % 32 & 1 else 1.0


def low_rank(z, f, tail_strength, real):
    """A few factors for all."""
    size = math.sqrt((1.0 - tail_strength) / len(f))
    c = real.rounded(math.sqrt(tail_strength))
    x = []
    for j, own in enumerate(z):
        loadings = [real.rounded(sign(j, k) * size) for k in range(len(f))]
        x.append(real.rounded(dot(loadings, f, real) + real.rounded(c * own)))
    return x


def polynomial(z, degree, scaled, real):
    """Powers of each variable."""
    x = []
    for value in z:
        power = value
        for p in range(1, degree + 1):
            power = real.rounded(power * value) if p > 1 else value
            x.append(real.rounded(power * real.rounded(1 / math.factorial(p) if scaled else 1.0)))
    return x


def thresholds(probabilities):
    """Sums of probabilities, exact, times 2^32."""
    exact = [sum(map(Fraction, probabilities[: k + 1])) * 2**32 for k in range(len(probabilities) - 1)]
    return [round(total) for total in exact]


def level(word, limits):
    """The level of a word."""
    return sum(limit <= word for limit in limits)


def levels_of(count, probabilities, i, seed, salt, real):
    """The levels of the first variables of row i."""
    key, limits = version_1.key_words(f"features{real.B}", seed, salt)[:2], thresholds(probabilities)
    return [level(version_1.row_words(i, v // 4, key)[v % 4], limits) for v in range(count)]


def categorical(levels, count, drop_first):
    """Indicators of `count` levels."""
    return [float(level == k) for level in levels for k in range(int(drop_first), count)]
