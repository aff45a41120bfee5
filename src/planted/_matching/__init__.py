"""The matching: which planted row each delivered row is, and what was done to those that are none.

In: batches of any form, and the rows that they should hold. Out: row numbers, and an explanation of the wrong rows.

Batches become pieces of plain arrays (`delivery`); each delivered row is matched with an expected one, by its number or
by its values (`expected`, `matching`); wrong rows, those that match none or differ from it, are explained
(`explanation`), and if one rule changed them all, it is found (`fitting`) and named (`transformation`).
"""

from planted._matching.delivery import REMEDY, Float64s, Log, WrongColumnsError, pieces
from planted._matching.expected import Expected, Takes, taken
from planted._matching.explanation import Explanation, Kind, WrongRows, explain, name_rule
from planted._matching.fitting import Rule
from planted._matching.matching import UNKNOWN, Matcher
from planted._matching.transformation import by_itself_in_words, columns_in_words, in_words

__all__ = [
    "REMEDY",
    "UNKNOWN",
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
    "by_itself_in_words",
    "columns_in_words",
    "explain",
    "in_words",
    "name_rule",
    "pieces",
    "taken",
]
