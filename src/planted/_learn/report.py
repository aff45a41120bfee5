"""What the check of a learner found, as numbers, text and HTML."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from planted._estimates import Estimate

SHOWN: Final = 12
COLUMNS: Final = ("", "truth", "estimate", "error", "std. error", "z")
FORMATS: Final = ("", ".6g", ".6g", ".3g", ".3g", ".2f")
MANY: Final = 1e5
WIDTHS: Final = (8, 12, 12, 12, 12, 9)  # in characters


class Parameter(NamedTuple):
    """One parameter's part of a report."""

    name: str
    truth: float
    estimate: float
    error: float  # estimate - truth
    standard_error: float  # of the least-squares fit
    z: float  # error / standard_error

    def __repr__(self) -> str:
        """Its numbers as a report shows them."""
        cells = zip(self._fields[1:], _cells(self)[1:], strict=True)
        return f"Parameter({self.name!r}, {', '.join(f'{name}={cell}' for name, cell in cells)})"


def _cells(parameter: Parameter) -> tuple[str, ...]:
    """A parameter's numbers, rounded for people: two digits of z, and three where they are many."""
    *cells, z = (format(cell, spec) for cell, spec in zip(parameter, FORMATS, strict=True))
    return (*cells, z if abs(parameter.z) < MANY else f"{parameter.z:.3g}")


Parameter.__module__ = "planted._learn"  # in the class body, mypy takes it for a field


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Report:
    """What `check` found; ``print`` it. It is true if the check passed, so ``assert planted.check(...)`` asserts that.

    The fields are plain numbers, `to_dict` gives them for JSON.
    """

    __module__ = "planted"

    passed: bool
    """Whether both of the errors are within what chance allows."""
    statistic: float
    """Wald statistic of the least-squares fit against the truth: chi-square with `dof` degrees of freedom."""
    p_value: float
    """How often chance alone gives a statistic this large or larger."""
    dof: int
    """Degrees of freedom: the number of parameters, intercept included."""
    distance: float
    """How far the learner is from the least-squares fit, in standard errors, in the worst direction."""
    tolerance: float
    """The largest `distance` that passes."""
    alpha: float
    """The smallest `p_value` that passes: the rate at which honest rows fail."""
    residual_std: float
    """The residual standard deviation of the least-squares fit, in the units of y; compare the truth's noise."""
    rows: int
    """How many rows were read."""
    fit: Estimate
    """The least-squares fit to the rows."""
    parameters: tuple[Parameter, ...]
    """Each weight and the intercept: truth, estimate, error, standard error, z."""
    advice: str
    """One sentence: what was found, and what to do if it failed."""

    def __bool__(self) -> bool:
        """The verdict: `passed`."""
        return self.passed

    @property
    def noise(self) -> float:
        """The old name of `residual_std`."""
        return self.residual_std

    def to_dict(self) -> dict[str, Any]:
        """The report as a dict for JSON."""
        plain = ("passed", "statistic", "p_value", "dof", "distance", "tolerance", "alpha", "residual_std", "rows")
        return {
            **{name: getattr(self, name) for name in (*plain, "noise", "advice")},
            "parameters": [parameter._asdict() for parameter in self.parameters],
        }

    def __repr__(self) -> str:
        """The verdict in one line."""
        verdict = "passed" if self.passed else "FAILED"
        return f"<Report: {verdict}, p={self.p_value:.3g}, distance={self.distance:.3g} standard errors>"

    def __str__(self) -> str:
        """The table of parameters and the verdict, as text."""
        lines = [" ".join(f"{cell:>{width}}" for cell, width in zip(row, WIDTHS, strict=True)) for row in self.table()]
        if self.omitted:
            lines.append(f"{'...':>8} {self.omitted}")
        return "\n".join([*lines, *self.summary()])

    def _repr_html_(self) -> str:
        head, *rows = self.table()
        lines = ["".join(f"<th>{name}</th>" for name in head)]
        lines += [f"<th>{name}</th>" + "".join(f"<td>{cell}</td>" for cell in cells) for name, *cells in rows]
        table = "".join(f"<tr>{line}</tr>" for line in lines)
        notes = [self.omitted] if self.omitted else []
        return f"<table>{table}</table><p>{'<br>'.join([*notes, *self.summary()])}</p>"

    def table(self) -> list[tuple[str, ...]]:
        """The parameters that `shown` gives, as rows of text under the names of the columns."""
        return [COLUMNS, *map(_cells, self.shown())]

    def shown(self) -> tuple[Parameter, ...]:
        """All parameters if they are few, else those furthest off."""
        if len(self.parameters) <= SHOWN:
            return self.parameters
        return tuple(sorted(self.parameters, key=lambda p: -abs(p.z))[:SHOWN])

    @property
    def omitted(self) -> str:
        """How many parameters `shown` leaves out, as text; empty if none."""
        more = len(self.parameters) - len(self.shown())
        return f"and {more} more parameter{'s' * (more > 1)} with smaller |z|" if more else ""

    def summary(self) -> tuple[str, str, str]:
        """Three lines: statistical error, optimisation error, verdict."""
        p_value = f"p = {self.p_value:.3g} (must be at least {self.alpha:g})"
        limit = f"(must be at most {self.tolerance:.3g})"
        return (
            f"statistical error:  Wald statistic {self.statistic:.4g} on {self.dof} degrees of freedom: {p_value}",
            f"optimisation error: {self.distance:.4g} standard errors from the least-squares fit {limit}",
            f"{'PASSED' if self.passed else 'FAILED'}: {self.advice}",
        )
