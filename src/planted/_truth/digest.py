"""The truth's part of a fingerprint of rows: hashed once for each truth, and many weights not as text."""

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from hashlib import _Hash

    import numpy as np
    import numpy.typing as npt

MOST_AS_JSON: Final = 1 << 16  # weights that are hashed as text; of more, which takes seconds, the bytes are hashed
PART: Final = 1 << 16  # weights that are made JSON at once


class Digested:
    """A truth that keeps the hash that a fingerprint begins with; it is no part of equality or of a pickle."""

    __slots__ = ("_begun",)
    _begun: "tuple[str, _Hash]"

    def begun_fingerprint(self, head: str) -> "_Hash":
        """SHA-256 of ``[head, truth``, the first part of a JSON list, to which the rest can be added."""
        try:
            kept, begun = self._begun
        except AttributeError:
            kept, begun = "", hashlib.sha256()
        if kept != head:
            truth = cast("Any", self)
            begun = _begin(head, truth, _hashed(truth.w) if truth.w.size > MOST_AS_JSON else truth.w)
            object.__setattr__(self, "_begun", (head, begun))
        return begun.copy()


def begun_as_json(head: str, truth: Any) -> "_Hash":
    """The same as planted 0.1 began it, however many the weights are: seconds for ten millions."""
    return _begin(head, truth, truth.w)


def _begin(head: str, truth: Any, w: "npt.NDArray[np.float64] | dict[str, Any]") -> "_Hash":
    """The hash of ``[head, truth.to_dict()``, of which the weights may be described instead."""
    begun = hashlib.sha256(f'[{head}, {{"w": '.encode())
    if isinstance(w, dict):
        begun.update(json.dumps(w).encode())
    else:
        begun.update(b"[")
        for first in range(0, w.size, PART):
            written = json.dumps(w[first : first + PART].tolist())[1:-1]
            begun.update(f"{', ' if first else ''}{written}".encode())
        begun.update(b"]")
    begun.update(f", {json.dumps(truth.other_fields())[1:]}".encode())
    return begun


def _hashed(w: "npt.NDArray[np.float64]") -> dict[str, Any]:
    return {"float64": w.size, "sha256": hashlib.sha256(w.astype("<f8", copy=False).data).hexdigest()}
