"""What an audit found: a report to print, to read by name, or to keep as JSON.

What comes in: what was counted and measured. What goes out: an `Audit`: lines of findings, then a verdict with a remedy
for each thing that failed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from planted._audit.statistics import Statistic

SHOWN: Final = 5
FEW: Final = 12  # rows that a perfect shuffle may well leave in order, or shuffle alike twice
KINDS: Final = ("missing", "doubled", "foreign", "altered", "mixed", "misnumbered", "unexplained")


@dataclass(frozen=True, slots=True)
class Fault:
    """Rows of one epoch that have one fault."""

    kind: str
    count: int = 0
    first: tuple[int, ...] = ()
    """The lowest row numbers; of foreign rows, which have none, the positions in the epoch."""
    detail: str = ""

    def __str__(self) -> str:
        """The count, and some of them."""
        shown = ", ".join(map(str, self.first[:SHOWN])) + (", ..." if self.count > min(SHOWN, len(self.first)) else "")
        where = f": {shown}" if self.first else ""
        return f"{_rows(self.count)}{' (' + self.detail + ')' if self.detail else ''}{where}"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One reading of all rows."""

    epoch: int
    rows: int
    """How many were delivered."""
    batches: int
    sizes: tuple[tuple[int, int], ...]
    """Sizes of batches, and how many batches have each, the most frequent first."""
    batch: int
    """The most rows that all ranks' batches of one step have."""
    complete: bool
    """Whether those of each step have as many."""
    faults: tuple[Fault, ...]
    """Those that were found."""
    in_order: bool
    """Whether each rank's rows came in the order of their numbers."""
    order: tuple[Statistic, ...]
    """How the order compares with a full shuffle; empty for few rows."""
    precision: str
    """To which precision values were rounded; ``"float64"`` if not at all, empty if there were row numbers alone."""
    endless: bool
    """Whether the epoch did not end, and was left."""

    def fault(self, kind: str) -> Fault:
        """The rows with this fault, if there are any."""
        return next((fault for fault in self.faults if fault.kind == kind), Fault(kind))

    def __str__(self) -> str:
        """What was delivered."""
        sizes = ", ".join(f"{count:_} of {size:_}" for size, count in self.sizes[:3])
        more = ", ..." if len(self.sizes) > 3 else ""
        return f"{self.rows:_} rows in {self.batches:_} batches" + (f" ({sizes}{more})" if sizes else "")


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike the orders of two epochs are."""

    epochs: tuple[int, int]
    same: bool
    """Whether the rows came in the very same order."""
    positions: tuple[Statistic, ...]
    """The correlation of rows' positions, and how many rows are at the same one; empty for few rows."""
    ranks: tuple[Statistic, ...]
    """How many rows stay with their rank; empty for one rank."""


