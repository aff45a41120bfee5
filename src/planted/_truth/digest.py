"""What a fingerprint of rows says of their truth: computed once for each truth, and without a text of many weights."""

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from hashlib import _Hash

    import numpy as np
    import numpy.typing as npt

WRITTEN: Final = 1 << 16  # weights, up to which they are hashed as JSON; of more, which would take long, the bytes are
PART: Final = 1 << 16  # weights of which JSON is made at once


class Digested:
    """A truth that keeps the hash that a fingerprint begins with. Neither equality nor a pickle knows of it."""

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
            begun = _begin(head, truth, _hashed(truth.w) if truth.w.size > WRITTEN else truth.w)
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
    begun.update(f', "b": {json.dumps(truth.b)}, "noise": {json.dumps(truth.noise)}}}'.encode())
    return begun


def _hashed(w: "npt.NDArray[np.float64]") -> dict[str, Any]:
    return {"float64": w.size, "sha256": hashlib.sha256(w.astype("<f8", copy=False).data).hexdigest()}
