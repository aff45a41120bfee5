"""What was done to all rows, or to some, is named in a sentence; and nothing is named where no one rule tells."""

import json
import pickle

import numpy as np
import pytest
from streams import Table, found

import planted
from planted import audit

N = 1_000
ROWS = planted.regression([2.0, -3.4, 1.0], 4.2, noise=0.01, n=N, seed=714)
X, Y = ROWS[:]


def batches(change, index=False, rows=N, seed=0, size=32):
    """Batches of all rows, changed; in a shuffled order; only so many of them."""
    changed = change(X.copy(), Y.copy())
    numbers = np.array(planted.permutation(N, seed))[:rows]
    for first in range(0, rows, size):
        part = numbers[first : first + size]
        yield (*(values[part] for values in changed), part)[: 3 if index else 2]


def standardised(values):
    return (values - values.mean(axis=0)) / values.std(axis=0)


def scaled(values):
    return (values - values.min(axis=0)) / (values.max(axis=0) - values.min(axis=0))


MEAN_0 = "(mean 0 and standard deviation 1)"
PERMUTED = "columns were permuted: delivered X[0] is X[2], X[1] is X[0], X[2] is X[1]"
CHANGES = {  # what is done, and what an audit says
    "permuted": (lambda X, y: (X[:, [2, 0, 1]], y), [PERMUTED]),
    "exchanged": (lambda X, y: (X[:, [1, 0, 2]], y), ["X[0] and X[1] were exchanged"]),
    "copied": (lambda X, y: (X[:, [0, 0, 2]], y), ["columns were put in the place of others: delivered X[1] is X[0]"]),
    "y in X": (lambda X, y: (np.hstack([y, X[:, 1:]]), X[:, 0]), ["X[0] and y were exchanged"]),
    "standardised X": (lambda X, y: (standardised(X), y), [f"X was standardised {MEAN_0}"]),
    "standardised": (lambda X, y: (standardised(X), standardised(y)), [f"all values were standardised {MEAN_0}"]),
    "standardised in float64": (
        lambda X, y: (standardised(X.astype(float)), standardised(y.astype(float))),
        [f"all values were standardised {MEAN_0}"],
    ),
    "standardised in float16": (
        lambda X, y: (standardised(X).astype(np.float16), y.astype(np.float16)),
        [f"X was standardised {MEAN_0}"],
    ),
    "to [0, 1]": (lambda X, y: (scaled(X), scaled(y)), ["all values were scaled to [0, 1]"]),
    "to [-1, 1]": (lambda X, y: (2 * scaled(X) - 1, y), ["X was scaled to [-1, 1]"]),
    "centred": (lambda X, y: (X - X.mean(axis=0), y), ["X was centred (mean 0)"]),
    "negated y": (lambda X, y: (X, -y), ["y was negated"]),
    "negated": (lambda X, y: (-X, -y), ["all values were negated"]),
    "two decimals": (lambda X, y: (np.round(X, 2), np.round(y, 2)), ["all values were rounded to 2 decimals"]),
    "one decimal": (lambda X, y: (np.round(X, 1), y), ["X was rounded to 1 decimal"]),
    "whole numbers": (lambda X, y: (X, np.round(y)), ["y was rounded to whole numbers"]),
    "integers": (lambda X, y: (X, y.astype(int)), ["y was cut to whole numbers, as astype(int) does"]),
    "float16 X": (lambda X, y: (X.astype(np.float16), y), ["X was rounded to float16"]),
    "doubled": (lambda X, y: (X * 2, y * 2), ["all values were multiplied by 2"]),
    "by 255": (lambda X, y: (X / np.float32(255), y), ["X was divided by 255"]),
    "added": (lambda X, y: (X, y + 1), ["y was shifted by 1"]),
    "each its own": (
        lambda X, y: (X * [1, 2, -3] + [0, 0.5, -1], y),
        ["X[1] was multiplied by 2 and shifted by 0.5", "X[2] was multiplied by -3 and shifted by -1"],
    ),
    "clipped": (lambda X, y: (np.clip(X, -1.5, 1.5), y), ["X was clipped to [-1.5, 1.5]"]),
    "positive": (lambda X, y: (np.maximum(X, 0), y), ["X was clipped to at least 0"]),
    "at most 2": (lambda X, y: (np.minimum(X, 2), y), ["X was clipped to at most 2"]),
    "zero": (lambda X, y: (X * [1, 0, 1], y), ["X[1] was replaced by 0"]),
    "no number": (lambda X, y: (X * [1, np.nan, 1], y), ["X[1] was replaced by nan"]),
    "permuted and standardised": (
        lambda X, y: (standardised(X)[:, [2, 0, 1]], standardised(y)),
        [PERMUTED, f"all values were standardised {MEAN_0}"],
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_done_to_all_rows_is_named(change, index):
    done, sentences = CHANGES[change]
    report = audit(batches(done, index), ROWS)
    assert report.transformation == tuple(sentences)
    assert set(found(report)) == {"altered"}, report
    assert "clipped" in sentences[0] or report.altered.count == N
    assert report.mixing == "like a full shuffle"  # rows are recognised, so that their order is known
    [failure] = report.failures
    assert f"rows are altered: {'; '.join(sentences)}: leave this step out, or undo it in unpack=" in failure
    assert f"\n             {sentences[0]}\n" in str(report)


@pytest.mark.parametrize("change", [each for each in CHANGES if each != "permuted and standardised"])
def test_rows_may_be_missing(change):
    """As with drop_last: eight of them, of which no value is as it was."""
    done, sentences = CHANGES[change]
    report = audit(batches(done, rows=N - 8), ROWS, drop_last=True)
    assert report.transformation == tuple(sentences)
    few = 5 if "float16" in change else 0  # rows that low precision leaves unrecognised
    assert abs(report.missing.count - 8) <= few


def test_epochs_and_resumes_of_changed_rows_are_compared():
    """A rule that was found in one epoch serves to recognise half of the rows in the next reading."""

    def epoch(number):
        return list(batches(lambda X, y: (standardised(X), standardised(y)), seed=number))

    report = audit(epoch, ROWS, epochs=3, shuffled=True, resume=lambda k: epoch(0)[k:])
    assert set(found(report)) == {"altered"}
    assert [resumed.exact for resumed in report.resume] == [True] * 5
    assert len(report.failures) == 1


def test_what_was_done_to_some_rows_is_named(index):
    """One batch of 32 with two columns exchanged; and half of the rows, of which no value is as it was."""
    stream = list(batches(lambda X, y: (X, y), index))
    values, *rest = stream[7]
    stream[7] = (values[:, [1, 0, 2]], *rest)
    report = audit(stream, ROWS)
    assert (found(report), report.transformation) == ({"altered": 32}, ("X[0] and X[1] were exchanged",))
    stream = list(batches(lambda X, y: (X, y), index))
    halves = [(X * 2, y * 2, *number) if i % 2 else (X, y, *number) for i, (X, y, *number) in enumerate(stream)]
    report = audit(halves, ROWS)
    assert report.altered.count == sum(len(X) for X, *_ in halves[1::2])
    assert report.transformation == ("all values were multiplied by 2",)


def test_rows_that_the_rule_does_not_explain_are_counted(index):
    stream = [(X, -y, *number) for X, y, *number in batches(lambda X, y: (X, y), index)]
    stream[0][1][:3] += 1
    report = audit(stream, ROWS)
    assert report.altered.count == N
    assert report.transformation == ("y was negated", "3 of the altered rows were changed in another way")


def test_rows_in_order_need_no_value_in_common(monkeypatch):
    """However many: where rows come in the order of their numbers, no table of sorted values is needed."""
    monkeypatch.setattr("planted._matching.fitting.MOST_SORTED", 10)
    report = audit([(X * 2, Y * 2)], ROWS)
    assert report.transformation == ("all values were multiplied by 2",)
    assert found(report) == {"altered": N}
    report = audit([(X[::-1] * 2, Y[::-1] * 2)], ROWS)
    assert found(report) == {"foreign": N, "missing": N}


OTHERS = planted.regression([2.0, -3.4, 1.0], 4.2, noise=0.01, n=N, seed=715)[:]
NO_RULE = {
    "noise": lambda X, y: (X + np.random.default_rng(0).normal(size=X.shape) / 1000, y),
    "other rows": lambda X, y: OTHERS,
    "other rows, rounded": lambda X, y: tuple(np.round(values, 1) for values in OTHERS),
    "other rows, whole": lambda X, y: tuple(np.round(values) for values in OTHERS),
    "a curve": lambda X, y: (np.log1p(np.abs(X)), y),
    "squares": lambda X, y: (X**2, y**2),
    "each row by its own": lambda X, y: (X * np.random.default_rng(0).uniform(1, 2, (N, 1)), y),
    "y of other rows": lambda X, y: (X, np.roll(y, 1, axis=0)),
}


@pytest.mark.parametrize("change", NO_RULE)
def test_nothing_is_named_where_no_rule_tells(change, index):
    for rows in (N, N - 8):
        report = audit(batches(NO_RULE[change], index, rows), ROWS)
        assert report.transformation == ()
        assert not report.passed


def test_nothing_is_named_of_rows_as_they_should_be(index):
    """Nor of those that were only rounded to another precision, or of few that were altered each in its way."""
    for dtype in (np.float64, np.float32, np.float16):
        report = audit(batches(lambda X, y, dtype=dtype: (X.astype(dtype), y.astype(dtype)), index), ROWS)
        assert report.passed
        assert report.transformation == ()
    X_of, y_of = X.copy(), Y.copy()
    X_of[[3, 5], 1] *= 2
    report = audit([(X_of, y_of, np.arange(N))[: 3 if index else 2]], ROWS)
    assert (found(report), report.transformation) == ({"altered": 2}, ())


@pytest.mark.parametrize("features", [1, 40])
def test_narrow_and_wide_rows(features, index):
    rows = planted.regression(np.ones(features), n=300, noise=1.0)
    values, y = rows[:]
    order = np.random.default_rng(0).permutation(300)
    turned = values[order][:, ::-1] * np.float32(0.5)
    report = audit([(turned, y[order], order)[: 3 if index else 2]], rows)
    assert report.transformation[-1] == "X was multiplied by 0.5"
    assert len(report.transformation) == (1 if features == 1 else 2)
    report = audit([(values[order] * np.arange(2, features + 2), y[order], order)[: 3 if index else 2]], rows)
    assert report.transformation[0] == "X was multiplied by 2" if features == 1 else "X[0] was multiplied by 2"
    assert features == 1 or report.transformation[-1] == "36 more columns were changed alike"


def test_columns_of_few_values_prove_nothing(index):
    """A column of 0 and 1 that is turned round may be negated and shifted, or its own opposite."""
    generator = np.random.default_rng(0)
    table = Table(
        np.hstack([generator.integers(0, 2, (N, 1)), generator.normal(size=(N, 2))]), generator.normal(size=N)
    )
    values, y = table.take(slice(None))
    values = values.copy()
    values[:, 0] = 1 - values[:, 0]
    report = audit([(values, y, np.arange(N))[: 3 if index else 2]], table)
    assert (found(report), report.transformation) == ({"altered": N}, ())


def test_random_changes_of_no_rule_are_never_named():
    """200 tables, each column replaced by other values of the same law: chance has it less than once in 2^80."""
    generator = np.random.default_rng(1)
    for _ in range(200):
        n = int(generator.integers(8, 200))
        table = Table(generator.normal(size=(n, 2)).astype("f4"), generator.normal(size=n).astype("f4"))
        values = generator.normal(size=(n, 2)).astype("f4")
        for y in (table.y, generator.normal(size=n).astype("f4")):
            assert audit([(values, y)], table).transformation == ()
            assert audit([(values, y, np.arange(n))], table).transformation == ()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("factor", [1e300, 1e-300, np.inf, np.nan, 0.0])
def test_values_may_be_any(factor, index):
    for change in (lambda X, y: (X * factor, y), lambda X, y: (X * factor, y * factor)):
        with np.errstate(all="ignore"):
            stream = list(batches(lambda X, y, change=change: change(X.astype(float), y.astype(float)), index))
        assert not audit(stream, ROWS).passed


def test_the_report_keeps_it():
    report = audit(batches(lambda X, y: (X, -y)), ROWS)
    assert json.loads(json.dumps(report.to_dict()))["transformation"] == ["y was negated"]
    again = pickle.loads(pickle.dumps(report))
    assert again.transformation == report.transformation == report.epochs[0].transformation


@pytest.mark.parametrize("seed", range(1, 9))
@pytest.mark.parametrize("responses_too", [False, True])
def test_accidents_among_many_changed_values_name_no_other_row(seed, responses_too):
    """Of 10_007 standardised float32s some are values of other rows, and some responses are those of two rows."""
    rows = planted.regression(w=[2.0, -3.4], b=4.2, noise=0.01, n=10_007, seed=seed)

    def standardised():
        for X, y in planted.Loader(rows, batch_size=32):
            yield (X - X.mean(0)) / X.std(0), (y - y.mean()) / y.std() if responses_too else y

    report = planted.audit(standardised(), rows)
    if responses_too:
        assert (report.foreign.count, report.altered.count) == (rows.n, 0)
        (failure,) = report.failures
        assert failure.startswith("10_007 rows are foreign, and as many are missing")
    else:
        assert (report.missing.count, report.doubled.count, report.altered.count) == (0, 0, rows.n)
        assert report.transformation[0].startswith("X was standardised batch by batch")
