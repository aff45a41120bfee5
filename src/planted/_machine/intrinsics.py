"""Processor instructions that Numba does not offer, for use in compiled functions.

They are written in LLVM's language through llvmlite, and check nothing: the indices must lie inside the arrays.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic


def _address(context, builder, array_type, array, place):
    """The address of an element of a 2-d array."""
    array = context.make_array(array_type)(context, builder, array)
    return cgutils.get_item_pointer(context, builder, array_type, array, place, wraparound=False)


@intrinsic
def prefetch(typing_context, array, row, column):  # noqa: ARG001
    """Bring an element of a 2-d array, which will soon be read or written, into the cache."""

    def generate(context, builder, signature, arguments):
        element = _address(context, builder, signature.args[0], arguments[0], arguments[1:])
        pointer = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer], ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        )
        read, keep, into_data_cache = number(0), number(3), number(1)
        builder.call(function, [builder.bitcast(element, pointer), read, keep, into_data_cache])
        return context.get_dummy_value()

    return types.void(array, row, column), generate


@intrinsic
def store_four_by_four(typing_context, columns, lane, X, row, column, down, right):  # noqa: ARG001
    """Store float32 ``columns[:4, lane + k]``, for k = 0 ... 3, at ``X[row + k down, column + k right]`` and after it.

    They are transposed in registers.
    """

    def generate(context, builder, signature, arguments):
        columns_type, _, X_type = signature.args[:3]
        columns, lane, X, row, column, down, right = arguments
        four = ir.VectorType(ir.FloatType(), 4)

        def number(k):
            return context.get_constant(types.intp, k)

        def place(array_type, array, *indices):
            return builder.bitcast(_address(context, builder, array_type, array, indices), four.as_pointer())

        def shuffled(a, b, *lanes):
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), 4), lanes))

        c0, c1, c2, c3 = (builder.load(place(columns_type, columns, number(k), lane), align=4) for k in range(4))
        low01, high01 = shuffled(c0, c1, 0, 4, 1, 5), shuffled(c0, c1, 2, 6, 3, 7)
        low23, high23 = shuffled(c2, c3, 0, 4, 1, 5), shuffled(c2, c3, 2, 6, 3, 7)
        transposed = [
            shuffled(low, high, *half)
            for low, high in ((low01, low23), (high01, high23))
            for half in ((0, 1, 4, 5), (2, 3, 6, 7))
        ]
        for k, values in enumerate(transposed):
            below, beside = builder.mul(down, number(k)), builder.mul(right, number(k))
            target = place(X_type, X, builder.add(row, below), builder.add(column, beside))
            builder.store(values, target, align=4)
        return context.get_dummy_value()

    return types.void(columns, lane, X, row, column, down, right), generate
