"""Looks for one rule that explains all wrong rows: a `Change` of each column.

The simplest change that explains nine in ten of the rows, to within the rounding of their precision, is taken. To fit
it, pairs of a wrong row and an expected one are needed. They are, in this order (see `search`),

1. the rows that the wrong ones were recognised as, by a value that they share, or by their number;
2. the rows at the same position, for loaders that do not shuffle;
3. where neither helps, and no value is as it was: each column by itself. A change keeps, or turns round, the order of
   the values, so that the sorted columns are pairs; if some rows did not come, a low and a high value are two pairs. A
   rule that is found in this way must then lead from one expected row to each wrong row, in all columns together.

A rule is never looked for among rows that are as expected. It is named only if it explains at least `FEWEST` rows, and
in each column `SPARE` more different values than it has numbers to fit. Each agrees to within some units of rounding,
as chance has it once in 2^20 times in float32 and once in 2^8 in float16: four of them, once in 2^80, or in 2^32.
"""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from planted._matching.change import Change, Rule
from planted._matching.delivery import Float64s
from planted._matching.expected import FRACTION_BITS, Expected, bits_of, hashed, rounded
from planted._types import RowNumbers

FEWEST: Final = 8  # rows that a rule must explain
SPARE: Final = 4  # different values that it must explain beyond as many as it has numbers to fit
SHARE: Final = 0.9  # of the rows that it must explain
SAMPLE: Final = 1 << 12  # pairs that a rule is fitted to
MOST_SORTED: Final = 1 << 19  # values of rows without pairs; more are not looked through
EXTREMES: Final = 4  # lowest and highest values that are tried as pairs
DECIMALS: Final = range(9)
PRECISIONS: Final = ("float32", "float16", "bfloat16")
TINY: Final = 1e-300  # instead of a divisor of 0
DOUBLE: Final = 2.0**-45  # rounding in float64, of sums too, relative to the values

Fit = Callable[[int], Change | None]  # of the number of a column
Numbers = npt.NDArray[np.intp]


class Found(NamedTuple):
    """A rule, and the wrong rows that it explains."""

    rule: Rule
    rows: RowNumbers  # the expected row that each wrong row was, -1 where the rule does not explain it


