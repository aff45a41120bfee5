"""Streams without a fault pass; and the report says what was found."""

import dataclasses
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from streams import LOADER, ROWS, B, N, Stream, Table, X, Y, drop, flip_a_bit

import planted
from planted import audit
from planted._audit.report import KINDS

# ---- streams without a fault ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "features", "size"), [(0, 1, 4), (1, 1, 1), (5, 3, 2), (1_000, 1, 32), (999, 20, 1)])
def test_planted_passes_its_own_audit(n, features, size, dtype, shuffle, index):
    rows = planted.regression(np.ones(features), n=n, dtype=dtype)
    loader = planted.Loader(rows, size, shuffle=shuffle, with_index=index)
    report = audit(loader, rows, epochs=2, shuffled=shuffle if n > 128 else None)
    assert report.passed, report
    assert [epoch.faults for epoch in report.epochs] == [(), ()]
    assert report.epochs[0].rows == n
    assert report.epochs[0].batches == len(loader)
    shuffled = "like a full shuffle" if n > 128 else "too few rows to tell"
    assert report.mixing == ("in order" if n == 1 or (n and not shuffle) else shuffled)


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_planted_passes_over_ranks_and_after_resumes(world_size, index):
    def loaders():
        settings = {"world_size": world_size, "with_index": index, "seed": 3}
        return [planted.Loader(ROWS, B, rank=rank, **settings) for rank in range(world_size)]

    def resume(k):
        states = []
        for loader in loaders():
            batches = iter(loader)
            for _ in range(k):
                next(batches)
            states.append(loader.state_dict())
        resumed = loaders()
        for loader, state in zip(resumed, states, strict=True):
            loader.load_state_dict(state)
        return resumed

    report = audit(loaders(), ROWS, ranks=True, epochs=3, shuffled=True, resume=resume)
    assert report.passed, report
    assert sum(rank.rows for rank in report.ranks) == N
    assert {(rank.batches, rank.shared) for rank in report.ranks} == {(32, 0)}
    assert [resumed.batches for resumed in report.resume] == [0, 1, 16, 31, 32]
    assert report.resume[-1].next_epoch


def test_false_fail_rate_is_alpha():
    """Of 2 000 perfect shuffles, in two epochs each, some 5% fail at alpha 5%: within four standard deviations.

    That they are no more than alpha is promised; that they are not far fewer shows that the test has power.
    """
    generator = np.random.default_rng(0)
    rows = planted.regression([1.0], n=500)

    def sampler(_):
        return np.array_split(generator.permutation(500), 16)

    failed = sum(not audit(sampler, rows, epochs=2, shuffled=True, alpha=0.05).passed for _ in range(2_000))
    assert abs(failed - 100) < 4 * np.sqrt(2_000 * 0.05 * 0.95)


# ---- the report -----------------------------------------------------------------------------------------------------


def test_the_report_is_plain_data():
    stream = Stream()
    flip_a_bit(stream), drop(stream)
    batches = list(stream.batches())
    report = audit([batches[:15], batches[15:]], ROWS, ranks=True, epochs=2, shuffled=True, resume=lambda _: [[], []])
    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["passed"] is False
    assert plain["missing"]["count"] == 6
    assert plain["epochs"][0]["order"][0].keys() == {"name", "value", "expected", "p_value"}
    assert plain["epochs"][0]["faults"][0]["kind"] == "missing"
    assert plain["likeness"][0]["same"] is True
    assert plain["resume"][0]["lost"] == 997
    assert plain["ranks"][0] == {"rows": 480, "batches": 15, "shared": 0}
    assert plain["failures"] == list(report.failures)
    assert repr(report) == "<Audit: FAILED, 1_000 rows, 6 missing, 2 altered, like a full shuffle>"
    assert repr(audit(LOADER, ROWS)) == "<Audit: passed, 1_000 rows, each once, like a full shuffle>"
    assert repr(audit([(X[:9], Y[:9])], ROWS.split(9)[0])) == "<Audit: passed, 9 rows, each once, in order>"
    assert audit([(X[8::-1], Y[8::-1])], ROWS.split(9)[0]).mixing == "too few rows to tell"


def test_a_notebook_shows_the_findings_and_the_verdict():
    stream = Stream()
    flip_a_bit(stream), drop(stream)
    report = audit(stream.batches(), ROWS, shuffled=True)
    shown = report._repr_html_()
    assert re.search(r"<th[^>]*>missing</th><td[^>]*>3 rows: ", shown)
    assert "<p><b>FAILED</b></p><ul><li>3 rows are missing: " in shown
    for tag in ("table", "tr", "td", "th", "ul", "li", "p", "b"):
        assert len(re.findall(f"<{tag}[ >]", shown)) == shown.count(f"</{tag}>")
    assert audit(LOADER, ROWS)._repr_html_().endswith("</table><p><b>PASSED</b></p>")
    spoilt = dataclasses.replace(report, failures=("a < b & c",))
    assert "<li>a &lt; b &amp; c</li>" in spoilt._repr_html_()


