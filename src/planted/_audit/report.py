"""What an audit found: a report to print, to read by name, or to keep as JSON."""

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from typing import Any, Final

from planted._audit.statistics import Statistic

KINDS: Final = ("missing", "doubled", "foreign", "altered", "mixed", "misnumbered", "unexplained")
SHOWN: Final = 5  # row numbers that a line of the report shows


@dataclass(frozen=True, slots=True)
class RowFault:
    """The rows that have one kind of fault, of one epoch or of all."""

    kind: str
    """One of `KINDS`."""
    count: int = 0
    first: tuple[int, ...] = ()
    """The lowest row numbers; for foreign rows, which have none, the first positions in the epoch."""
    detail: str = ""
    """What else is known, such as which columns differ."""
    notes: tuple[str, ...] = ()
    """What they have in common: that they came in one batch, say, or are the last rows."""

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Also from a pickle that was written before there were `notes`."""
        _set_fields(self, state)

    def __str__(self) -> str:
        """The count, and some of the rows."""
        detail = f" ({self.detail})" if self.detail else ""
        shown = ", ".join(map(str, self.first[:SHOWN]))
        more = ", ..." if len(self.first) > SHOWN else ""
        return rows_text(self.count) + detail + (f": {shown}{more}" if shown else "")


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch delivered."""

    epoch: int
    rows: int
    """How many rows were delivered."""
    batches: int
    sizes: tuple[tuple[int, int], ...]
    """Each batch size with the number of batches that have it, the most frequent first."""
    batch: int
    """The most rows that one step has: one batch of each rank."""
    complete: bool
    """Whether every step has that many rows."""
    faults: tuple[RowFault, ...]
    """The kinds of faults that were found."""
    in_order: bool
    """Whether each rank's rows came in the order of their numbers."""
    order: tuple[Statistic, ...]
    """How the order compares with a full shuffle; empty for few rows."""
    precision: str
    """The precision that values were rounded to; ``"float64"`` if they were not, empty if no values came."""
    endless: bool
    """Whether the epoch did not end, so that reading was stopped."""
    transformation: tuple[str, ...] = ()
    """What was done to the altered rows, a sentence each, such as ``"y was negated"``; empty if no one rule tells."""

    def __setstate__(self, state: Sequence[Any]) -> None:
        """Also from a pickle that was written before there was a `transformation`."""
        _set_fields(self, state)

    def fault(self, kind: str) -> RowFault:
        """The rows with this kind of fault; their count may be 0."""
        return next((fault for fault in self.faults if fault.kind == kind), RowFault(kind))

    def __str__(self) -> str:
        """How many rows and batches came."""
        sizes = ", ".join(f"{count:_} of {size:_}" for size, count in self.sizes[:3])
        more = ", ..." if len(self.sizes) > 3 else ""
        return f"{rows_text(self.rows)} in {batches_text(self.batches)}" + (f" ({sizes}{more})" if sizes else "")


@dataclass(frozen=True, slots=True)
class Likeness:
    """How alike the orders of two epochs are."""

    epochs: tuple[int, int]
    same: bool
    """Whether the rows came in exactly the same order."""
    positions: tuple[Statistic, ...]
    """The correlation of rows' positions, and how many rows are at the same one; empty for few rows."""
    ranks: tuple[Statistic, ...]
    """How many rows stay with their rank; empty for one rank."""


