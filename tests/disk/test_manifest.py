"""What a folder says of itself: nothing of it is believed that has not been checked, and nothing of it is executed."""

import ast
import contextlib
import copy
import hashlib
import itertools
import json
import os
import pickle
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from folders import BLOCK, SHARD
from hypothesis import given
from hypothesis import strategies as st

import planted
from planted._disk.checksums import checksum, read_table, table_sum, table_text
from planted._disk.formats import BLOCK_BYTES
from planted._disk.manifest import MANIFEST, PLAN, Manifest, Plan, manifest_from, plan_from, text_of
from planted._disk.remote import folder_of
from planted.errors import DamagedError, ExistsError, ManifestError, MissingError, StorageError

pytestmark = pytest.mark.usefixtures("small_blocks")
TRUTH = planted.LinearTruth([2.0, -3.4, 0.5], 4.2, 0.1)
ROWS = planted.rows(TRUTH, 500, seed=714)
REMEDY = re.compile(
    r"write the rows again$|run planted verify --repair on the folder|"
    r"name a folder that planted has written|use the planted that wrote it"
)


@pytest.fixture(scope="module")
def fields(tmp_path_factory):
    """What a manifest says."""
    folder = tmp_path_factory.mktemp("rows")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BLOCK_BYTES, "npy", BLOCK)
        planted.write(ROWS, folder, shard_bytes=SHARD)
    return json.loads((folder / MANIFEST).read_text())


