"""The order: which row comes at which position of an epoch, without a table.

In: how many rows, a seed, an epoch; for rows on disk also their blocks and a memory budget. Out: the row numbers of any
positions. A *permutation* shuffles single rows; a *block order* shuffles blocks, and rows within pools of blocks.
"""

from planted._order.blocks import BlockOrder, BlockRows, Blocks, Pool, PoolPlan, plan_pool, variance_ratio
from planted._order.permutation import PASS_VALUES, Order, Permutation, Sequential, permutation

__all__ = [
    "PASS_VALUES",
    "BlockOrder",
    "BlockRows",
    "Blocks",
    "Order",
    "Permutation",
    "Pool",
    "PoolPlan",
    "Sequential",
    "permutation",
    "plan_pool",
    "variance_ratio",
]
