"""Fingerprints: the text as ever for the same rows; of very many weights a shorter way, and old states are taken."""

import copy
import hashlib
import json
import pickle

import numpy as np
import pytest

import planted
from planted._random import random
from planted._rows import earlier_fingerprint
from planted._truth import MOST_AS_JSON, digest

MANY = MOST_AS_JSON + 1


def as_ever(rows):
    """The fingerprint as planted 0.1 defines it."""
    start = getattr(rows, "start", 0)
    plain = [random.VERSION, rows.truth.to_dict(), rows.seed, rows.salt, rows.dtype_name, start, len(rows)]
    return hashlib.sha256(json.dumps(plain).encode()).hexdigest()[:16]


def rows_of(features, **options):
    w = np.append([0.0, 1e-300, 3.0], np.random.default_rng(features).normal(size=features))
    return planted.regression(w[:features], b=1, n=100, **options)


@pytest.mark.parametrize("features", [1, 2, 3, 1000, MOST_AS_JSON - 1, MOST_AS_JSON])
def test_the_text_of_a_fingerprint_never_changes(features):
    rows = rows_of(features, seed=7, salt='"é,')
    for kind in (rows, *rows.split(30, 70), *((rows.materialize(),) if features < 1001 else ())):
        assert kind.fingerprint() == as_ever(kind) == kind.fingerprint()
        assert earlier_fingerprint(kind) is None


def test_two_fingerprints_of_version_1():
    assert planted.regression(w=[2.0, -3.4], b=4.2, n=10, seed=714).fingerprint() == "b0cdbd5aa0431b31"
    assert planted.regression(w=[-0.0], n=10).fingerprint() != planted.regression(w=[0.0], n=10).fingerprint()


def test_of_many_weights_the_bytes_are_hashed():
    """Another weight, intercept, noise, seed, part or number of weights is another fingerprint; the old is known."""
    rows = rows_of(MANY)
    w = rows.truth.w.copy()
    w[-1] = np.nextafter(w[-1], 9)
    others = [
        planted.regression(w, b=1, n=100),
        planted.regression(rows.truth.w, b=2, n=100),
        planted.regression(rows.truth.w, b=1, noise=1, n=100),
        planted.regression(rows.truth.w, b=1, n=100, seed=1),
        rows.split(50)[0],
        rows_of(MANY + 1),
    ]
    assert len({rows.fingerprint(), *(other.fingerprint() for other in others)}) == 7
    assert rows.fingerprint() == rows_of(MANY).fingerprint() != earlier_fingerprint(rows)
    assert [earlier_fingerprint(kind) for kind in (rows, *others)] == [as_ever(kind) for kind in (rows, *others)]


def test_the_weights_are_hashed_once(monkeypatch):
    hashed = []
    monkeypatch.setattr(digest, "_begin", lambda *given, begin=digest._begin: hashed.append(0) or begin(*given))
    rows = rows_of(MANY)
    for part in (rows, *rows.split(20, 30)):
        part.fingerprint()
        planted.Loader(part, 10).state_dict()
        planted.Pipeline(part).state_dict()
    assert hashed == [0]


@pytest.mark.parametrize("kind", [lambda rows: planted.Loader(rows, 10), planted.Pipeline])
def test_a_state_that_was_saved_with_the_old_fingerprint_is_taken(kind):
    rows = rows_of(MANY)
    stream = kind(rows)
    state = stream.state_dict()
    old = json.loads(json.dumps(state).replace(rows.fingerprint(), as_ever(rows)))
    assert old != state
    stream.load_state_dict(old)
    assert stream.state_dict() == state
    other = planted.regression(rows.truth.w, b=1, n=100, seed=1)
    for wrong in (as_ever(other), other.fingerprint(), "", None):
        strange = json.loads(json.dumps(state).replace(f'"{rows.fingerprint()}"', json.dumps(wrong)))
        with pytest.raises(planted.errors.StateError, match="rows="):
            stream.load_state_dict(strange)


def test_what_a_truth_keeps_is_no_part_of_it():
    """Equal truths whose zeros differ in sign keep hashes of their own; copies and pickles begin anew."""
    plus, minus = (planted.regression([zero, 1.0], n=10) for zero in (0.0, -0.0))
    assert plus.truth == minus.truth
    assert plus.fingerprint() == as_ever(plus) != as_ever(minus) == minus.fingerprint()
    for again in (copy.deepcopy(plus), *(pickle.loads(pickle.dumps(plus, p)) for p in range(2, 6))):
        assert again == plus
        assert again.fingerprint() == plus.fingerprint()
        assert not again.truth.w.flags.writeable
        assert len(pickle.dumps(again)) == len(pickle.dumps(plus))
