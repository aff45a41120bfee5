"""The laws of noise and the drawn truths of version 1, written from `docs/version-1.md` alone, as `version_1` is."""

import math

import version_1
import version_1_fills as fills
import version_1_transforms as transforms


def noise(law, x0, i, seed, salt, real):
    """What is added to the response of row i: `law` is a name and its numbers, x0 the row's first feature."""
    name, *numbers = law

    def key(purpose):
        return version_1.key_words(f"{purpose}{real.B}", seed, salt)[:2]

    if name == "student_t":
        df, scale = numbers
        return fills.student_t(i, 1, key("noise"), real, df)[0] * scale
    if name == "laplace":
        return fills.laplace(i, 1, key("noise"), real)[0] * numbers[0]
    e = transforms.normals(1, i, "noise", seed, salt, real)[0]
    if name == "contaminated":
        scale, fraction, factor = numbers
        limit = round(fraction * 2**32)
        louder = fills.levels(i, 1, key("mixture"), real, [limit])[0] == 0
        return e * (scale * factor) if louder else e * scale
    if name == "heteroscedastic":
        scale, gamma = numbers
        return e * (math.sqrt(1 + gamma * (x0 * x0)) * scale)
    scale, icc, size = numbers
    u = transforms.normals(1, i // size, "clusters", seed, salt, real)[0]
    return (u * math.sqrt(icc) + e * math.sqrt(1 - icc)) * scale


def drawn_weights(d, informative, scale, seed, salt):
    """The weights of a drawn truth."""

    def values(purpose):
        key = version_1.key_words(purpose, seed, salt)[:2]
        return [version_1.normals(version_1.row_words(j // 2, 0, key), version_1.FLOAT64)[j % 2] for j in range(d)]

    least = sorted(range(d), key=values("support").__getitem__)[:informative]
    return [value * scale if j in least else 0.0 for j, value in enumerate(values("coefficients"))]
