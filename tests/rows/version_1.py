"""Version 1 once more, written from `docs/version-1.md` alone: plain Python, no NumPy, nothing of planted.

What comes in: Python's integers, floats and strings. What goes out: the same, bit for bit what planted makes. It is
slow and needs no speed: it shows that the page is enough. Python's floats are float64 and correctly rounded. float32 is
made of them by rounding after every operation, which gives the correctly rounded float32 for ``+ - * sqrt``, because 53
bits are more than twice 24. The constants are spelt in hexadecimal here and in decimal in planted: neither is a copy of
the other.
"""

import hashlib
import math
import struct
from functools import cache
from typing import NamedTuple

WORD = 0xFFFFFFFF

# ---- keys -----------------------------------------------------------------------------------------------------


@cache
def key_words(purpose: str, seed: int, salt: str = "", epoch: int | None = None) -> tuple[int, ...]:
    """The sixteen words ``K[0]`` ... ``K[15]`` of a label."""
    return label_words(label(purpose, seed, salt, epoch))


def label(purpose: str, seed: int, salt: str = "", epoch: int | None = None) -> str:
    """What is hashed."""
    return "/".join(("planted", "1", purpose, format(seed, "x"), "" if epoch is None else format(epoch, "x"), salt))


def label_words(text: str) -> tuple[int, ...]:
    """The digest of a label, cut into sixteen words."""
    return struct.unpack("<16I", hashlib.sha512(text.encode("utf-8")).digest())


# ---- bits -----------------------------------------------------------------------------------------------------

M0, M1 = 0xD2511F53, 0xCD9E8D57
W0, W1 = 0x9E3779B9, 0xBB67AE85


