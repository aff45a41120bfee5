"""Anything that users pass in becomes a plain integer, float or array, or an error that names the rule.

Arrays may come from any framework: they are recognised by their methods (`detach`, `asnumpy`, ...), so that none is
imported or named.
"""

import math
import operator
import re
import sys
from collections.abc import Iterable
from typing import Any, Final, NoReturn, cast

import numpy as np
import numpy.typing as npt

from planted._types import Batch, DType, FloatArray, RowNumbers
from planted.errors import InvalidTypeError, InvalidValueError, RowNumberError

UNITS: Final = {
    "": 1,
    "kb": 1000,
    "mb": 1000**2,
    "gb": 1000**3,
    "tb": 1000**4,
    "kib": 1024,
    "mib": 1024**2,
    "gib": 1024**3,
    "tib": 1024**4,
}
BYTES: Final = re.compile(r"(\d+(?:_\d+)*\.?\d*(?:e[+-]?\d+)?|\.\d+)\s*(?:b|([kmgt]i?b))?", re.ASCII | re.IGNORECASE)
MOST_BYTES: Final = 1 << 63


def whole(value: object, name: str, *, rule: str = "an integer", remedy: str) -> int:
    """An integer of any size; a bool is not one, nor is a float that happens to be whole."""
    if isinstance(value, (bool, np.bool_)):
        raise InvalidTypeError(f"{name}={value!r} is a bool; it must be {rule}: {remedy}")
    try:
        return operator.index(cast("Any", value))
    except TypeError:
        raise InvalidTypeError(f"{name}={short(value)} is not an integer; it must be {rule}: {remedy}") from None


def integer(value: object, name: str, *, minimum: int, maximum: int | None = None, remedy: str) -> int:
    """An integer within bounds."""
    rule = f"an integer, at least {minimum}" + ("" if maximum is None else f" and at most {maximum}")
    number = whole(value, name, rule=rule, remedy=remedy)
    if number < minimum or (maximum is not None and number > maximum):
        raise InvalidValueError(f"{name}={to_json_int(number)} must be {rule}: {remedy}")
    return number


def to_json_int(number: int) -> int | str:
    """An integer as it is shown and saved: itself, or, beyond 64 bits, its hexadecimal text.

    Python refuses to write integers of more than 4300 decimal digits, and JSON readers round those beyond 53 bits.

    >>> to_json_int(714), to_json_int(2**64)
    (714, '0x10000000000000000')
    """
    return number if -(1 << 64) < number < 1 << 64 else hex(number)


def seed_and_salt(seed: object, salt: object) -> tuple[int, str]:
    """A seed (any non-negative integer) and its salt (any string)."""
    number = integer(seed, "seed", minimum=0, remedy="use any non-negative integer, such as seed=0")
    if not isinstance(salt, str):
        raise InvalidTypeError(f"salt={short(salt)} must be a string: use salt='' for none")
    try:
        salt.encode()
    except UnicodeEncodeError:
        raise InvalidValueError(f"salt={salt!a} holds half a character, which UTF-8 cannot write") from None
    return number, salt


def real(value: object, name: str, *, minimum: float = -math.inf, remedy: str) -> float:
    """A finite float, at least `minimum`, also from an array or tensor of one element."""
    array = floats(value, name, remedy=remedy)
    if array.size != 1:
        raise InvalidValueError(f"{name} has shape {array.shape}; it must be one number: {remedy}")
    number = float(array.reshape(()))
    if not math.isfinite(number):
        raise InvalidValueError(f"{name}={number} must be finite: {remedy}")
    if number < minimum:
        raise InvalidValueError(f"{name}={number} must be at least {minimum:g}: {remedy}")
    return number


def bytes_of(value: object, name: str, *, remedy: str = "use a number of bytes, or a text such as '256MiB'") -> int:
    """A positive number of bytes, from an integer or a text with a unit: KiB, MiB ... of 1024, kB, MB ... of 1000.

    >>> bytes_of("256MiB", "memory"), bytes_of("64 KiB", "memory"), bytes_of("1.5GB", "memory"), bytes_of(512, "memory")
    (268435456, 65536, 1500000000, 512)
    """
    if isinstance(value, str):
        match = BYTES.fullmatch(value.strip())
        if not match:
            raise InvalidValueError(f"{name}={short(value)} is not a number of bytes: {remedy}")
        number: float = float(match[1]) * UNITS[(match[2] or "").lower()]
    else:
        number = whole(value, name, rule="a number of bytes, an integer or a text", remedy=remedy)
    if not 1 <= number <= MOST_BYTES:
        raise InvalidValueError(f"{name}={short(value)} must be at least 1 byte and at most 2^63: {remedy}")
    return round(number)


