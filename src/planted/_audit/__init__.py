"""The audit: whether anyone's loader delivers each row once, unchanged, and how well it shuffles.

In: batches from any loader, and the rows that they should hold. Out: an `Audit`, which says what is wrong with them.

On the way: the batches become pieces of plain arrays (`delivery`); each delivered row is matched with an expected one,
by its number or by its values (`expected`, `matching`); wrong rows, those that match none or differ from it, are
explained (`explanation`), and if one rule changed them all, it is found (`fitting`) and named (`transformation`). The
faults (`faults`) end one reading of an epoch (`reading`). The orders of the epochs are measured (`statistics`), and all
of it is put together (`auditor`), judged (`verdict`) and reported (`report`).

Kinds of faults: missing, doubled; foreign, altered, mixed, misnumbered, and unexplained if there are too many.
"""

from planted._audit.auditor import audit
from planted._audit.report import Audit, alike_beyond_chance

__all__ = [
    "Audit",
    "alike_beyond_chance",
    "audit",
]
