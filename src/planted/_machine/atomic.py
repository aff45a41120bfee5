"""One instruction that processes and threads cannot get between: they agree by it, in memory that they share."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from planted._machine.compiler import compiled_with

compiled = compiled_with(__file__)


@intrinsic
def _exchanged(typing_context, array, place, expected, new):  # noqa: ARG001
    """``array[place] = new`` if it is `expected`, at once; whether it was."""

    def generate(context, builder, signature, arguments):
        array, place, expected, new = arguments
        array = context.make_array(signature.args[0])(context, builder, array)
        pointer = cgutils.get_item_pointer(context, builder, signature.args[0], array, [place], wraparound=False)
        result = builder.cmpxchg(pointer, expected, new, "seq_cst", "seq_cst")
        return builder.zext(builder.extract_value(result, 1), ir.IntType(8))

    return types.uint8(array, place, types.int64, types.int64), generate


@compiled
def compare_and_swap(array, place, expected, new):
    """Write `new` into an int64 array if `expected` is there, as one instruction; return whether it was there."""
    return _exchanged(array, place, expected, new) != 0