def size_text(count: int) -> str:
    """A number of bytes for people.

    >>> size_text(1), size_text(65_484), size_text(5_000_000), size_text(4 << 30), size_text(12 * 10**12)
    ('1 byte', '64 KiB', '4.8 MiB', '4.00 GiB', '11,175.87 GiB')
    """
    for unit, size, digits in (("GiB", 1 << 30, 2), ("MiB", 1 << 20, 1), ("KiB", 1 << 10, 0)):
        if count >= size:
            return f"{count / size:,.{digits}f} {unit}"
    return bytes_text(count)


def bytes_text(count: int) -> str:
    """An exact number of bytes, with its noun."""
    return f"{count} byte{'s' * (count != 1)}"


def flag(value: object, name: str) -> bool:
    """True or False, Python's or NumPy's, and nothing else."""
    if not isinstance(value, (bool, np.bool_)):
        raise InvalidTypeError(f"{name}={short(value)} must be True or False")
    return bool(value)


def dtype_name(dtype: object) -> DType:
    """``"float32"`` or ``"float64"``, from a string or a NumPy dtype."""
    try:
        name = np.dtype(cast("Any", dtype)).name if dtype is not None else "None"
    except TypeError:
        name = str(dtype)
    if name not in ("float32", "float64"):
        raise InvalidValueError(f"dtype={name!r} must be 'float32' or 'float64': rows are made in these two")
    return cast("DType", name)


def floats(value: object, name: str, *, remedy: str) -> FloatArray:
    """A NumPy array of floats, of the value's own shape, from a list, an array or any framework's tensor.

    float32 and float64 arrays keep their type; everything else becomes float64.
    """
    try:
        array = np.asarray(_to_numpy(value, name, remedy))
    except (ValueError, UserWarning):  # lists of unequal length, of which older NumPys warn
        raise InvalidValueError(f"{name} is not an array, but lists of unequal length: {remedy}") from None
    if array.dtype.kind == "f" and array.dtype.itemsize in (4, 8):
        return array
    if array.dtype.kind not in "iuf" and array.ndim == 0:
        if type(value) is int and abs(value) <= sys.float_info.max:  # beyond NumPy's integers
            return np.array(float(value))
        raise InvalidTypeError(f"{name}={short(value)} must be a real number within float64: {remedy}")
    if array.dtype.kind not in "iuf" and array.size:  # an empty list is float64 already
        raise InvalidTypeError(f"{name} holds {array.dtype} values; they must be real numbers: {remedy}")
    return array.astype(np.float64)


def vector(value: object, name: str, *, remedy: str) -> npt.NDArray[np.float64]:
    """A finite float64 vector, also from a single row or column."""
    array = floats(value, name, remedy=remedy)
    if array.ndim == 0 or array.ndim > 2 or (array.ndim == 2 and 1 not in array.shape):
        raise InvalidValueError(f"{name} has shape {array.shape}; it must be a vector: {remedy}")
    flat = np.array(array, dtype=np.float64).reshape(-1)
    if flat.size == 0:
        raise InvalidValueError(f"{name} is empty; it must hold at least one number: {remedy}")
    if not (np.isfinite(flat.min()) and np.isfinite(flat.max())):  # both are NaN if a number is
        at = int(np.flatnonzero(~np.isfinite(flat))[0])
        raise InvalidValueError(f"{name}[{at}]={flat[at]} must be finite: {remedy}")
    return flat


def rows_like(rows: Any, name: str = "rows", part: str = "") -> Any:
    """Anything with a length and a ``take``, as a loader and others' pipelines read it.

    A loader takes arrays itself; who does not is told to pass the `part` of such a loader that has them: ".rows".
    """
    remedy = ""
    if not is_rows(rows) and inner_rows(rows):
        remedy = inner_rows(rows)
    elif is_table(rows):
        arrays = "(table[features].to_numpy(), table[response].to_numpy())"
        remedy = f"pass its arrays, planted.Loader({arrays}){part}, or read its file with planted.open_table"
    elif hasattr(rows, "shape") and hasattr(rows, "dtype"):  # its own `take` means something else
        remedy = f"pass features and responses together, planted.Loader((X, y)){part}, or (X,) alone"
    elif isinstance(rows, (tuple, list)):
        remedy = _of_arrays(rows, part)
    elif isinstance(rows, (str, bytes)) or hasattr(rows, "__fspath__"):
        remedy = "open it with planted.open(folder) or planted.open_table(files, features=[...], response=...)"
    elif hasattr(rows, "w") and hasattr(rows, "noise"):
        remedy = "say how many, planted.rows(truth, n)"
    elif not (hasattr(rows, "take") and hasattr(rows, "__len__")):
        remedy = f"use planted.rows(...) or planted.regression(...), or arrays, planted.Loader((X, y)){part}"
    if remedy:
        raise InvalidTypeError(
            f"{name} of type {type(rows).__name__} must have a length and take(row_numbers), which returns (X, y): "
            f"{remedy}"
        )
    return rows