@dataclass(frozen=True, slots=True)
class Rank:
    """What one rank was given in the first epoch."""

    rows: int
    batches: int
    shared: int
    """How many of its rows another rank was given too."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """What came when the first epoch was left after some batches and resumed."""

    batches: int
    exact: bool
    """Whether it was what came without the interruption: the same rows in the same batches."""
    repeated: int
    """Rows that came although they had come before, or do not belong there."""
    lost: int
    """Rows that came neither before nor after."""
    next_epoch: bool = False
    """Whether, at the end of the epoch, a whole new one came."""

    def __str__(self) -> str:
        """What is wrong with it."""
        after = f"after {self.batches:_} batch{'' if self.batches == 1 else 'es'}"
        if self.exact:
            return f"{after}: exact"
        wrong = [f"{_rows(k)} {name}" for k, name in ((self.repeated, "repeated"), (self.lost, "lost")) if k]
        return f"{after}: {' and '.join(wrong) or 'the same rows, in another order or other batches'}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Audit:
    """What `audit` found; ``print`` it. `to_dict` gives it for JSON."""

    passed: bool
    """Whether nothing failed of what was asked for."""
    rows: int
    """How many rows there should be."""
    epochs: tuple[Epoch, ...]
    likeness: tuple[Likeness, ...]
    """Of each epoch with the one before it."""
    ranks: tuple[Rank, ...]
    """Empty unless asked for."""
    resume: tuple[Resumed, ...]
    """Empty unless asked for."""
    alpha: float
    """How often a perfect shuffle fails."""
    limit: float
    """The smallest p-value that passes: `alpha`, shared among all statistics."""
    failures: tuple[str, ...]
    """A sentence for each thing that failed: what it was, and what to do."""

    def _all(self, kind: str) -> Fault:
        found = [fault for epoch in self.epochs for fault in epoch.faults if fault.kind == kind]
        count = sum(fault.count for fault in found)
        return Fault(kind, count, found[0].first, found[0].detail) if found else Fault(kind)

    @property
    def missing(self) -> Fault:
        """Rows that did not come, summed over the epochs, as are those below."""
        return self._all("missing")

    @property
    def doubled(self) -> Fault:
        """Rows that came again in one epoch: three times the same row counts as two."""
        return self._all("doubled")

    @property
    def foreign(self) -> Fault:
        """What came and is no row."""
        return self._all("foreign")

    @property
    def altered(self) -> Fault:
        """Rows some of whose values were changed."""
        return self._all("altered")

    @property
    def mixed(self) -> Fault:
        """Rows made of the values of several."""
        return self._all("mixed")

    @property
    def misnumbered(self) -> Fault:
        """Rows that came as they should be, but under the number of another."""
        return self._all("misnumbered")

    @property
    def unexplained(self) -> Fault:
        """Rows that were not as they should be, beyond as many as are looked into."""
        return self._all("unexplained")

    @property
    def order(self) -> tuple[Statistic, ...]:
        """The order's statistics in the epoch that is furthest from a full shuffle."""
        return min((epoch.order for epoch in self.epochs), key=_lowest)

    @property
    def mixing(self) -> str:
        """In words: ``"in order"``, ``"like a full shuffle"``, ``"partly shuffled"`` or ``"too few rows to tell"``."""
        if all(epoch.in_order for epoch in self.epochs):
            return "in order"
        if not self.order:
            return "too few rows to tell"
        return "partly shuffled" if _lowest(self.order) < self.limit else "like a full shuffle"

    def to_dict(self) -> dict[str, Any]:
        """The report as a dict for JSON."""
        plain = ("passed", "rows", "alpha", "limit", "mixing")
        return {
            **{name: getattr(self, name) for name in plain},
            **{kind: asdict(self._all(kind)) for kind in KINDS},
            "epochs": [_plain(epoch) for epoch in self.epochs],
            "likeness": [_plain(pair) for pair in self.likeness],
            "ranks": [_plain(rank) for rank in self.ranks],
            "resume": [_plain(resumed) for resumed in self.resume],
            "failures": list(self.failures),
        }

    def __repr__(self) -> str:
        """The verdict in one line."""
        found = ", ".join(f"{self._all(kind).count:_} {kind}" for kind in KINDS if self._all(kind).count)
        verdict = "passed" if self.passed else "FAILED"
        return f"<Audit: {verdict}, {_rows(self.rows)}, {found or 'each once'}, {self.mixing}>"

    def __str__(self) -> str:
        """The findings and the verdict, as text."""
        lines = [f"{name + ':' if name else '':12} {text}" for name, text in self._lines()]
        return "\n".join(lines + self._verdict())

    def _lines(self) -> Iterator[tuple[str, str]]:
        first = self.epochs[0]
        more = f"; {len(self.epochs)} epochs, this is the first" if len(self.epochs) > 1 else ""
        yield "delivered", f"{first}; there are {self.rows:_}{more}"
        faults = [fault for fault in map(self._all, KINDS) if fault.count]
        yield from ((fault.kind, str(fault)) for fault in faults)
        if not faults:
            yield "rows", "each came once, as it should be" if first.precision else "each came once"
        yield "order", self.mixing
        yield from (("", str(statistic)) for statistic in self.order if self.mixing == "partly shuffled")
        yield from (("epochs", text) for text in self._epochs_alike())
        for number, rank in enumerate(self.ranks):
            shared = f", {_rows(rank.shared)} of another rank too" if rank.shared else ""
            yield f"rank {number}", f"{_rows(rank.rows)} in {rank.batches:_} batches{shared}"
        exact = [str(resumed.batches) for resumed in self.resume if resumed.exact]
        if exact:
            yield "resumed", f"after {', '.join(exact)} batches: exact"
        yield from (("resumed", str(resumed)) for resumed in self.resume if not resumed.exact)

    def _epochs_alike(self) -> Iterator[str]:
        alike = False
        for pair in self.likeness:
            telling = [str(statistic) for statistic in alike_in(pair, self.epochs, self.limit)]
            if pair.same or telling:
                alike = True
                before, after = pair.epochs
                yield f"{before} and {after}: {'in the same order' if pair.same else ', '.join(telling)}"
        if self.likeness and not alike:
            yield "orders have nothing in common" if self.order else "too few rows to tell how alike they are"

    def _verdict(self) -> list[str]:
        if self.passed:
            return ["PASSED"]
        return [f"FAILED: {sentence}" for sentence in self.failures]


def _rows(count: int) -> str:
    return f"{count:_} row{'' if count == 1 else 's'}"


def _lowest(statistics: Iterable[Statistic]) -> float:
    return min((statistic.p_value for statistic in statistics), default=1.0)