@dataclass(frozen=True, slots=True)
class Rank:
    """What one rank received in the first epoch."""

    rows: int
    batches: int
    shared: int
    """How many of its rows another rank received too."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """What came when the first epoch was interrupted after some batches and resumed."""

    batches: int
    """How many batches (of each rank) came before the interruption."""
    exact: bool
    """Whether the rest came as without an interruption: the same rows in the same batches."""
    repeated: int
    """Rows that came after the resume, but had come before it or do not belong to the epoch."""
    lost: int
    """Rows that came neither before nor after."""
    next_epoch: bool = False
    """Whether a whole new epoch came after the last batch."""

    def __str__(self) -> str:
        """What is wrong with it."""
        after = f"after {batches_text(self.batches)}"
        if self.exact:
            return f"{after}: exact"
        wrong = [f"{rows_text(k)} {name}" for k, name in ((self.repeated, "repeated"), (self.lost, "lost")) if k]
        return f"{after}: {' and '.join(wrong) or 'the same rows, in another order or other batches'}"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Audit:
    """What `audit` found; ``print`` it. `to_dict` gives it for JSON; it is true in an ``if`` if it passed."""

    passed: bool
    """Whether nothing failed of what was asked for."""
    rows: int
    """How many rows there should be."""
    epochs: tuple[Epoch, ...]
    likeness: tuple[Likeness, ...]
    """Of each epoch with the one before it, and with an earlier one of the same order."""
    ranks: tuple[Rank, ...]
    """Empty unless asked for."""
    resume: tuple[Resumed, ...]
    """Empty unless asked for."""
    alpha: float
    """How often a perfect shuffle fails."""
    limit: float
    """The smallest p-value that passes: `alpha`, divided by the number of statistics."""
    failures: tuple[str, ...]
    """A sentence for each thing that failed: what it was, and what to do."""

    def __bool__(self) -> bool:
        """The verdict."""
        return self.passed

    def _total(self, kind: str) -> RowFault:
        """The fault of this kind, summed over the epochs; detail and notes are those of the first that has it."""
        found = [fault for epoch in self.epochs for fault in epoch.faults if fault.kind == kind]
        if not found:
            return RowFault(kind)
        rows = tuple(dict.fromkeys(row for fault in found for row in fault.first))  # the same ones perhaps in each
        first = rows[: max(SHOWN + 1, len(found[0].first))]
        return replace(found[0], count=sum(fault.count for fault in found), first=first)

    @property
    def missing(self) -> RowFault:
        """Rows that did not come, summed over the epochs, as are those below."""
        return self._total("missing")

    @property
    def doubled(self) -> RowFault:
        """Rows that came again in one epoch: a row that came three times counts as two."""
        return self._total("doubled")

    @property
    def foreign(self) -> RowFault:
        """What came and is no row."""
        return self._total("foreign")

    @property
    def altered(self) -> RowFault:
        """Rows with some of their values changed."""
        return self._total("altered")

    @property
    def mixed(self) -> RowFault:
        """Rows made of the values of several rows."""
        return self._total("mixed")

    @property
    def misnumbered(self) -> RowFault:
        """Rows that came unchanged, but with the number of another."""
        return self._total("misnumbered")

    @property
    def unexplained(self) -> RowFault:
        """Rows that are not as expected, and were only counted because there were too many."""
        return self._total("unexplained")

    @property
    def transformation(self) -> tuple[str, ...]:
        """What was done to altered rows, where one rule tells: of the first epoch that has any; else empty."""
        return next((epoch.transformation for epoch in self.epochs if epoch.transformation), ())

    @property
    def order(self) -> tuple[Statistic, ...]:
        """The statistics of the epoch whose order is furthest from a full shuffle."""
        return min((epoch.order for epoch in self.epochs), key=lowest_p_value)

    @property
    def mixing(self) -> str:
        """In words: ``"in order"``, ``"like a full shuffle"``, ``"partly shuffled"`` or ``"too few rows to tell"``."""
        known = sum(epoch.rows - epoch.fault("foreign").count for epoch in self.epochs)
        if known and all(epoch.in_order for epoch in self.epochs):
            return "in order"
        if not self.order:
            return "too few rows to tell"
        return "partly shuffled" if lowest_p_value(self.order) < self.limit else "like a full shuffle"

    def to_dict(self) -> dict[str, Any]:
        """The report as a dict for JSON."""
        return {
            "passed": self.passed,
            "rows": self.rows,
            "alpha": self.alpha,
            "limit": self.limit,
            "mixing": self.mixing,
            **{kind: asdict(self._total(kind)) for kind in KINDS},
            "transformation": list(self.transformation),
            "epochs": _plain(self.epochs),
            "likeness": _plain(self.likeness),
            "ranks": _plain(self.ranks),
            "resume": _plain(self.resume),
            "failures": list(self.failures),
        }

    def __repr__(self) -> str:
        """The verdict in one line."""
        verdict = "passed" if self.passed else "FAILED"
        faults = ", ".join(f"{fault.count:_} {fault.kind}" for fault in self._faults())
        return f"<Audit: {verdict}, {rows_text(self.rows)}, {faults or 'each once'}, {self.mixing}>"

    def __str__(self) -> str:
        """The findings and the verdict, as text."""
        lines = [f"{label + ':' if label else '':12} {text}" for label, text in self._lines()]
        verdict = ["PASSED"] if self.passed else [f"FAILED: {failure}" for failure in self.failures]
        return "\n".join(lines + verdict)

    def _repr_html_(self) -> str:
        """The findings as a table, and the verdict, for notebooks."""
        lines = "".join(
            f"<tr><th style='text-align: left'>{label}</th><td style='text-align: left'>{html.escape(text)}</td></tr>"
            for label, text in self._lines()
        )
        failed = "".join(f"<li>{html.escape(failure)}</li>" for failure in self.failures)
        verdict = f"<p><b>FAILED</b></p><ul>{failed}</ul>" if failed else "<p><b>PASSED</b></p>"
        return f"<table>{lines}</table>{verdict}"

    def _faults(self) -> list[RowFault]:
        return [fault for fault in map(self._total, KINDS) if fault.count]

    def _lines(self) -> Iterator[tuple[str, str]]:
        """The findings: a label and a text each."""
        first = self.epochs[0]
        more = f"; {len(self.epochs)} epochs, this is the first" if len(self.epochs) > 1 else ""
        yield "delivered", f"{first}; there are {self.rows:_}{more}"
        faults = self._faults()
        for fault in faults:
            yield fault.kind, str(fault)
            yield from (("", note) for note in fault.notes)
            if fault.kind == "altered":
                yield from (("", sentence) for sentence in self.transformation)
        if not faults:
            rounded = f", rounded to {first.precision}" if first.precision not in ("", "float64") else ""
            yield "rows", f"each came once, as it should be{rounded}" if first.precision else "each came once"
        yield "order", self.mixing
        if self.mixing == "partly shuffled":
            yield from (("", str(statistic)) for statistic in self.order)
        yield from (("epochs", text) for text in self._likeness_lines())
        for number, rank in enumerate(self.ranks):
            shared = f", {rows_text(rank.shared)} also given to another rank" if rank.shared else ""
            yield f"rank {number}", f"{rows_text(rank.rows)} in {batches_text(rank.batches)}{shared}"
        exact = [str(resumed.batches) for resumed in self.resume if resumed.exact]
        if exact:
            yield "resumed", f"after {', '.join(exact)} batches: exact"
        yield from (("resumed", str(resumed)) for resumed in self.resume if not resumed.exact)

    def _likeness_lines(self) -> Iterator[str]:
        any_alike = False
        for pair in self.likeness:
            alike = [str(statistic) for statistic in alike_beyond_chance(pair, self.epochs, self.limit)]
            if pair.same or alike:
                any_alike = True
                before, after = pair.epochs
                yield f"{before} and {after}: {'in the same order' if pair.same else ', '.join(alike)}"
        if self.likeness and not any_alike:
            yield "orders have nothing in common" if self.order else "too few rows to tell how alike they are"


def alike_beyond_chance(pair: Likeness, epochs: Sequence[Epoch], limit: float) -> tuple[Statistic, ...]:
    """The statistics by which two epochs are more alike than chance allows.

    Positions count only if every epoch is a full shuffle: rows that stay near their places in each are alike anyway.
    """
    full_shuffles = all(lowest_p_value(epoch.order) >= limit for epoch in epochs)
    judged = pair.positions + pair.ranks if full_shuffles else pair.ranks
    return tuple(statistic for statistic in judged if statistic.p_value < limit)


def _set_fields(report: Any, state: Sequence[Any]) -> None:
    """Fill a part of a report from a pickle; the field that older pickles lack is empty."""
    for field, value in zip(fields(report), [*state, ()], strict=False):
        object.__setattr__(report, field.name, value)


def lowest_p_value(statistics: Iterable[Statistic]) -> float:
    """The lowest p-value; 1 if there are no statistics."""
    return min((statistic.p_value for statistic in statistics), default=1.0)


def rows_text(count: int) -> str:
    """A number of rows, as text."""
    return f"{count:_} row{'' if count == 1 else 's'}"


def batches_text(count: int) -> str:
    """A number of batches, as text."""
    return f"{count:_} batch{'' if count == 1 else 'es'}"


def _plain(value: Any) -> Any:
    """Dataclasses and statistics as dicts, tuples as lists."""
    if isinstance(value, Statistic):
        return value._asdict()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value
