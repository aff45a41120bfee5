"""The matching: which planted row each delivered row is, and what was done to those that are none.

In: batches of any form, and the rows that they should hold. Out: row numbers, and an explanation of the wrong rows.

Batches become pieces of plain arrays (`delivery`); each delivered row is matched with an expected one, by its number or
by its values (`expected`, `matching`); wrong rows, those that match none or differ from it, are explained one by one
(`explanation`). If one rule changed them all, a `change` of each column, it is looked for (`search`) by `fitting`
changes to pairs of rows, and described (`wording`).
"""

from planted._matching.change import Rule
from planted._matching.delivery import REMEDY, Float64s, Log, WrongColumnsError, pieces
from planted._matching.expected import Expected, Takes, taken
from planted._matching.explanation import Collector, Explanation, Kind, WrongRows, explain, largest_change
from planted._matching.matching import UNKNOWN, Matcher
from planted._matching.search import with_rule
from planted._matching.wording import describe_columns, describe_normalisation, describe_rule

__all__ = [
    "REMEDY",
    "UNKNOWN",
    "Collector",
    "Expected",
    "Explanation",
    "Float64s",
    "Kind",
    "Log",
    "Matcher",
    "Rule",
    "Takes",
    "WrongColumnsError",
    "WrongRows",
    "describe_columns",
    "describe_normalisation",
    "describe_rule",
    "explain",
    "largest_change",
    "pieces",
    "taken",
    "with_rule",
]
