"""Rows of every law, on disk: the same values, mended to the same bytes, and a manifest that is read strictly."""

import copy
import hashlib
import json
import re

import pytest
from folders import SHARD, WEIGHTS, assert_same_rows, contents

import planted
from planted import features, noise
from planted._disk.manifest import MANIFEST
from planted.errors import ManifestError

pytestmark = pytest.mark.usefixtures("small_blocks")
SEED = 714
N = 300
BEFORE = "a6fe4a6e14c22ff9e1842eb6fc6d7570f7d680cbadad6f431ca22fe1bd5bfd75"
FEATURES = [
    features.Normal(),
    features.Uniform(-1, 3),
    features.StudentT(1.5),
    features.AR1(0.9),
    features.Equicorrelated(0.3),
    features.Covariance([[2, 0.5, 0], [0.5, 1, 0.25], [0, 0.25, 0.125]]),
    features.LowRank(2, 0.25),
    features.Categorical([0.5, 0.125, 0.25, 0.125]),
    features.Polynomial(3, scaled=True),
]
NOISES = [
    noise.Normal(0.1),
    noise.StudentT(1, 0.5),
    noise.Laplace(0.5),
    noise.Contaminated(0.1, 0.05, 10),
    noise.Heteroscedastic(0.5, 2),
    noise.Clustered(0.5, 0.25, 20),
]
CASES = [(law, 0.1) for law in FEATURES] + [(features.AR1(0.9), law) for law in NOISES]
NAMES = [f"{law.name}-{getattr(sound, 'name', sound)}" for law, sound in CASES]


def rows_of(law, sound, dtype="float32"):
    return planted.regression(WEIGHTS, 4.2, features=law, noise=sound, n=N, seed=SEED, dtype=dtype)


def test_these_are_all_laws():
    assert {type(law) for law in FEATURES} == {getattr(features, name) for name in features.__all__}
    assert {type(law) for law in NOISES} == {getattr(noise, name) for name in noise.__all__}


@pytest.mark.parametrize(("law", "sound"), CASES, ids=NAMES)
def test_disk_is_computed_value_for_value(tmp_path, file_format, law, sound):
    """Truth and all; and a file that is lost comes back with the same bytes."""
    computed = rows_of(law, sound, "float64" if file_format == "npy" else "float32")
    planted.write(computed, tmp_path, format=file_format, shard_bytes=SHARD)
    disk = planted.open(tmp_path)
    assert disk.truth == computed.truth
    assert repr(disk.truth) == repr(computed.truth)
    assert_same_rows(disk, computed)

    whole = contents(tmp_path)
    shards = sorted(tmp_path.glob(f"*.{file_format}"))
    assert len(shards) > 1
    shards[1].unlink()
    assert not planted.verify(tmp_path).passed
    assert planted.verify(tmp_path, repair=True).passed
    assert contents(tmp_path) == whole


def test_the_normal_laws_leave_every_byte_as_it_was(tmp_path):
    """Whether they are named or not; the digest is of the files that planted wrote before there were other laws."""
    planted.write(planted.regression(WEIGHTS, 4.2, noise=0.1, n=N, seed=SEED), tmp_path / "a", shard_bytes=SHARD)
    planted.write(rows_of(features.Normal(), noise.Normal(0.1)), tmp_path / "b", shard_bytes=SHARD)
    before = contents(tmp_path / "a")
    assert before == contents(tmp_path / "b")
    digest = hashlib.sha256()
    for name in sorted(before):
        digest.update(name.encode() + b"\0" + before[name])
    assert digest.hexdigest() == BEFORE


# ---- the manifest -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """What the manifest of such rows says."""
    folder = tmp_path_factory.mktemp("rows")
    planted.write(rows_of(features.AR1(0.9), noise.StudentT(3, 0.5)), folder)
    return json.loads((folder / MANIFEST).read_text())


def refused(folder, fields, truth):
    """The message about a truth that no planted has written, under the digest that belongs to it."""
    content = {**copy.deepcopy(fields), "truth": {**fields["truth"], **truth}}
    del content["digest"]
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(content))
    with pytest.raises(ManifestError) as caught:
        planted.open(folder)
    message = str(caught.value)
    assert f"{MANIFEST} of {folder}" in message
    assert message.endswith("write the rows again")
    assert len(message) < 1_000 + len(str(folder))
    return message


