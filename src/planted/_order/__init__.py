"""The order: which row comes at which position of an epoch, without a table.

In: how many rows, a seed, an epoch; for rows on disk also their blocks and a memory budget. Out: the row numbers at any
positions. A *permutation* shuffles single rows. A *block order* shuffles blocks, and rows within *pools* of blocks.
"""

from planted._order.blocks import BlockRows, Blocks
from planted._order.budget import PoolPlan, plan_pool, variance_ratio
from planted._order.permutation import PASS_VALUES, Order, Permutation, Sequential, permutation
from planted._order.pools import BlockOrder, Pool

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
