"""What failed in an audit: a sentence for each, with what to do about it."""

from collections.abc import Iterator, Sequence
from typing import Final

from planted._audit.faults import run_text
from planted._audit.report import Epoch, Likeness, Rank, Resumed, alike_beyond_chance, rows_text

FEWEST_ROWS: Final = 12  # fewer may well be in order, or in the same order twice, after a perfect shuffle
MANY: Final = 0.1  # of the rows
REMEDIES: Final = {
    "foreign": "check whether the loader mixes in other data, or changes every value",
    "altered": "leave out steps that change values; if it is rounding, look at the format and the precision",
    "mixed": "shuffle X and y by the same row numbers, and do not reuse a batch's memory for the next one",
    "misnumbered": "shuffle the numbers together with the rows, and count from 0; or leave them out",
    "unexplained": "correct the other faults, and audit again",
}


def failures(
    n: int,
    epochs: Sequence[Epoch],
    pairs: Sequence[Likeness],
    ranks: Sequence[Rank],
    resumed: Sequence[Resumed],
    *,
    shuffled: bool | None,
    drop_last: bool,
    limit: float,
) -> tuple[str, ...]:
    """A sentence for each thing that failed."""
    found = [
        *_missing(n, epochs, ranks, drop_last=drop_last),
        *_doubled(epochs, ranks),
        *(f"{_count_text(epochs, kind)} {_named(epochs, kind)}" for kind in REMEDIES if _count(epochs, kind)),
    ]
    if any(epoch.endless for epoch in epochs):
        found.append("an epoch did not end, and reading was stopped: let the loader end when each row has come once")
    if len({rank.batches for rank in ranks}) > 1:
        found.append(
            "the ranks have unequal numbers of batches, so that some wait for others for ever: give all the same number"
        )
    if shuffled is False and not all(epoch.in_order for epoch in epochs):
        found.append("the rows do not come in the order of their numbers: switch the shuffle off")
    if shuffled and epochs[0].rows >= FEWEST_ROWS * max(1, len(ranks)):
        found += _shuffle(epochs, limit)
        found += _new_orders(epochs, pairs, limit)
    inexact = [each for each in resumed if not each.exact]
    if inexact:
        anew = all(each.lost == 0 and each.repeated == each.batches * epochs[0].batch for each in inexact)
        remedy = "the epoch began anew: save how many batches came, and go on after them"
        if not anew:
            remedy = "save the position in the epoch, the seed, and what the buffers hold"
        found.append(f"resumed {inexact[0]}: {remedy}")
    return tuple(found)


def _in_place_of_missing(epochs: Sequence[Epoch]) -> bool:
    """Whether about as many rows are foreign as are missing, so that the one is the cause of the other."""
    foreign, missing = _count(epochs, "foreign"), _count(epochs, "missing")
    return foreign > 0 and abs(foreign - missing) <= MANY * foreign


def _named(epochs: Sequence[Epoch], kind: str) -> str:
    """The kind of a fault, with what to do about it."""
    if kind == "foreign" and _in_place_of_missing(epochs):
        as_many = "as many" if _count(epochs, "foreign") == _count(epochs, "missing") else "about as many"
        return f"{kind}, and {as_many} are missing: {_remedy(epochs, kind)}"
    return f"{kind}: {_remedy(epochs, kind)}"


def _remedy(epochs: Sequence[Epoch], kind: str) -> str:
    done = next((epoch.transformation for epoch in epochs if epoch.transformation), ())
    if kind == "altered" and done:
        return f"{'; '.join(done)}: leave this step out, or undo it in unpack="
    return REMEDIES[kind]