def _of_arrays(values: tuple[Any, ...] | list[Any], part: str) -> str:
    """The remedy where values are passed in place of rows; a loader itself takes arrays."""
    if isinstance(values, Batch):
        return f"pass a part of the rows themselves, such as rows.split({len(values.X)})[0]"
    if values and all(hasattr(value, "shape") for value in values):
        return "make rows of arrays, planted.Loader((X, y)).rows"
    return f"pass arrays, such as planted.Loader((np.asarray(X), np.asarray(y))){part}"


def inner_rows(value: Any) -> str:
    """The remedy where something that has rows is passed in their place, as the book's data are; else empty."""
    return "use its .rows" if is_rows(getattr(value, "rows", None)) else ""


def loader_remedy(value: Any, otherwise: str) -> str:
    """The remedy where something else is passed in a loader's place: of the book's data, the loader that it makes."""
    return "use its train_dataloader()" if hasattr(value, "train_dataloader") else f"use {otherwise}"


def is_rows(value: Any) -> bool:
    """Whether it has a length and a ``take`` by row number, as rows have; arrays' own `take` means something else."""
    return hasattr(value, "take") and hasattr(value, "__len__") and not hasattr(value, "shape")


def is_table(value: Any) -> bool:
    """Whether it has named columns, as data frames and Arrow's tables do."""
    named = hasattr(value, "columns") or hasattr(value, "column_names")
    return named and (hasattr(value, "to_numpy") or hasattr(value, "to_pandas"))


def taken(arrays: Any, count: int, rows: Any) -> tuple[Any, ...]:
    """What a ``take`` of `count` rows returned, if it is a tuple or list of arrays of so many rows."""
    if isinstance(arrays, (tuple, list)) and arrays:
        if all(hasattr(array, "nbytes") and hasattr(array, "shape") for array in arrays):
            if all(len(array) == count for array in arrays):
                return tuple(arrays)
            found = f"arrays of shapes {', '.join(str(tuple(array.shape)) for array in arrays)}"
        else:
            found = f"a {type(arrays).__name__} of {', '.join(type(array).__name__ for array in arrays)}"
    elif hasattr(arrays, "keys"):
        found = f"a {type(arrays).__name__} with the keys {short(list(arrays.keys()))}"
    else:
        found = f"a value of type {type(arrays).__name__}"
    raise InvalidTypeError(
        f"take of {count} row numbers of {short(rows)} returned {found}; it must return arrays, each with one row a "
        "number: return a tuple (X, y)"
    )


def length(rows: Any) -> int:
    """How many rows or items there are; Python's own ``len`` ends at 2^63 - 1."""
    return steps(rows) if isinstance(rows, range) else int(rows.__len__())