def test_the_manifest_names_laws_that_are_not_normal(fields):
    assert fields["truth"] == {
        "w": list(WEIGHTS),
        "b": 4.2,
        "noise": {"law": "student_t", "df": 3.0, "scale": 0.5},
        "features": {"law": "ar1", "rho": 0.9},
    }


HUGE = 10**400
TAIL = {"law": "student_t", "df": 3.0, "scale": 0.5}
WRONG_NOISE = [
    *(None, True, "0.1", [0.1], {}, {"law": None}, {"law": ["student_t"]}, {"law": {}}, {"law": "a" * 10**6}),
    {"law": "cauchy", "scale": 0.5},
    {"law": "ar1", "rho": 0.5},
    {"law": "normal", "scale": 0.5},
    {"law": "normal"},
    {"law": "student_t", "scale": 0.5},
    {"df": 3.0, "scale": 0.5},
    {**TAIL, "loc": 0.0},
    {**TAIL, **{f"field {i}": i for i in range(10_000)}},
    *({**TAIL, "df": df} for df in (3, "3", "3.0", None, True, [3.0], {}, 0.5, -1.0, HUGE, -HUGE, "a" * 10**6)),
    *({**TAIL, "scale": scale} for scale in (1, "0.5", None, False, [0.5], -0.5)),
    {"law": "clustered", "scale": 0.5, "icc": 0.25, "size": 20.0},
    {"law": "clustered", "scale": 0.5, "icc": 1.5, "size": 20},
    {"law": "clustered", "scale": 0.5, "icc": 0.25, "size": HUGE},
]
AR1 = {"law": "ar1", "rho": 0.9}
WRONG_FEATURES = [
    *(None, True, "ar1", ["ar1"], 0.9, {}, {"law": "normal"}, {"law": "ar2", "rho": 0.9}, {"law": "ar1"}),
    {"law": "laplace", "scale": 0.5},
    {**AR1, "seed": 0},
    *({**AR1, "rho": rho} for rho in (0, "0.9", None, True, [0.9], 1.0, -1.0, 2.0, HUGE)),
    {"law": "uniform", "low": 1.0, "high": 0.0},
    {"law": "low_rank", "effective_rank": 2.0, "tail_strength": 0.5},
    {"law": "low_rank", "effective_rank": 2, "tail_strength": 1},
    {"law": "polynomial", "degree": 3, "scaled": 0},
    {"law": "polynomial", "degree": 2, "scaled": False},
    {"law": "polynomial", "degree": True, "scaled": False},
    {"law": "categorical", "probabilities": [0.5, 0.5], "drop_first": False},
    {"law": "categorical", "probabilities": [0.5, 0.25, 0.25, 0], "drop_first": True},
    {"law": "categorical", "probabilities": "0.5", "drop_first": True},
    {"law": "categorical", "probabilities": [0.1] * 1_000, "drop_first": True},
    {"law": "categorical", "probabilities": {"0.25": 1}, "drop_first": True},
    {"law": "covariance", "matrix": [[1.0, 0.5], [0.5, 1.0]]},
    {"law": "covariance", "matrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]},
    {"law": "covariance", "matrix": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]]},
    {"law": "covariance", "matrix": [["1.0", 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]},
    {"law": "covariance", "matrix": [[1.0], [0.0, 1.0]]},
    {"law": "covariance", "matrix": [[HUGE, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]},
]


@pytest.mark.parametrize("i", range(len(WRONG_NOISE)))
def test_a_law_of_noise_is_read_strictly(tmp_path, fields, i):
    refused(tmp_path, fields, {"noise": WRONG_NOISE[i]})


@pytest.mark.parametrize("i", range(len(WRONG_FEATURES)))
def test_a_law_of_features_is_read_strictly(tmp_path, fields, i):
    refused(tmp_path, fields, {"features": WRONG_FEATURES[i]})


def test_an_unknown_law_is_told_the_known_ones(tmp_path, fields):
    message = refused(tmp_path, fields, {"features": {"law": "ar2", "rho": 0.9}})
    assert re.search(r"features=.*ar2.* the laws are normal, uniform, student_t, ar1, ", message)
