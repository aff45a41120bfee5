"""The audit: whether anyone's loader delivers each row once, as it is, and how well it shuffles.

In: batches from any loader, and the rows that they should hold. Out: an `Audit`, which says what is wrong with them.
"""

from planted._audit.auditor import audit
from planted._audit.report import Audit

__all__ = [
    "Audit",
    "audit",
]