def steps(numbers: range) -> int:
    """The length of a range of any size."""
    return max(0, -((numbers.start - numbers.stop) // numbers.step))


def for_len(count: int, what: str) -> int:
    """A length, if Python's ``len`` can return it."""
    if count >= 1 << 63:
        raise InvalidValueError(f"{what} are {count}, and Python's len ends at 2^63 - 1: ask for fewer")
    return count


def row_numbers(rows: object, n: int, name: str = "row number", *, key: bool = False) -> RowNumbers:
    """Numbers in [0, n) as an int64 vector, from a list, a range or an array of any integer type.

    As a `key`, ``rows[...]``, negative numbers count from the end, and a mask of n booleans stands for the places where
    it is true. The vector is contiguous and writeable, as the compiled kernels are made for: they would be compiled
    again for any other.
    """
    if isinstance(rows, range) and not (key and rows and min(rows[0], rows[-1]) < 0):
        _in_range([rows[-1], rows[0]] if rows else [], n, name)
        return np.arange(rows.start, rows.stop, rows.step, dtype=np.int64) if rows else np.empty(0, np.int64)
    try:
        array = np.asarray(_to_numpy(rows, f"{name}s", "use integers"))
    except (OverflowError, ValueError):  # integers beyond 64 bits, or lists of unequal length
        array = np.empty(0, object)
        array = np.array([*rows, None], object)[:-1] if isinstance(rows, (list, tuple)) else array
    kind = array.dtype.kind
    if kind == "O" and array.size and all(isinstance(value, (bool, np.bool_)) for value in array.flat):
        array, kind = array.astype(bool), "b"  # pandas' nullable booleans
    if kind == "b" and (array.size or key):
        return _selected(array, n) if key else _no_mask(rows, name)
    if array.ndim != 1:
        remedy = "" if array.ndim == 0 else ": use .reshape(-1)"
        raise InvalidValueError(f"{name}s have shape {array.shape}; they must be a vector, such as [3, 1, 4]{remedy}")
    if array.size == 0:
        return np.empty(0, np.int64)
    if kind not in "iu":
        return _of_python(rows, array, n, name)
    if key and kind == "i":
        array = _from_the_end(array, n)
    if array.dtype != np.int64 or np.maximum.reduce(array.view(np.uint64)) >= n:  # a negative one is huge then
        _in_range([array.min(), array.max()], n, name)
    return array if array.dtype == np.int64 and array.flags.carray else np.array(array, np.int64, order="C")


def _of_python(rows: object, array: npt.NDArray[Any], n: int, name: str) -> RowNumbers:
    """Python's integers, of which NumPy makes objects or floats if they exceed int64, alone or together."""
    kind = array.dtype.kind
    numbers = array.tolist() if kind == "O" else rows
    if not isinstance(numbers, (list, tuple)) or not all(map(_is_integer, numbers)):
        found = "of several types" if kind == "O" else str(array.dtype)
        whole_floats = kind == "f" and bool((array == np.rint(array)).all()) and bool((abs(array) < 2**53).all())
        cast = "convert these with np.asarray(numbers).astype('int64')"
        remedy = cast if whole_floats else "use numbers such as [3, 1, 4]"
        raise InvalidTypeError(f"{name}s {short(rows)} are {found}; they must be integers: {remedy}")
    _in_range(numbers, n, name)
    return np.array([int(number) for number in numbers], np.int64)


def _from_the_end(array: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """Numbers of which negative ones count from the end; as they are, if one of them is too low."""
    if not -n <= array.min() < 0:
        return array
    return np.where(array < 0, array.astype(np.int64) + (n - 1) + 1, array)  # n may be 2^63


def sliced(key: slice, n: int) -> range:
    """The row numbers of a slice of ``range(n)``, as a list takes it."""
    for name, bound in (("start", key.start), ("stop", key.stop), ("step", key.step)):
        if bound is not None:
            whole(bound, f"slice {name}", remedy="use whole row numbers")
    if key.step is not None and int(key.step) == 0:
        raise InvalidValueError("slice step=0 must not be zero: use a step of 1 or leave it out")
    return range(*key.indices(n))


def _selected(mask: npt.NDArray[Any], n: int) -> RowNumbers:
    """The places where a mask is true."""
    if mask.shape != (n,):
        column = ", such as mask[:, 0]" if mask.shape == (n, 1) else ""
        raise InvalidValueError(f"a mask of shape {mask.shape} selects from {n} rows: it needs shape ({n},){column}")
    return np.flatnonzero(mask)


def _no_mask(mask: object, name: str) -> NoReturn:
    use = "rows[mask], or np.flatnonzero(mask)" if name == "row number" else "np.flatnonzero(mask)"
    raise InvalidTypeError(f"{name}s {short(mask)} are bool; they must be integers: for a mask use {use}")


def _in_range(numbers: Iterable[Any], n: int, name: str) -> None:
    for number in map(int, numbers):
        if not 0 <= number < n:
            raise RowNumberError(
                f"{name} {to_json_int(number)} is outside [0, {n}): they count from 0, and there are {n}"
            )


def _is_integer(value: object) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def to_numpy(value: Any) -> npt.NDArray[Any]:
    """A NumPy array of a framework's tensor, or of anything that NumPy takes."""
    return np.asarray(_to_numpy(value, "tensor", "use an array or a tensor"))


def _to_numpy(value: Any, name: str, remedy: str) -> Any:
    """The value, or the NumPy array behind a framework's tensor."""
    if isinstance(value, (np.ndarray, list, tuple, range, int, float)):
        return value
    try:
        if hasattr(value, "asnumpy"):  # MXNet, whose arrays have a `detach` too
            return value.asnumpy()
        if hasattr(value, "detach"):
            value = value.detach().cpu()
        array = np.asarray(value)
        return (
            array.astype(np.float64) if array.dtype.name == "bfloat16" else array
        )  # JAX's: its kind is not one of NumPy's
    except TypeError:  # a type that NumPy lacks, such as bfloat16: through Python's floats
        if hasattr(value, "tolist"):
            return np.asarray(value.tolist())
        raise InvalidTypeError(f"{name}={short(value)} is not an array of numbers: {remedy}") from None


def short(value: object) -> str:
    """A value as messages show it, in at most 60 characters."""
    try:
        text = repr(value)
    except ValueError:  # an integer too long for Python to write
        text = f"<{type(value).__name__} of huge integers>"
    return text if len(text) <= 60 else text[:57] + "..."