def _plain(found: Any) -> Any:
    """Dataclasses and statistics as dicts."""
    if isinstance(found, Statistic):
        return found._asdict()
    if isinstance(found, tuple):
        return [_plain(each) for each in found]
    names = getattr(found, "__slots__", ())
    return {name: _plain(getattr(found, name)) for name in names} if names and not isinstance(found, str) else found


# ---- what failed, and what to do ------------------------------------------------------------------------------

REMEDIES: Final = {
    "foreign": "look for other data among them, and for steps that change every value",
    "altered": "leave out steps that change values; if it is rounding, look at the format and the precision",
    "mixed": "shuffle X and y by the same numbers, and do not hand out memory that is written again",
    "misnumbered": "let the numbers go through the same shuffle as the rows, and count from 0; or leave them out",
    "unexplained": "mend the other faults, and audit again",
}


def failures(
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
        *_missing(epochs, drop_last=drop_last),
        *_doubled(epochs, ranks),
        *(f"{_sum(epochs, kind)} {kind}: {remedy}" for kind, remedy in REMEDIES.items() if _count(epochs, kind)),
    ]
    if any(epoch.endless for epoch in epochs):
        found.append("an epoch did not end, and was left: let the loader stop after each row has come once")
    if len({rank.batches for rank in ranks}) > 1:
        found.append("the ranks have unequal numbers of batches: those that are done keep the others waiting for ever")
    if shuffled is False and not all(epoch.in_order for epoch in epochs):
        found.append("the rows do not come in the order of their numbers: switch the shuffle off")
    if shuffled and epochs[0].rows >= FEW * max(1, len(ranks)):
        found += _order(epochs, pairs, limit)
    inexact = [each for each in resumed if not each.exact]
    if inexact:
        found.append(f"resumed {inexact[0]}: save the position in the epoch, the seed, and what the buffers hold")
    return tuple(found)


def _missing(epochs: Sequence[Epoch], *, drop_last: bool) -> Iterator[str]:
    most = max(epoch.fault("missing").count for epoch in epochs)
    dropped = all(epoch.complete and epoch.fault("missing").count < epoch.batch for epoch in epochs)
    if not most or (drop_last and dropped):
        return
    if dropped:
        remedy = "fewer than a batch, as drop_last=True leaves out; if that is meant, audit with drop_last=True"
    else:
        remedy = "look at the ends of shards, workers, ranks and buffers, where rows are left over"
    yield f"{_sum(epochs, 'missing')} missing: {remedy}"


def _doubled(epochs: Sequence[Epoch], ranks: Sequence[Rank]) -> Iterator[str]:
    if not _count(epochs, "doubled"):
        return
    shared = sum(rank.shared for rank in ranks)
    if any(epoch.fault("doubled").detail for epoch in epochs):
        remedy = "all came equally often, as when every worker or rank reads all: give each a part"
    elif shared:
        remedy = "several ranks read them, as where copies make the ranks equally long: let the ranks divide the rows"
    else:
        remedy = "draw without replacement, and let the parts of workers not overlap"
    yield f"{_sum(epochs, 'doubled')} doubled: {remedy}"


def _order(epochs: Sequence[Epoch], pairs: Sequence[Likeness], limit: float) -> Iterator[str]:
    worst = min((s for epoch in epochs for s in epoch.order), key=lambda s: s.p_value, default=None)
    if all(epoch.in_order for epoch in epochs):
        yield "the rows come in the order of their numbers: switch the shuffle on"
    elif worst is not None and worst.p_value < limit:
        yield f"not a full shuffle, {worst}: let the buffer hold more rows, or shuffle the row numbers themselves"
    if any(pair.same for pair in pairs):
        before, after = next(pair.epochs for pair in pairs if pair.same)
        yield f"epochs {before} and {after} have the same order: tell the loader the epoch, as with set_epoch"
        return
    alike = [statistic for pair in pairs for statistic in alike_in(pair, epochs, limit)]
    if alike:
        worst = min(alike, key=lambda s: s.p_value)
        yield f"epochs are alike, {worst}: shuffle anew, all rows over all ranks, in each epoch"


def alike_in(pair: Likeness, epochs: Sequence[Epoch], limit: float) -> tuple[Statistic, ...]:
    """In what two epochs are more alike than chance allows; of positions only if chance alone decides on them."""
    by_chance = all(_lowest(epoch.order) >= limit for epoch in epochs)
    return tuple(s for s in (pair.positions if by_chance else ()) + pair.ranks if s.p_value < limit)


def _count(epochs: Sequence[Epoch], kind: str) -> int:
    return sum(epoch.fault(kind).count for epoch in epochs)


def _sum(epochs: Sequence[Epoch], kind: str) -> str:
    count = _count(epochs, kind)
    return f"{_rows(count)} {'is' if count == 1 else 'are'}"