def philox(counter: tuple[int, int, int, int], key: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Philox4x32-10: four words from a counter of four and a key of two."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = M0 * c0, M1 * c2
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & WORD, p0 >> 32 ^ c3 ^ k1, p0 & WORD
        k0, k1 = k0 + W0 & WORD, k1 + W1 & WORD
    return c0, c1, c2, c3


def row_words(i: int, g: int, key: tuple[int, ...]) -> tuple[int, int, int, int]:
    """The four words of row number i and group g."""
    return philox((i % 2**32, i // 2**32, g, 0), key)


# ---- the two types --------------------------------------------------------------------------------------------


class Real(NamedTuple):
    """A floating-point type: how it is stored, and the constants of its normals."""

    name: str
    number_format: str
    integer_format: str
    B: int
    M: int
    N: int
    LN2: float
    ROOT_HALF: float
    LOG: tuple[float, ...]
    SINE: tuple[float, ...]
    COSINE: tuple[float, ...]

    def rounded(self, x: float) -> float:
        """The nearest number of the type, ties to even; beyond the largest one, infinity."""
        try:
            return struct.unpack(self.number_format, struct.pack(self.number_format, x))[0]
        except OverflowError:
            return math.copysign(math.inf, x)

    def bits(self, x: float) -> int:
        """The bit pattern of a number, read as a signed integer."""
        return struct.unpack(self.integer_format, struct.pack(self.number_format, x))[0]

    def number(self, pattern: int) -> float:
        """The number of a bit pattern."""
        return struct.unpack(self.number_format, struct.pack(self.integer_format, pattern))[0]

    def signed(self, word: int) -> int:
        """A (wide) word read as a signed integer."""
        return word - 2**self.B if word >= 2 ** (self.B - 1) else word


def constants(*spelled: str) -> tuple[float, ...]:
    """Numbers from their hexadecimal spelling."""
    return tuple(map(float.fromhex, spelled))


FLOAT32 = Real(
    "float32",
    "<f",
    "<i",
    B=32,
    M=23,
    N=4,
    LN2=float.fromhex("0x1.62e4300000000p-1"),
    ROOT_HALF=float.fromhex("0x1.6a09e60000000p-1"),
    LOG=constants(
        "0x1.5555540000000p-2",
        "-0x1.0002260000000p-2",
        "0x1.99a0000000000p-3",
        "-0x1.54728a0000000p-3",
        "0x1.22db100000000p-3",
        "-0x1.0d83660000000p-3",
        "0x1.05534c0000000p-3",
        "-0x1.38aabc0000000p-4",
    ),
    SINE=constants(
        "0x1.921fb60000000p-1",
        "-0x1.4abbb80000000p-4",
        "0x1.465e920000000p-9",
        "-0x1.2d93040000000p-15",
    ),
    COSINE=constants(
        "-0x1.3bd3cc0000000p-2",
        "0x1.03c1de0000000p-6",
        "-0x1.55c5e20000000p-12",
        "0x1.d9c3260000000p-19",
    ),
)

FLOAT64 = Real(
    "float64",
    "<d",
    "<q",
    B=64,
    M=52,
    N=2,
    LN2=float.fromhex("0x1.62e42fefa39efp-1"),
    ROOT_HALF=float.fromhex("0x1.6a09e667f3bcdp-1"),
    LOG=constants(
        "0x1.5555555555533p-2",
        "-0x1.fffffffffef2ap-3",
        "0x1.999999999f747p-3",
        "-0x1.5555555669fe0p-3",
        "0x1.24924922a2cedp-3",
        "-0x1.ffffff2cc4705p-4",
        "0x1.c71c71e186ad3p-4",
        "-0x1.9999c24a68e67p-4",
        "0x1.745d3ec92ba8cp-4",
        "-0x1.5550f136e2387p-4",
        "0x1.3b0b92578ec73p-4",
        "-0x1.24d73101aa9fap-4",
        "0x1.11cc76bd8b4c6p-4",
        "-0x1.fba28c9423f1ep-5",
        "0x1.d0625e2a089edp-5",
        "-0x1.d12502d2ebd8bp-5",
        "0x1.0a57844bd2102p-4",
        "-0x1.e9e06d281dd22p-5",
        "0x1.ac53987dc05fbp-6",
    ),
    SINE=constants(
        "0x1.921fb54442d18p-1",
        "-0x1.4abbce625be41p-4",
        "0x1.466bc677586f7p-9",
        "-0x1.32d2cce2d4db4p-15",
        "0x1.50782fca075f8p-22",
        "-0x1.e300638d6dc8fp-30",
        "0x1.e3eed65c199b0p-38",
    ),
    COSINE=constants(
        "-0x1.3bd3cc9be45dep-2",
        "0x1.03c1f081b5ab4p-6",
        "-0x1.55d3c7e3c98cep-12",
        "0x1.e1f50683cedacp-19",
        "-0x1.a6d1ecaedbc24p-26",
        "0x1.f9cc531709775p-34",
        "-0x1.b264c35278557p-42",
    ),
)

REALS = {"float32": FLOAT32, "float64": FLOAT64}


# ---- normals --------------------------------------------------------------------------------------------------


def polynomial(C: tuple[float, ...], x: float, real: Real) -> float:
    """Horner's rule, each operation rounded."""
    rounded = real.rounded
    v = C[-1]
    for i in range(len(C) - 2, -1, -1):
        v = rounded(rounded(v * x) + C[i])
    return v


class Uniform(NamedTuple):
    """The steps from a word to ``-log(u)``, by their names on the page."""

    s: int
    c: float
    u: float
    exponent: int
    f: float
    q: float
    l: float  # noqa: E741 - the page's name
    m: float


def minus_log_uniform(r: int, real: Real) -> Uniform:
    """``-log(u)`` of a (wide) word, with the steps that lead there."""
    rounded = real.rounded
    s = real.signed(r)
    c = rounded(rounded(rounded(float(s)) * 2.0**-real.B) + 2.0 ** -(real.B + 1))
    u = rounded(1.0 + c) if s < 0 else c
    p = real.bits(u)
    exponent = (p - real.bits(real.ROOT_HALF)) >> real.M
    f = c if exponent == 0 else rounded(real.number(p - exponent * 2**real.M) - 1.0)
    q = rounded(f * f)
    l = rounded(rounded(rounded(q * f) * polynomial(real.LOG, f, real)) - rounded(0.5 * q))  # noqa: E741
    m = -rounded(rounded(rounded(float(exponent) * real.LN2) + l) + f)
    return Uniform(s, c, u, exponent, f, q, l, m)


class Pair(NamedTuple):
    """The steps from two words to two normals, by their names on the page."""

    radius: float
    t: float
    z: float
    sine: float
    cosine: float
    normals: tuple[float, float]


def normal_pair(r: int, a: int, real: Real) -> Pair:
    """Two normals of two (wide) words, with the steps that lead there."""
    rounded = real.rounded
    radius = rounded(math.sqrt(rounded(2.0 * minus_log_uniform(r, real).m)))
    if a >> (real.B - 1) & 1:
        radius = -radius
    t = rounded(rounded(rounded(float(real.signed(a << 2 & 2**real.B - 1))) + 2.0) * 2.0 ** -(real.B - 1))
    z = rounded(t * t)
    sine = rounded(polynomial(real.SINE, z, real) * t)
    cosine = rounded(rounded(polynomial(real.COSINE, z, real) * z) + 1.0)
    first, second = (sine, cosine) if a >> (real.B - 2) & 1 else (cosine, sine)
    return Pair(radius, t, z, sine, cosine, (rounded(radius * first), rounded(radius * second)))


def normals(words: tuple[int, int, int, int], real: Real) -> tuple[float, ...]:
    """The normals of a group."""
    w0, w1, w2, w3 = words
    if real is FLOAT32:
        return normal_pair(w0, w1, real).normals + normal_pair(w2, w3, real).normals
    return normal_pair(w0 | w1 << 32, w2 | w3 << 32, real).normals


# ---- rows -----------------------------------------------------------------------------------------------------


def features(i: int, d: int, seed: int, salt: str, real: Real) -> list[float]:
    """The d features of row number i."""
    key = key_words(f"features{real.B}", seed, salt)[:2]
    groups = [normals(row_words(i, g, key), real) for g in range((d - 1) // real.N + 1)]
    return [groups[j // real.N][j % real.N] for j in range(d)]


def noise_normal(i: int, seed: int, salt: str, real: Real) -> float:
    """The normal e of row number i."""
    return normals(row_words(i, 0, key_words(f"noise{real.B}", seed, salt)[:2]), real)[0]


def response(x: list[float], e: float, w: list[float], b: float, noise: float) -> float:
    """The response in float64, not yet rounded to the rows' type."""
    v = b
    for j in range(len(w)):
        v = v + x[j] * w[j]
    return v + e * noise


def row(i: int, w: list[float], b: float, noise: float, seed: int, salt: str, dtype: str) -> tuple[list[float], float]:
    """Features and response of row number i."""
    real = REALS[dtype]
    x = features(i, len(w), seed, salt, real)
    return x, real.rounded(response(x, noise_normal(i, seed, salt, real), w, b, noise))


def weights(d: int, seed: int, salt: str = "") -> list[float]:
    """Planted weights."""
    key = key_words("weights", seed, salt)[:2]
    return [normals(row_words(j // 2, 0, key), FLOAT64)[j % 2] for j in range(d)]


# ---- the order ------------------------------------------------------------------------------------------------

X0, X1 = 0x7FEB352D, 0x846CA68B


@cache
def table(n: int, k0: int, k1: int) -> tuple[int, ...]:
    """Fisher-Yates: the rows at positions 0 to n - 1."""
    rows = list(range(n))
    for i in range(n - 1, 0, -1):
        w0, w1, _, _ = philox((i, 0, 0, 0), (k0, k1))
        j = (w0 | w1 << 32) * (i + 1) >> 64
        rows[i], rows[j] = rows[j], rows[i]
    return tuple(rows)


def mix(h: int, before: int, between: int) -> int:
    """The round function."""
    h ^= before
    h = (h ^ h >> 16) * X0 & WORD
    h = h + between & WORD
    h = (h ^ h >> 15) * X1 & WORD
    return h ^ h >> 16


def feistel(p: int, n: int, K: tuple[int, ...], steps: range) -> int:
    """The bijection of the integers that have no more bits than n - 1."""
    bits = (n - 1).bit_length()
    L = bits // 2
    R = bits - L
    left, right = p >> R, p & 2**R - 1
    for step in steps:
        if step % 2 == 0:
            left ^= mix(right, K[2 * step], K[2 * step + 1]) & 2**L - 1
        else:
            right ^= mix(left, K[2 * step], K[2 * step + 1]) & 2**R - 1
    return left << R | right


def row_at(p: int, n: int, seed: int, epoch: int, salt: str = "", purpose: str = "order") -> int:
    """The row number at a position."""
    K = key_words(purpose, seed, salt, epoch)
    return table(n, *K[:2])[p] if n <= 4096 else _walk(p, n, K, range(8))


def position_of(r: int, n: int, seed: int, epoch: int, salt: str = "") -> int:
    """The position of a row number."""
    K = key_words("order", seed, salt, epoch)
    return table(n, *K[:2]).index(r) if n <= 4096 else _walk(r, n, K, range(7, -1, -1))


def _walk(p: int, n: int, K: tuple[int, ...], steps: range) -> int:
    p = feistel(p, n, K, steps)
    while p >= n:
        p = feistel(p, n, K, steps)
    return p


# ---- the block shuffle ----------------------------------------------------------------------------------------


def block_order(edges: list[int], pool: int, seed: int, epoch: int, salt: str = "") -> list[int]:
    """The row numbers at all positions."""

    def permuted(purpose: str, n: int) -> list[int]:
        return [row_at(p, n, seed, epoch, salt, purpose) for p in range(n)]

    N = len(edges) - 1
    P = (N + pool - 1) // pool
    order: list[int] = []
    places = permuted("blocks", N)
    for p in range(P):
        rows: list[int] = []
        for j in range(p * N // P, (p + 1) * N // P):
            k = places[j]
            rows += range(edges[k], edges[k + 1])
        order += [rows[i] for i in permuted(f"pool{p:x}", len(rows))]
    return order