def redone(fields):
    """The text of fields, with the digest that belongs to them: so that what is behind the digest is reached."""
    content = {name: value for name, value in fields.items() if name != "digest"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["digest"] = hashlib.sha256(canonical.encode()).hexdigest()
    return json.dumps(content).encode()


def changed(fields, **values):
    """The text of fields of which some are others."""
    return redone({**copy.deepcopy(fields), **values})


@contextlib.contextmanager
def little_memory(limit=1 << 22):
    """Whatever a file says, nothing of that size is made."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


def refused(folder, text):
    """A text that is no manifest: the message, which names the file and the remedy, and is short."""
    (folder / MANIFEST).write_bytes(text)
    with little_memory((1 << 22) + 40 * len(text)), pytest.raises(ManifestError) as caught:
        planted.open(folder)
    message = str(caught.value)
    assert f"{MANIFEST} of {folder}" in message
    assert REMEDY.search(message), message
    assert len(message) < 1_000 + len(str(folder))
    assert isinstance(caught.value, ValueError)
    return message


def test_the_helper_redoes_the_digest_as_it_is_documented(fields):
    """SHA-256 of the other fields as JSON without spaces, the keys in ascending order."""
    plan = manifest_from(redone(fields), "here")
    assert json.loads(redone(fields)) == fields
    assert json.loads(text_of(plan)) == fields


# ---- values -----------------------------------------------------------------------------------------------------

HUGE = 10**400
NO_INTEGER = [None, True, 1.0, "1", [1], {}, "a" * 10**6, [0] * 10**5]
NO_TEXT = [None, True, 1, 1.0, ["a"], {}]
W, B, S = TRUTH.w.tolist(), TRUTH.b, TRUTH.noise
WRONG = {
    "kind": [*NO_TEXT, "planted", "planted rows ", "a" * 10**6],
    "layout": [*NO_INTEGER, 0, 2, -1, HUGE],
    "random_numbers": [*NO_INTEGER, 0, 2, -1, HUGE],
    "truth": [
        *NO_TEXT,
        "text",
        {"w": W, "b": B},
        {"w": W, "b": B, "noise": S, "law": "normal"},
        {"w": W, "b": B, "noise": S, **{f"field {i}": i for i in range(10_000)}},
        {"w": W, "B": B, "noise": S},
        *(
            {"w": w, "b": B, "noise": S}
            for w in (None, 1.0, "1.0", [], [[1.0]], [True], [2.0, True], ["1"], [None], [HUGE], {"0": 1})
        ),
        *({"w": W, "b": b, "noise": S} for b in (None, True, "0", [0.0], {}, HUGE)),
        *({"w": W, "b": B, "noise": noise} for noise in (None, False, "0", [0.0], -1.0, -1, HUGE)),
    ],
    "seed": [
        *[wrong for wrong in NO_INTEGER if wrong != "1"],
        *("1", "0x1", "-1", "", "zz", "0xzz", "0X10000000000000000", "0x1_0000000000000000", " 0x10000000000000000"),
        *(-1, "-0x10000000000000000", "0x010000000000000000", "18446744073709551616"),
    ],
    "salt": [*NO_TEXT, "\ud800"],
    "dtype": [
        *NO_TEXT,
        "",
        "float16",
        "f4",
        "<f4",
        "float",
        "Float32",
        "(10,)f4",
        "(1,",
        "f4,f4",
        "\ud800",
        "f4\0",
        "O",
    ],
    "start": [*NO_INTEGER, -1, 2**63, 2**63 + 1, HUGE],
    "rows": [*NO_INTEGER, -1, 0, 384, 10**18, 2**63 - 1, 2**63, 2**63 + 1, HUGE],
    "format": [*NO_TEXT, "", "csv", "NPY", "npy ", "../npy", "npy/../../x", "a" * 10**6],
    "block_rows": [*NO_INTEGER, 0, -1, 1, 2**22 + 1, 2**62, 2**63 + 1, HUGE],
    "shard_blocks": [*NO_INTEGER, 0, -1, 1, 2**62, 2**63, 2**63 + 1, HUGE],
    "writer": NO_TEXT,
    "digest": [*NO_TEXT, "", "0" * 64, "a" * 10**6],
}
ONLY_THE_LIST = {"rows": (0, 384), "block_rows": (1,), "shard_blocks": (1, 2**62, 2**63)}  # contradicts these
CASES = [(name, i) for name, values in WRONG.items() for i in range(len(values))]


@pytest.mark.parametrize(("name", "i"), CASES)
def test_each_field_has_its_type_and_its_range(tmp_path, fields, name, i):
    text = json.dumps({**fields, "digest": WRONG[name][i]}).encode()
    message = refused(tmp_path, text if name == "digest" else changed(fields, **{name: WRONG[name][i]}))
    if name != "digest":  # so it was not the digest that was found wrong
        assert "was changed since it was written" not in message


@pytest.mark.parametrize("name", WRONG)
def test_each_field_is_wanted(tmp_path, fields, name):
    text = redone({key: value for key, value in fields.items() if key != name})
    if name == "digest":
        text = json.dumps({key: value for key, value in fields.items() if key != name}).encode()
    message = refused(tmp_path, text)
    assert name in message or name == "kind"


def test_the_list_of_shards_fits_the_rows(tmp_path, fields):
    right = fields["shards"]
    assert len(right) == 4
    for shards in (right[:-1], [*right, right[0]], []):
        assert f"lists {len(shards)} shards, but 500 rows in shards of 128 make 4" in refused(
            tmp_path, changed(fields, shards=shards)
        )
    first = right[0]
    for wrong in (
        *(None, 1, 1.5, True, [first], {"a": first}, "", first[1:], first + "0", "g" + first[1:], " " + first[1:]),
        *("+" + first[1:], "-" + first[1:], "0x" + first[2:], first[:1] + "_" + first[2:], "ABCDEFABCDEFABCD"),
        *("\u0661" * 16, "a" * 10**6),
    ):
        message = refused(tmp_path, changed(fields, shards=[*right[:-1], wrong]))
        assert "for a checksum, which are 16 hexadecimal digits" in message
    for wrong in (None, {}, "shards", 4, dict(enumerate(right))):
        assert "of the wrong type" in refused(tmp_path, changed(fields, shards=wrong))


@pytest.mark.parametrize("sizes", [(10**18, 2**22, 2**62), (500, 2**22 + 1, 1), (2**63, 1, 2**63)])
def test_more_than_a_disk_holds_or_a_block_may_have_is_refused(tmp_path, fields, sizes):
    """Even where the sizes agree with each other."""
    values = dict(zip(("rows", "block_rows", "shard_blocks"), sizes, strict=True))
    message = refused(tmp_path, changed(fields, **values, shards=fields["shards"][:1]))
    assert "each row of 16 bytes, are more than any writer makes" in message


def test_unknown_fields_are_named(tmp_path, fields):
    message = refused(tmp_path, changed(fields, path="../../etc/passwd"))
    assert "has the unknown fields ['path']" in message
    refused(tmp_path, changed(fields, **{f"field {i}": i for i in range(10_000)}))


def test_other_versions_are_named(tmp_path, fields):
    assert "layout=2, and this is version 1" in refused(tmp_path, changed(fields, layout=2))
    assert "random_numbers=2, and this is version 1" in refused(tmp_path, changed(fields, random_numbers=2))


# ---- texts ------------------------------------------------------------------------------------------------------

TEXTS = {
    "nothing": lambda text: b"",
    "a space": lambda text: b" ",
    "null": lambda text: b"null",
    "a number": lambda text: b"1",
    "a list": lambda text: b"[" + text + b"]",
    "a text": lambda text: json.dumps(text.decode()).encode(),
    "cut off": lambda text: text[:-1],
    "something behind": lambda text: text + b"{}",
    "twice": lambda text: text + text,
    "a byte-order mark": lambda text: b"\xef\xbb\xbf" + text,
    "no UTF-8": lambda text: text.replace(b"planted", b"pl\xffnted", 1),
    "UTF-8 of half a character": lambda text: text.replace(b'"salt": ""', b'"salt": "\xed\xa0\x80"'),
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "a zero byte": lambda text: text + b"\0",
    "a pickle": lambda text: pickle.dumps(json.loads(text)),
    "a key twice": lambda text: text.replace(b'"rows": 500', b'"rows": 500, "rows": 500'),
    "a key twice within": lambda text: text.replace(b'"b": 4.2', b'"b": 4.2, "b": 4.2'),
    "no number": lambda text: text.replace(b'"b": 4.2', b'"b": NaN'),
    "infinity": lambda text: text.replace(b'"b": 4.2', b'"b": Infinity'),
    "minus infinity": lambda text: text.replace(b'"rows": 500', b'"rows": -Infinity'),
    "a float beyond all": lambda text: text.replace(b'"b": 4.2', b'"b": 1e999'),
    "a long integer": lambda text: text.replace(b'"rows": 500', b'"rows": ' + b"9" * 10**5),
    "a long negative seed": lambda text: text.replace(b'"seed": 714', b'"seed": -' + b"9" * 10**5),
    "a deep list": lambda text: text.replace(b'"b": 4.2', b'"b": ' + b"[" * 10**5 + b"]" * 10**5),
    "deep objects": lambda text: text.replace(b'"b": 4.2', b'"b": ' + b'{"a":' * 10**5 + b"1" + b"}" * 10**5),
    "nothing but depth": lambda text: b"[" * 10**5,
    "comments": lambda text: text.replace(b'"rows"', b'/* */ "rows"'),
    "a comma too many": lambda text: text.replace(b"}", b",}"),
}


@pytest.mark.parametrize("what", TEXTS)
def test_what_is_no_json_is_refused(tmp_path, fields, what):
    text = redone(fields)
    wrong = TEXTS[what](text)
    assert wrong != text
    message = refused(tmp_path, wrong)
    assert "was changed since it was written" not in message or what in ("infinity", "a float beyond all")


def test_a_file_of_gigabytes_is_not_read(tmp_path):
    (tmp_path / MANIFEST).touch()
    os.truncate(tmp_path / MANIFEST, 1 << 40)
    with (
        little_memory(),
        pytest.raises(ManifestError, match=rf"{MANIFEST} of .* has 1099511627776 bytes, which no manif"),
    ):
        planted.open(tmp_path)


def test_a_value_that_was_changed_by_hand_shows(tmp_path, fields):
    text = redone(fields).replace(b"4.2", b"4.3")
    assert "was changed since it was written, as its digest shows" in refused(tmp_path, text)


def test_the_plan_is_read_as_strictly(fields):
    described = {name: value for name, value in fields.items() if name != "shards"}
    plan = plan_from(redone(described), "here")
    assert text_of(plan) == json.dumps(json.loads(redone(described)), indent=1).encode() + b"\n"
    for name, i in CASES:
        wrong = WRONG[name][i]
        if type(wrong) is int and wrong in ONLY_THE_LIST.get(name, ()):
            continue
        text = json.dumps({**described, "digest": wrong}).encode()
        with pytest.raises(ManifestError, match=r"^plan\.json of there"):
            plan_from(text if name == "digest" else changed(described, **{name: wrong}), "plan.json of there")
    for text in (redone(fields), *(make(redone(described)) for make in TEXTS.values())):
        with pytest.raises(ManifestError, match=r"^plan\.json of there"):
            plan_from(text, "plan.json of there")


@pytest.mark.parametrize("file_format", ["npy", "arrow"])
def test_as_many_rows_as_a_disk_could_hold_cost_nothing(tmp_path, fields, library, file_format):
    """All is consistent but for the files: these are too small, which is found before anything is made."""
    if file_format == "arrow":
        library("pyarrow")
    planted.write(ROWS, tmp_path, format=file_format, shard_bytes=SHARD)
    true = json.loads((tmp_path / MANIFEST).read_text())
    cut = {"block_rows": 2**22, "shard_blocks": 2**62}
    (tmp_path / MANIFEST).write_bytes(changed(true, rows=10**17, shards=true["shards"][:1], **cut))
    with little_memory():
        disk = planted.open(tmp_path)
        assert len(disk) == 10**17
    for read in (lambda: disk[0], lambda: disk[10:20], lambda: disk.take([0, 10**17 - 1, 5]), lambda: disk[-1]):
        with pytest.raises(DamagedError, match="rows-00000000"):
            read()
    assert [fault.file for fault in planted.verify(tmp_path).faults] == [PLAN, "rows-00000000.sums"]


# ---- anything at all --------------------------------------------------------------------------------------------

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([500, "npy", "float64", 1]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted({*WRONG, "shards"} - {"digest"})), anything, min_size=1, max_size=3))
def test_any_values_are_a_manifest_or_refused(fields, values):
    text = changed(fields, **values)
    try:
        manifest = manifest_from(text, "here")
    except ManifestError:
        return
    assert len(manifest.shards) == manifest.plan.shards
    assert manifest_from(text_of(manifest), "here") == manifest


@given(st.binary(max_size=300) | anything.map(lambda value: json.dumps(value).encode()))
def test_any_text_is_refused(text):
    with pytest.raises(ManifestError):
        manifest_from(text, "here")


@given(st.data())
def test_any_damage_to_the_text_is_noticed(fields, data):
    """Bytes flipped, removed, inserted: refused, unless it says the same, as with a space more it does."""
    text = bytearray(redone(fields))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text) - 1))
        how = data.draw(st.sampled_from(["flip", "remove", "insert"]))
        if how == "flip":
            text[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "remove":
            del text[at : at + data.draw(st.integers(1, 40))]
        else:
            text[at:at] = data.draw(st.binary(min_size=1, max_size=4))
    try:
        manifest = manifest_from(bytes(text), "here")
    except ManifestError:
        return
    assert json.loads(text_of(manifest)) == fields


real = st.floats(allow_nan=False, allow_infinity=False)
plans = st.builds(
    Plan,
    truth=st.builds(
        planted.LinearTruth,
        st.lists(real, min_size=1, max_size=6),
        real,
        real.map(abs).filter(lambda noise: noise >= 0),
    ),
    seed=st.integers(0, 2**64) | st.integers(0, 2**300),
    salt=st.text(),
    dtype_name=st.sampled_from(["float32", "float64"]),
    start=st.integers(0, 2**62),
    n=st.integers(0, 2**20) | st.integers(0, 2**57),
    file_format=st.sampled_from(["npy", "arrow", "parquet"]),
    block_rows=st.integers(1, 2**20),
    shard_blocks=st.integers(1, 2**63),
    writer=st.sampled_from(["", "pyarrow 26.0.1"]),
)


@given(plans)
def test_a_plan_is_read_as_it_was_written(plan):
    text = text_of(plan)
    found = plan_from(text, "here")
    assert found == plan
    assert found.truth.w.tobytes() == plan.truth.w.tobytes()  # zeros keep their signs
    assert text_of(found) == text
    text.decode("ascii")
    assert text.endswith(b"}\n")


@given(plans, st.data())
def test_a_manifest_is_read_as_it_was_written(plan, data):
    if plan.shards > 20:
        plan = Plan(**{name: getattr(plan, name) for name in plan.__slots__} | {"n": min(plan.n, 20 * plan.shard_rows)})
    checksums = data.draw(st.lists(st.integers(0, 2**64 - 1), min_size=plan.shards, max_size=plan.shards))
    manifest = Manifest(plan, tuple(checksums))
    assert manifest_from(text_of(manifest), "here") == manifest
    assert text_of(manifest_from(text_of(manifest), "here")) == text_of(manifest)


@given(plans, st.integers(0, 2**64))
def test_names_never_leave_the_folder(plan, shard):
    for name in plan.names_of(shard):
        assert re.fullmatch(r"rows-[0-9]{8,20}\.(npy|arrow|parquet|sums)", name)


@given(plans, plans, st.integers(0, 9), st.integers(0, 9))
def test_an_identity_belongs_to_one_shard_of_one_plan(one, other, i, j):
    assert (one.identity_of(i) == other.identity_of(j)) == (text_of(one) == text_of(other) and i == j)


# ---- what lies in the folder ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [MANIFEST, "rows-00000001.npy", "rows-00000001.sums"])
def test_links_are_refused(tmp_path, name):
    """Even to the very same bytes."""
    folder = tmp_path / "rows"
    planted.write(ROWS, folder, shard_bytes=SHARD)
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    with pytest.raises(StorageError, match=rf"{name} is a link, and links are not followed: put the file itself there"):
        planted.open(folder)[:]
    assert [fault.file for fault in planted.verify(folder).faults] == [name]


def test_a_plan_that_is_a_link_is_no_plan(tmp_path):
    folder = tmp_path / "rows"
    planted.write(ROWS, folder, shard_bytes=SHARD)
    (folder / MANIFEST).unlink()
    (folder / PLAN).rename(tmp_path / PLAN)
    (folder / PLAN).symlink_to(tmp_path / PLAN)
    with pytest.raises(ExistsError, match="which no readable plan describes"):
        planted.write(ROWS, folder, shard_bytes=SHARD)
    with pytest.raises(ManifestError, match="nothing says which rows these were"):
        planted.verify(folder)
    planted.write(ROWS, folder, shard_bytes=SHARD, overwrite=True)
    assert not (folder / PLAN).is_symlink()
    assert (tmp_path / PLAN).exists()


def test_a_folder_may_be_a_link(tmp_path):
    """It is what the user named."""
    planted.write(ROWS, tmp_path / "rows", shard_bytes=SHARD)
    (tmp_path / "link").symlink_to(tmp_path / "rows")
    np.testing.assert_array_equal(planted.open(tmp_path / "link").X, ROWS.X)


class Bomb:
    """Leaves a trace if it is unpickled."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("vouched", [False, True], ids=["", "with all checksums redone"])
def test_nothing_is_ever_unpickled(tmp_path, monkeypatch, vouched):
    """An array of objects in the place of a shard, of its size: NumPy would unpickle it if asked to."""
    folder, trace = tmp_path / "rows", tmp_path / "trace"
    planted.write(ROWS, folder, shard_bytes=SHARD)
    path = folder / "rows-00000000.npy"
    size = path.stat().st_size
    objects = np.empty(1, object)
    objects[0] = Bomb(trace)
    np.save(path, objects, allow_pickle=True)
    np.load(path, allow_pickle=True)
    assert trace.is_dir()
    trace.rmdir()
    path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    if vouched:
        manifest = manifest_from((folder / MANIFEST).read_bytes(), "")
        file = path.read_bytes()
        edges = [0, 128, *range(128 + 512, size + 1, 512)]
        assert edges[-1] == size
        table = np.array([[b, checksum(file[a:b])] for a, b in itertools.pairwise(edges)], np.uint64)
        (folder / "rows-00000000.sums").write_bytes(table_text(manifest.plan, 0, table))
        sums = (table_sum(table), *manifest.shards[1:])
        (folder / MANIFEST).write_bytes(text_of(Manifest(manifest.plan, sums)))
        assert planted.verify(folder).ok
        assert planted.open(folder)[:].X.dtype == np.float32  # somebody else's bytes, but numbers
    else:
        with pytest.raises(DamagedError):
            planted.open(folder)[:]
        assert not planted.verify(folder).ok
    planted.open(folder, verify=False)[:]
    planted.verify(folder)
    for name in (MANIFEST, PLAN, "rows-00000001.sums"):
        before = (folder / name).read_bytes()
        (folder / name).write_bytes(pickle.dumps(Bomb(trace)))
        with contextlib.suppress(planted.PlantedError):
            planted.open(folder)[:]
        with contextlib.suppress(planted.PlantedError):
            planted.verify(folder)
        (folder / name).write_bytes(before)
    assert not trace.exists()


def test_the_source_has_no_means_to_execute_what_a_file_says():
    forbidden = {"eval", "exec", "__import__", "import_module", "pickle", "marshal", "shelve"}
    for path in Path(planted._disk.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = {getattr(node, "id", None), getattr(node, "attr", None)}
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                names |= {alias.name for alias in node.names} | {getattr(node, "module", None)}
            assert not names & forbidden, path
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "np":
                assert node.attr not in ("load", "fromregex", "genfromtxt", "lib"), path


def test_a_table_that_the_manifest_does_not_vouch_for_is_refused(tmp_path):
    """A shard and its table may agree with each other, and not be what was written."""
    planted.write(ROWS, tmp_path, shard_bytes=SHARD)
    plan = manifest_from((tmp_path / MANIFEST).read_bytes(), "").plan
    table = read_table(folder_of(tmp_path), plan, 0, None).copy()
    path = tmp_path / "rows-00000000.npy"
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    table[1, 1] = checksum(bytes(content[128:640]))
    (tmp_path / "rows-00000000.sums").write_bytes(table_text(plan, 0, table))
    with pytest.raises(DamagedError, match=r"rows-00000000\.sums of .*, a list of checksums, is damaged"):
        planted.open(tmp_path)[:]
    assert [fault.file for fault in planted.verify(tmp_path).faults] == ["rows-00000000.sums"]
    assert planted.verify(tmp_path, repair=True).ok
    np.testing.assert_array_equal(planted.open(tmp_path).X, ROWS.X)


def test_a_table_whose_ends_descend_is_refused(tmp_path):
    """Even if all checksums were redone: sizes are differences of the ends."""
    planted.write(ROWS, tmp_path, shard_bytes=SHARD)
    manifest = manifest_from((tmp_path / MANIFEST).read_bytes(), "")
    folder = folder_of(tmp_path)
    table = read_table(folder, manifest.plan, 0, manifest.shards[0]).copy()
    table[1, 0] = 2**63
    (tmp_path / "rows-00000000.sums").write_bytes(table_text(manifest.plan, 0, table))
    sums = (table_sum(table), *manifest.shards[1:])
    (tmp_path / MANIFEST).write_bytes(text_of(Manifest(manifest.plan, sums)))
    with little_memory(), pytest.raises(DamagedError, match=r"rows-00000000\.sums"):
        planted.open(tmp_path)[:]
    assert [fault.file for fault in planted.verify(tmp_path).faults] == ["rows-00000000.sums"]


def test_there_must_be_something(tmp_path):
    with pytest.raises(MissingError, match=rf"there are no rows in {tmp_path}: write some with planted.write"):
        planted.open(tmp_path)