def test_numbers_are_rounded_for_people():
    """At most three digits after the point, but for counts."""
    batches = [(X[part], Y[part]) for part in np.array_split(np.arange(N), 30)]
    text = str(audit([*batches[15:], *batches[:15]], ROWS, epochs=2, shuffled=True))
    assert "variance of means" in text
    assert max(len(digits) for digits in re.findall(r"\d+\.(\d+)", text)) <= 6
    assert not re.search(r"\d\.\d*[1-9]\d{3}", text)


OLD_REPORT = (  # of 9 rows of which the first is missing, as version 0.1.0 wrote it before there was a transformation
    b"\x80\x02cplanted._audit.report\nAudit\nq\x00)\x81q\x01]q\x02(\x89K\tcplanted._audit.report\nEpoch\nq\x03)\x81q\x04]q\x05("
    b"K\x00K\x08K\x01K\x08K\x01\x86q\x06\x85q\x07K\x08\x88cplanted._audit.report\nRowFault\nq\x08)\x81q\t]q\n(X\x07\x00\x00\x00missingq"
    b"\x0bK\x01K\x00\x85q\x0cX\x00\x00\x00\x00q\reb\x85q\x0e\x88)X\x07\x00\x00\x00float64q\x0f\x89eb\x85q\x10)))G?PbM\xd2\xf1\xa9"
    b"\xfcG?PbM\xd2\xf1\xa9\xfcX\x10\x00\x00\x001 row is missingq\x11\x85q\x12eb."
)


def test_a_report_of_before_there_was_a_transformation_is_read():
    report = pickle.loads(OLD_REPORT)
    assert repr(report) == "<Audit: FAILED, 9 rows, 1 missing, in order>"
    assert report.transformation == report.epochs[0].transformation == ()
    assert report.to_dict()["transformation"] == []


def test_the_page_explains_what_a_report_says():
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text(encoding="utf-8")
    [table] = re.findall(r"## What it reports\n\n((?:\|.*\n)+)", page)
    explained = set(re.findall(r"`(\w+)`", table))
    assert {*KINDS, "order", "likeness", "ranks", "resume"} <= explained
    assert all(hasattr(planted.Audit, name) for name in explained)


def test_rows_are_as_many_as_their_length():
    """An attribute `n` may mean anything."""
    table = Table(np.arange(20.0).reshape(10, 2), np.arange(10.0))
    table.n = 3
    assert audit([table.take(slice(10))], table).rows == 10


def test_rows_that_are_shown_are_followed_by_others_only_if_there_are_any():
    rows = planted.regression([2.0], 4.2, n=100, seed=714)

    def again(*numbers):
        return [(rows[:][0][at], rows[:][1][at]) for at in (np.arange(100), np.array(numbers))]

    text = str(planted.audit(lambda epoch: again(7, 89), rows, epochs=2))
    assert "doubled:     4 rows: 7, 89\n" in text
    assert "doubled:     4 rows: 7, 89, 12, 13\n" in str(
        planted.audit(lambda epoch: again(*[(7, 89), (12, 13)][epoch]), rows, epochs=2)
    )
    assert "doubled:     2 rows: 7\n" in str(planted.audit(again(7, 7), rows))
    assert "doubled:     6 rows: 0, 1, 2, 3, 4, ...\n" in str(planted.audit(again(*range(6)), rows))


def test_no_rows_have_no_order():
    rows = planted.regression([2.0], 4.2, n=100, seed=714)
    assert planted.audit([], rows).mixing == "too few rows to tell"
    assert planted.audit([rows[:]], rows).mixing == "in order"


def test_foreign_rows_in_the_place_of_missing_ones_are_one_fault():
    rows = planted.regression([2.0], 4.2, n=100, seed=714)
    X, y = rows[:]
    rng = np.random.default_rng(0)
    (failure,) = planted.audit([(rng.random((100, 1)), rng.random(100))], rows).failures
    assert failure.startswith("100 rows are foreign, and as many are missing: check whether the loader mixes")
    failures = planted.audit([(X[:50], y[:50]), (X[:2] + 7, y[:2] + np.pi)], rows).failures
    assert [failure.partition(":")[0] for failure in failures] == ["50 rows are missing", "2 rows are foreign"]
