"""The search for one rule that changed all altered rows; or all foreign ones, which are then altered too."""

from dataclasses import replace
from typing import Final

import numpy as np

from planted._matching.change import Rule
from planted._matching.expected import Expected, Flags, bits_of
from planted._matching.explanation import Explanation, Kind, WrongRows
from planted._matching.fitting import Found, fit_pairs, fit_without_pairs, recognise_rows
from planted._matching.matching import UNKNOWN
from planted._types import RowNumbers

COMPARED: Final = 1 << 16  # rows that are compared at once


def with_rule(explained: Explanation, wrong: WrongRows, expected: Expected, arrived: Flags, known: Rule) -> Explanation:
    """The explanation with the rule that changed the wrong rows, if there is one, and the rows recognised by it.

    `known` is the rule of an earlier epoch; `arrived` tells which of the expected rows came unchanged.
    """
    at, found = _search(explained, wrong, expected, arrived, known)
    if found is None:
        return explained
    at, rows = at[found.rows != UNKNOWN], found.rows[found.rows != UNKNOWN]
    others = (wrong.numbers == UNKNOWN) & (explained.kinds != Kind.MISNUMBERED)
    others[at] = False
    rest = np.flatnonzero(others)
    if len(rest):
        more = recognise_rows(wrong.values[rest], _absent(arrived, rows), expected, found.rule)
        at, rows = np.append(at, rest[more != UNKNOWN]), np.append(rows, more[more != UNKNOWN])
    kinds, of_rows, differs = explained.kinds.copy(), explained.rows.copy(), explained.differs.copy()
    kinds[at], of_rows[at] = Kind.ALTERED, rows
    for first in range(0, len(at), COMPARED):
        part = slice(first, first + COMPARED)
        differs[at[part]] = bits_of(expected.take(rows[part])) != wrong.bits[at[part]]
    beyond_rule = int((kinds == Kind.ALTERED).sum()) - len(at)
    return replace(explained, kinds=kinds, rows=of_rows, differs=differs, rule=found.rule, beyond_rule=beyond_rule)


def _search(
    explained: Explanation, wrong: WrongRows, expected: Expected, arrived: Flags, known: Rule
) -> tuple[RowNumbers, Found | None]:
    """A rule, and the places of the wrong rows among which it was looked for."""
    values = wrong.values
    foreign, unnumbered = explained.kinds == Kind.FOREIGN, wrong.numbers == UNKNOWN
    rows = np.where(foreign, wrong.numbers, explained.rows)
    at = np.flatnonzero((explained.kinds == Kind.ALTERED) | (foreign & ~unnumbered))
    found = fit_pairs(values[at], rows[at], expected)
    if found is None and (foreign & unnumbered).any():
        at = np.flatnonzero(foreign)
        positions = wrong.positions[at]
        if positions[-1] < expected.n:  # in order, perhaps
            found = fit_pairs(values[at], positions, expected)
        if found is None:
            found = fit_without_pairs(values[at], _absent(arrived, explained.rows), expected, known)
        if found is None and not foreign.all():  # rows may have been taken for others, with which they share a value
            at = np.flatnonzero(explained.kinds != Kind.MISNUMBERED)
            found = fit_without_pairs(values[at], np.flatnonzero(~arrived), expected, known)
    return at, found


def _absent(arrived: Flags, recognised: RowNumbers) -> RowNumbers:
    """The rows that neither came unchanged nor were recognised."""
    absent = ~arrived
    absent[recognised[recognised != UNKNOWN]] = False
    return np.flatnonzero(absent)