def fit_pairs(delivered: Float64s, rows: RowNumbers, expected: Expected) -> Found | None:
    """Look for a rule that leads from these expected rows to the delivered ones, one from each."""
    if len(rows) < FEWEST:
        return None
    usual = ("same", expected.precision)
    expected, eps = replace(expected, precision="float64"), _precision(delivered)
    step = -(-len(rows) // SAMPLE)
    changes = tuple(map(_fit(delivered[::step], expected.take(rows[::step]), eps), range(len(eps))))
    if all(change is None or (change.name in usual and change.source == j) for j, change in enumerate(changes)):
        return None
    explained = np.ones(len(rows), bool)
    for first in range(0, len(rows), SAMPLE):
        part = slice(first, first + SAMPLE)
        values = expected.take(rows[part])
        for j, change in enumerate(changes):
            if change is not None:
                explained[part] &= change.explains(delivered[part, j], values[:, change.source], eps[j])
    if explained.sum() < max(FEWEST, SHARE * len(rows)):
        return None
    return Found(changes, np.where(explained, rows, -1))


def fit_without_pairs(delivered: Float64s, rows: RowNumbers, expected: Expected, known: Rule) -> Found | None:
    """Look for a rule that leads from some of these expected rows to the delivered ones, where it is not known which.

    `known` is a rule that was found before.
    """
    most = MOST_SORTED // delivered.shape[1]
    if not FEWEST <= len(delivered) <= most or len(rows) > most or not np.isfinite(delivered).all():
        return None
    values, eps = replace(expected, precision="float64").take(rows), _precision(delivered)
    attempts: list[Callable[[], Rule]] = [lambda: known]
    if len(delivered) == len(values):
        attempts.append(lambda: _sorted_changes(delivered, values, eps))
    attempts.append(lambda: _while_found(map(_of_some, delivered.T, values.T, range(len(eps)), eps)))
    for attempt in attempts:
        rule = attempt()
        found = recognise_rows(delivered, rows, expected, rule)
        at = np.flatnonzero(found >= 0)
        if len(at) >= max(FEWEST, SHARE * len(delivered)):
            fitted = fit_pairs(delivered[at], found[at], expected)  # by all rows, which may be simpler
            return Found(rule if fitted is None else fitted.rule, found)
    return None


def recognise_rows(delivered: Float64s, rows: RowNumbers, expected: Expected, rule: Rule) -> RowNumbers:
    """For each delivered row which of these expected rows it was before the rule was applied to it; -1 if none.

    Where the rule makes rows equal, the first to come is taken for the lowest, as elsewhere.
    """
    from scipy.spatial import cKDTree

    found = np.full(len(delivered), -1)
    changes = [change for change in rule if change is not None]
    finite = np.flatnonzero(np.isfinite(delivered).all(axis=1))
    varied = any(change.name != "constant" for change in changes)
    if len(changes) != delivered.shape[1] or not varied or not len(finite) or not len(rows):
        return found
    values = replace(expected, precision="float64").take(rows)
    made = np.stack([change.of(values[:, change.source]) for change in changes], axis=1)
    if not np.isfinite(made).all():
        return found
    eps = _precision(delivered[finite])
    errors = [2 * change.error(values[:, change.source], e) for change, e in zip(changes, eps, strict=True)]
    different, of_made = np.unique(hashed(bits_of(made)), return_inverse=True)
    firsts = np.full(len(different), len(made))
    np.minimum.at(firsts, of_made, np.arange(len(made)))
    scale = made.std(axis=0)
    scale[scale == 0] = 1.0
    points, wanted = made[firsts] / scale, delivered[finite] / scale
    if not (np.isfinite(points).all() and np.isfinite(wanted).all()):  # numbers near the largest
        return found
    near = cKDTree(points, balanced_tree=False).query(wanted)[1]
    close = np.abs(delivered[finite] - made[firsts[near]]) <= np.stack(errors, axis=1)[firsts[near]]
    at = np.flatnonzero(close.all(axis=1))
    sizes = np.bincount(of_made, minlength=len(different))
    order = at[np.argsort(near[at], kind="stable")]
    groups = near[order]
    earlier = np.arange(len(order)) - np.searchsorted(groups, groups)
    if (earlier >= sizes[groups]).sum() <= (1 - SHARE) * len(delivered):  # of equal rows, more than there are
        by_group, starts = np.argsort(of_made, kind="stable"), np.cumsum(sizes) - sizes
        found[finite[order]] = rows[by_group[starts[groups] + np.minimum(earlier, sizes[groups] - 1)]]
    return found


# ---- pairs ------------------------------------------------------------------------------------------------------


def _precision(delivered: Float64s) -> list[float]:
    """For each column the distance from 1 to the next number of the precision that its values have."""
    found = []
    for column in delivered[:: -(-len(delivered) // SAMPLE)].T:
        eps = DOUBLE
        if (column == np.rint(column)).all():  # whole numbers tell nothing of the precision
            eps = 2.0 ** -FRACTION_BITS["float32"]
        else:
            for name in PRECISIONS:
                if np.array_equal(rounded(column, name), column, equal_nan=True):
                    eps = 2.0 ** -FRACTION_BITS[name]
        found.append(eps)
    return found


def _fit(delivered: Float64s, expected: Float64s, eps: Sequence[float], share: float = SHARE) -> Fit:
    """Finds the simplest change that makes a column of pairs of rows, of itself or else of the likeliest others."""
    likenesses = functools.cache(lambda: _likenesses(delivered, expected))

    def of_column(j: int) -> Change | None:
        change = _fit_column(delivered[:, j], expected[:, j], j, eps[j], share)
        if change is not None:
            return change
        likeliest = np.argsort(-likenesses()[j], kind="stable")[:2].tolist()
        fitted = (_fit_column(delivered[:, j], expected[:, s], s, eps[j], share) for s in likeliest if s != j)
        return next((each for each in fitted if each is not None), None)

    return of_column


def _likenesses(delivered: Float64s, expected: Float64s) -> Float64s:
    """The absolute correlation of each delivered column with each expected one."""
    with np.errstate(all="ignore"):
        centred = [each - each.mean(axis=0) for each in (delivered, expected)]
        unit = [np.nan_to_num(each / np.sqrt((each**2).sum(axis=0))) for each in centred]
    likeness: Float64s = np.abs(unit[0].T @ unit[1])
    return likeness


def _fit_column(delivered: Float64s, values: Float64s, source: int, eps: float, share: float) -> Change | None:
    """The simplest change that leads from these values to all delivered ones, or else to most of them."""
    enough = max(share * len(delivered), min(FEWEST, len(delivered)))
    of_most = None
    with np.errstate(all="ignore"):
        for change, fitted in _simplest_first(delivered, values, source):
            explained = change.explains(delivered, values, eps)
            if explained.sum() < enough or (of_most and not explained.all()):
                continue
            different = min(len(np.unique(delivered[explained])), len(np.unique(values[explained])))
            if change.name in ("same", "constant", "clipped") or different >= fitted + SPARE:
                if explained.all():
                    return change
                of_most = change
    return of_most


def _simplest_first(delivered: Float64s, values: Float64s, source: int) -> Iterator[tuple[Change, int]]:
    """The changes that come into question, each with how many numbers were fitted."""
    yield Change(source, "same"), 0
    finite = delivered[np.isfinite(delivered)]
    middle = float(np.median(finite)) if len(finite) > SHARE * len(delivered) / 2 else float("nan")
    if ((delivered == middle) | (np.isnan(delivered) & np.isnan(middle))).mean() >= SHARE:
        if (values >= middle).mean() >= SHARE or (values <= middle).mean() >= SHARE:
            yield from _clips(delivered, values, source)
        if len(np.unique(values)) >= FEWEST:
            yield Change(source, "constant", middle), 0
        return
    yield Change(source, "negated"), 0
    for name in (*PRECISIONS, "cut"):
        yield Change(source, name), 0
    for decimals in DECIMALS:
        scaled = delivered * 10.0**decimals
        if (np.abs(scaled - np.rint(scaled)) <= 2.0**-20 * np.abs(scaled)).mean() >= SHARE:
            yield Change(source, "decimals", float(decimals)), 1
            break
    yield from ((Change(source, "linear", a, b), fitted) for a, b, fitted in _lines(delivered, values))
    yield from _clips(delivered, values, source)


def _clips(delivered: Float64s, values: Float64s, source: int) -> Iterator[tuple[Change, int]]:
    """A lower bound, an upper one, or both, where values were beyond them."""
    if not len(delivered):
        return
    low, high = float(delivered.min()), float(delivered.max())
    below, above = values.min() < low, values.max() > high
    if below or above:
        yield Change(source, "clipped", low if below else -np.inf, high if above else np.inf), below + above


def _lines(delivered: Float64s, values: Float64s) -> Iterator[tuple[float, float, int]]:
    """Slope and intercept: of a multiple, of a sum, of both; and how many numbers were fitted.

    Fitted by medians, then by least squares to the nine tenths of the pairs that are nearest. Of a multiple or a sum
    that is much farther from them than both together, as rounding does not explain, nothing is said.
    """
    finite = np.isfinite(delivered) & np.isfinite(values)
    y, x = delivered[finite], values[finite]
    order = np.argsort(x)
    half = len(order) // 2
    lower, upper = order[: len(order) - half], order[len(order) - half :]
    lower = lower[: len(upper)]
    apart = x[upper] > x[lower]
    if len(x) < FEWEST or not apart.any():
        return
    a = float(np.median((y[upper] - y[lower])[apart] / (x[upper] - x[lower])[apart]))
    near = _nearest(y - a * x - np.median(y - a * x))
    dx = x[near] - x[near].mean()
    if dx @ dx > 0:
        a = float(dx @ (y[near] - y[near].mean()) / (dx @ dx))
    both = a, float(y[near].mean() - a * x[near].mean())
    near = _nearest(y - float(np.median(y[x != 0] / x[x != 0])) * x)
    multiple = float(x[near] @ y[near] / max(float(x[near] @ x[near]), TINY)), 0.0
    total = 1.0, float(np.median(y - x))
    residuals = [_distance(y - a * x - b) for a, b in (multiple, total, both)]
    rounding = DOUBLE * float(np.abs(y).max())
    for (a, b), residual, fitted in zip((multiple, total, both), residuals, (1, 1, 2), strict=True):
        if residual <= 2 * residuals[-1] + rounding:
            yield a, b, fitted


def _nearest(residuals: Float64s) -> Numbers:
    """Where the nine tenths of the smallest residuals are."""
    nearest: Numbers = np.argsort(np.abs(residuals), kind="stable")[: max(FEWEST, int(SHARE * len(residuals)))]
    return nearest


def _distance(residuals: Float64s) -> float:
    """The root mean square of the nine tenths of the smallest."""
    return float(np.sqrt(np.mean(residuals[_nearest(residuals)] ** 2)))


# ---- rows without pairs -----------------------------------------------------------------------------------------


def _while_found(changes: Iterable[Change | None]) -> Rule:
    """The changes up to the first column that has none: without it, a rule recognises no row."""
    return tuple(itertools.takewhile(lambda change: change is not None, changes))


def _sorted_changes(delivered: Float64s, values: Float64s, eps: Sequence[float]) -> Rule:
    """The change of each column, from the values in ascending order, and against the values in descending order."""
    step = -(-len(delivered) // SAMPLE)
    delivered, values = np.sort(delivered, axis=0)[::step], np.sort(values, axis=0)[::step]
    rising, falling = (_fit(delivered, each, eps, share=1.0) for each in (values, values[::-1]))
    return _while_found(rising(j) or falling(j) for j in range(len(eps)))


def _of_some(delivered: Float64s, values: Float64s, source: int, eps: float) -> Change | None:
    """The change of one column, of which not all values were delivered."""
    delivered, values = np.sort(delivered), np.sort(values)
    if len(np.unique(delivered)) < FEWEST:
        return None
    sample = delivered[:: -(-len(delivered) // 256)]
    fixed = [Change(source, name) for name in ("same", "negated", *PRECISIONS, "cut")]
    fixed += [Change(source, "decimals", float(decimals)) for decimals in DECIMALS]
    overlaps = [_overlap(delivered, sample, change.of(values)) for change in fixed]
    if max(overlaps) >= SHARE:
        return fixed[int(np.argmax(overlaps))]
    for a, b in _likely_lines(delivered, values):
        made = a * values + b
        made, of_made = (made, values) if a > 0 else (made[::-1], values[::-1])
        nearest = _nearest_places(made, sample)
        if (np.abs(sample - made[nearest]) <= _rounding(made, eps)).mean() >= SHARE:
            for a_fitted, b_fitted, _ in _lines(sample, of_made[nearest]):
                change = Change(source, "linear", a_fitted, b_fitted)
                if change.explains(sample, of_made[nearest], 2 * eps).mean() >= SHARE:
                    return change
    return None


def _overlap(delivered: Float64s, sample: Float64s, made: Float64s) -> float:
    """The share of the delivered values that are among those made, each as often; 0 if few of a sample are."""
    if np.isin(sample.astype(np.float32), made.astype(np.float32)).mean() < SHARE / 2:
        return 0.0
    different, places = np.unique(np.concatenate([delivered, made]).astype(np.float32), return_inverse=True)
    times = [np.bincount(part, minlength=len(different)) for part in np.split(places, [len(delivered)])]
    return float(np.minimum(*times).sum() / len(delivered))


def _likely_lines(delivered: Float64s, values: Float64s) -> Iterator[tuple[float, float]]:
    """Slope and intercept, from sorted values: what standardises, and lines through a low and a high value."""
    mean, deviation = float(values.mean()), float(values.std())
    if deviation == 0:
        return
    yield 1 / deviation, -mean / deviation
    ends = range(min(EXTREMES, len(values) // 2))
    for low, high in sorted(itertools.product(ends, ends), key=lambda ends: ends[0] + ends[1]):
        for x0, x1 in ((values[low], values[-1 - high]), (values[-1 - high], values[low])):
            if x0 != x1:
                a = float((delivered[-1] - delivered[0]) / (x1 - x0))
                yield a, float(delivered[0] - a * x0)


def _nearest_places(ascending: Float64s, wanted: Float64s) -> Numbers:
    """For each wanted value the place of the nearest one."""
    after = np.clip(np.searchsorted(ascending, wanted), 1, len(ascending) - 1)
    nearest: Numbers = after - (wanted - ascending[after - 1] < ascending[after] - wanted)
    return nearest


def _rounding(made: Float64s, eps: float) -> float:
    """How far values may be from a line through two that were rounded themselves."""
    return 8 * eps * float(np.abs(made).max())