def _missing(n: int, epochs: Sequence[Epoch], ranks: Sequence[Rank], *, drop_last: bool) -> Iterator[str]:
    missing = _count(epochs, "missing")
    if not missing or _in_place_of_missing(epochs):
        return
    less_than_a_batch = all(epoch.complete and epoch.fault("missing").count < epoch.batch for epoch in epochs)
    if less_than_a_batch and drop_last:
        return
    if less_than_a_batch:
        each = " in each epoch" if len(epochs) > 1 else ""
        remedy = f"fewer than a batch{each}, as drop_last=True leaves out; if that is meant, audit with drop_last=True"
    elif _orders_of_their_own(epochs, ranks):
        remedy = "give all ranks one seed and epoch, so that they divide one order"
    elif missing == _count(epochs, "doubled"):
        remedy = "other rows came in their place: draw without replacement, and look for an index that is off"
    else:
        remedy = (
            f"{_never_came(n, epochs)}look at the ends of shards, workers, ranks and buffers, where rows are left over"
        )
    yield f"{_count_text(epochs, 'missing')} missing: {remedy}"


def _never_came(n: int, epochs: Sequence[Epoch]) -> str:
    """What to pass where the last rows, or the first, came in no epoch: perhaps only the others were meant to come."""
    faults = [epoch.fault("missing") for epoch in epochs]
    count = faults[0].count
    others = n - count
    for low, part in ((others, f"rows.split({others})[0]"), (0, f"rows.split({count}, {others})[1]")):
        run = range(low, low + count)
        if all(run_text(run, n) in fault.notes for fault in faults):
            never = f"rows {run[0]} to {run[-1]} never came: if they were not meant to come, pass those that were"
            return f"{never}, {part}; else "
    return ""


def _doubled(epochs: Sequence[Epoch], ranks: Sequence[Rank]) -> Iterator[str]:
    if not _count(epochs, "doubled"):
        return
    first = epochs[0]
    different = first.rows - first.fault("doubled").count
    if different <= first.batch and first.batches > 2:
        remedy = "all batches hold the same rows, as when a batch's memory is used for the next: copy each batch"
    elif any(epoch.fault("doubled").detail for epoch in epochs):  # which says how often each came
        remedy = "all came equally often, as when each worker or rank reads all: give each its own part"
    elif _orders_of_their_own(epochs, ranks):
        remedy = "several ranks read them, as when each shuffles for itself: give all ranks one seed and epoch"
    elif any(rank.shared for rank in ranks):
        remedy = "several ranks read them, as when padding makes ranks equally long: divide the rows among the ranks"
    else:
        remedy = "draw without replacement, and give workers parts that do not overlap"
    yield f"{_count_text(epochs, 'doubled')} doubled: {remedy}"


def _orders_of_their_own(epochs: Sequence[Epoch], ranks: Sequence[Rank]) -> bool:
    """Whether ranks share many rows while others come to none of them."""
    shared = max((rank.shared for rank in ranks), default=0)
    return shared > MANY * epochs[0].rows and epochs[0].fault("missing").count > MANY * epochs[0].rows


def _shuffle(epochs: Sequence[Epoch], limit: float) -> Iterator[str]:
    """Whether each epoch is a full shuffle."""
    worst = min((s for epoch in epochs for s in epoch.order), key=lambda s: s.p_value, default=None)
    if all(epoch.in_order for epoch in epochs):
        yield "the rows come in the order of their numbers: switch the shuffle on"
    elif worst is not None and worst.p_value < limit:
        yield f"not a full shuffle, {worst}: use a larger buffer, or shuffle the row numbers themselves"


def _new_orders(epochs: Sequence[Epoch], pairs: Sequence[Likeness], limit: float) -> Iterator[str]:
    """Whether each epoch has an order of its own."""
    same = [pair.epochs for pair in pairs if pair.same]
    alike = [statistic for pair in pairs for statistic in alike_beyond_chance(pair, epochs, limit)]
    if same:
        before, after = same[0]
        yield f"epochs {before} and {after} have the same order: tell the loader the epoch, as with set_epoch"
    elif alike:
        worst = min(alike, key=lambda s: s.p_value)
        yield f"epochs are alike, {worst}: shuffle all rows again in each epoch, across all ranks"


def _count(epochs: Sequence[Epoch], kind: str) -> int:
    return sum(epoch.fault(kind).count for epoch in epochs)


def _count_text(epochs: Sequence[Epoch], kind: str) -> str:
    count = _count(epochs, kind)
    return f"{rows_text(count)} {'is' if count == 1 else 'are'}"
