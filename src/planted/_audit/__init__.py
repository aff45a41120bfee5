"""The audit: whether anyone's loader delivers each row once, unchanged, and how well it shuffles.

In: batches from any loader, and the rows that they should hold. Out: an `Audit`, which says what is wrong with them.

On the way: the rows of an epoch are matched with the expected ones (room `_matching`), and their faults (`faults`) end
its reading (`reading`). The orders of the epochs are measured (`statistics`), and all of it is put together
(`auditor`), judged (`verdict`) and reported (`report`).

Kinds of faults: missing, doubled; foreign, altered, mixed, misnumbered, and unexplained if there are too many.
"""

from planted._audit.auditor import audit
from planted._audit.report import Audit, alike_beyond_chance

__all__ = [
    "Audit",
    "alike_beyond_chance",
    "audit",
]
