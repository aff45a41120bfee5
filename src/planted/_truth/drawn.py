"""A drawn truth: weights of which an exact number is not zero, and noise that makes the ratio of variances exact."""

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from planted._input import real
from planted._random import key_words, standard_normals
from planted._truth.laws import NoiseLaw
from planted.errors import InvalidValueError

if TYPE_CHECKING:
    from planted._truth.linear import LinearTruth


def drawn_weights(d: int, informative: int, scale: float, seed: int, salt: str) -> npt.NDArray[np.float64]:
    """Normal weights, shape (d,); those stay whose values under the key "support" are the least."""
    w = _drawn("coefficients", d, seed, salt) * scale
    w[np.argsort(_drawn("support", d, seed, salt), kind="stable")[informative:]] = 0.0
    return w


def _drawn(purpose: str, count: int, seed: int, salt: str) -> npt.NDArray[np.float64]:
    k0, k1, *_ = key_words(purpose, seed, salt=salt)
    return standard_normals(count, (k0, k1))


def ratio_of(snr: float | None, r2: float | None) -> float | None:
    """The ratio of variances that was asked for."""
    if snr is not None and r2 is not None:
        raise InvalidValueError(f"snr={snr!r} and r2={r2!r} say the same: use one of them")
    if r2 is not None:
        share = real(r2, "r2", remedy="use the share of the variance that is signal, such as r2=0.5")
        if not 0 < share < 1:
            raise InvalidValueError(f"r2={share!r} must be more than 0 and less than 1: use noise=0 for r2 = 1")
        return share / (1 - share)
    if snr is None:
        return None
    ratio = real(snr, "snr", remedy="use the variance of X w over that of the noise, such as snr=2")
    if ratio <= 0:
        raise InvalidValueError(f"snr={ratio!r} must be more than 0: use scale=0 for no signal")
    return ratio


def noise_at(truth: "LinearTruth", ratio: float) -> NoiseLaw:
    """The truth's law of noise, so loud that the ratio of variances is this one."""
    form: NoiseLaw = truth.noise.with_scale(1.0)
    signal, noise = truth.signal_variance, form.variance_with(truth.feature_law)
    if not signal or not math.isfinite(noise):
        what, law = ("X w", truth.feature_law) if not signal else ("the noise", form)
        size = "0" if signal == 0 else "infinite"
        raise InvalidValueError(
            f"snr={ratio!r} with {law!r}: the variance of {what} is {size}, so no noise has this ratio: name the "
            "noise's scale instead"
        )
    return form.with_scale(math.sqrt(signal / ratio / noise))
