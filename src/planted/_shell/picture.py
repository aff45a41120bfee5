"""The picture of a demonstration: the data, the loss, and the parameters against the truth.

It is drawn on a figure of its own, so that Matplotlib's global state stays as it is.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from planted._learn import Report
from planted._rows import Rows

POINTS: Final = 1000
INK, PLANT, SOIL, LEAF = "#333333", "#2f7d32", "#b9770e", "#1565c0"


def picture(path: Path, rows: Rows, losses: Sequence[tuple[float, float]], report: Report) -> None:
    """Draw the picture and write it to `path`; its suffix chooses the format."""
    drawn(rows, losses, report).savefig(path)


def drawn(rows: Rows, losses: Sequence[tuple[float, float]], report: Report) -> Any:
    """The three panels, as a Matplotlib figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), dpi=120, layout="constrained")
    data, loss, parameters = figure.subplots(1, 3)
    _data(data, rows)
    _loss(loss, losses, rows.truth.noise_variance)
    _parameters(parameters, report)
    for axes in (data, loss, parameters):
        axes.spines[["top", "right"]].set_visible(False)
        axes.title.set_fontsize(11)
    verdict = "found" if report.passed else "NOT found"
    figure.suptitle(f"y = Xw + b + noise: the planted answer was {verdict}", color=PLANT if report.passed else SOIL)
    return figure


def _data(axes: Any, rows: Rows) -> None:
    truth = rows.truth
    X, y = rows.take(range(min(POINTS, len(rows))))
    j = int(np.argmax(np.abs(truth.w)))
    x = X[:, j]
    ends = np.array([x.min(), x.max()])
    axes.scatter(x, y[:, 0], s=6, alpha=0.5, color=LEAF, label="rows", linewidths=0)
    axes.plot(ends, truth.b + truth.w[j] * ends, color=PLANT, label="planted slope")
    axes.set(xlabel=f"x[{j}]", ylabel="y", title=f"the data: {len(X):,} of {len(rows):,} training rows")
    axes.legend(edgecolor="none", markerscale=2)  # it may lie on rows, and is read before them


def _loss(axes: Any, losses: Sequence[tuple[float, float]], variance: float | None) -> None:
    epochs = np.arange(1, len(losses) + 1)
    train, validation = np.transpose(losses)
    axes.plot(epochs, train, "o-", color=PLANT, label="train", markersize=4)
    axes.plot(epochs, validation, "s--", color=LEAF, label="validation", markersize=4, markerfacecolor="none")
    if variance:
        axes.axhline(variance / 2, color=INK, linewidth=1, linestyle=":", label="variance of the noise / 2")
    axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set(xlabel="epoch", ylabel="half the mean squared error", title="the loss after each epoch")
    axes.legend(frameon=False)


def _parameters(axes: Any, report: Report) -> None:
    shown = report.shown()
    fitted = {"b": report.fit.b, **{f"w[{j}]": float(w) for j, w in enumerate(report.fit.w)}}
    places = np.arange(len(shown))[::-1]
    fit = [(fitted[p.name] - p.truth) / p.standard_error for p in shown]
    axes.axvline(0, color=PLANT, linewidth=1.5, label="truth")
    axes.errorbar(fit, places, xerr=1.96, fmt="|", color=INK, capsize=4, label="least squares, 95% interval")
    axes.plot([p.z for p in shown], places, "D", color=SOIL, markersize=5, label="the learner", linestyle="none")
    axes.set_yticks(places, [f"{p.name} = {p.truth:.4g}" for p in shown])
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.xaxis.get_major_locator().set_params(nbins=6)  # so that long numbers stay apart
    axes.xaxis.get_major_formatter().set_powerlimits((-4, 5))
    which = f"the worst {len(shown)} of {len(report.parameters):,}" if report.omitted else "the"
    axes.set(xlabel="standard errors from the truth", title=f"{which} parameters")
    axes.legend(frameon=False, fontsize=8, loc="upper right", bbox_to_anchor=(1, -0.16), borderaxespad=0, ncols=3)
