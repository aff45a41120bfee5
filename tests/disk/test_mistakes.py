"""What a newcomer types, and what planted says to it: in Python, and in the words of the shell."""

import pickle

import numpy as np
import pytest

import planted
from planted._disk.rows import TABLES
from planted._tables.paths import SUFFIXES
from planted.errors import ExistsError, InvalidTypeError, InvalidValueError, MissingError, StorageError

ROWS = planted.regression([2.0, -3.4], 4.2, n=100, seed=714)
OTHER = planted.regression([2.0, -3.4], 4.2, n=100, seed=1)


class Own:
    """Rows of a user's own: as much as `planted.Rows` asks for, and a number that has nothing to do with it."""

    truth, n = ROWS.truth, 3

    def __len__(self):
        return 100

    def take(self, rows):
        return ROWS.take(rows)


def test_only_rows_that_can_be_made_again_are_written(tmp_path):
    """Others have no arguments that make them again; what looks as if it had some is no exception."""
    posing = Own()
    posing.seed, posing.salt, posing.dtype_name, posing.start = 714, "", "float32", 0
    for rows in (Own(), posing):
        assert isinstance(rows, planted.Rows)
        with pytest.raises(
            InvalidTypeError, match=r"rows of type Own cannot be written: .*again.*write_table.* or numpy\.save"
        ):
            planted.write(rows, tmp_path / "a")
    np.save(tmp_path / "t.npy", np.zeros((4, 3)))
    table = planted.open_table(tmp_path / "t.npy", response=-1)
    for rows in (table, table.materialize()):
        with pytest.raises(InvalidTypeError, match=r"Rows cannot be written: .*write_table\(rows\.to_arrow\(\), "):
            planted.write(rows, tmp_path / "a")
    for values in (np.zeros((4, 3)), [[1.0, 2.0]], (ROWS.X, ROWS.y), "rows"):
        with pytest.raises(InvalidTypeError, match=r"have no truth .* arrays with numpy\.save"):
            planted.write(values, tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("file_format", "use"),
    [
        ("csv", "parquet"),
        ("npz", "npy"),
        ("pq", "parquet"),
        ("NPY", "npy"),
        (".parquet", "parquet"),
        ("parkett", "parquet"),
        ("feather", "arrow"),
        (["npy"], "npy"),
    ],
)
def test_the_nearest_format_is_named(tmp_path, file_format, use):
    with pytest.raises(InvalidValueError, match=rf"format=.* must be one of 'npy', 'arrow', 'parquet': use '{use}'$"):
        planted.write(ROWS, tmp_path / "a", format=file_format)
    assert not (tmp_path / "a").exists()


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "b.json").write_text("{}")
    for target in (tmp_path / "b.json", tmp_path / "b.json" / "rows"):
        for work in (planted.open, planted.verify, lambda target: planted.write(ROWS, target)):
            with pytest.raises(StorageError, match=r"b\.json is a file, and a folder belongs there: name a folder$"):
                work(target)
    assert (tmp_path / "b.json").read_text() == "{}"


def test_files_of_others_are_read_by_another_function(tmp_path):
    np.save(tmp_path / "t.npy", np.zeros((4, 3)))
    with pytest.raises(
        StorageError, match=r"t\.npy is a file, not a folder that planted has written: .*open_table"
    ) as told:
        planted.open(tmp_path / "t.npy")
    assert "open_table" not in told.value.in_shell
    for work in (planted.open, planted.verify):
        with pytest.raises(MissingError, match=r"holds files of others, such as t\.npy, not .*planted\.open_table"):
            work(tmp_path)
    assert set(TABLES) == set(SUFFIXES)


def test_a_folder_that_is_being_written_says_so(tmp_path):
    told = []

    def progress(done, n):
        with pytest.raises(
            MissingError, match="not finished; if another process is writing them, wait; else run the"
        ) as error:
            planted.open(tmp_path)
        told.append(error.value)

    planted.write(ROWS, tmp_path, progress=progress)
    assert told[0].in_shell.endswith("run the same command again")


def test_a_remedy_is_told_in_the_words_of_the_shell(tmp_path):
    with pytest.raises(MissingError, match=r"write some with planted\.write\(rows, target\)$") as none:
        planted.open(tmp_path)
    assert none.value.in_shell.endswith("write some with planted write FOLDER")
    planted.write(ROWS, tmp_path)
    with pytest.raises(ExistsError, match=r"overwrite=True$") as other:
        planted.write(OTHER, tmp_path)
    assert other.value.in_shell == str(other.value).replace("overwrite=True", "--overwrite")
    assert pickle.loads(pickle.dumps(other.value)).in_shell == other.value.in_shell
    assert planted.PlantedError("the same in both").in_shell == ""


# ---- what is passed in place of rows, folders and verdicts ----


def test_data_and_loaders_are_told_of_their_rows(tmp_path):
    """What has rows is no rows."""

    class Data:
        rows, w, noise = ROWS, 2.0, 0.01

    for other in (Data(), planted.Loader(ROWS)):
        with pytest.raises(InvalidTypeError, match=rf"{type(other).__name__} are no rows: use its \.rows$"):
            planted.write(other, tmp_path / "a")


def test_arguments_in_the_other_order(tmp_path, monkeypatch):
    """The folder first, as with `open` and `verify`."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        InvalidTypeError, match=r"the arguments are in the other order: planted\.write\(rows, 'disk2'\)"
    ):
        planted.write("disk2", ROWS)
    assert not list(tmp_path.iterdir())


def test_verdict_in_an_if(tmp_path):
    """A verification is as true as its verdict."""
    planted.write(ROWS, tmp_path)
    assert planted.verify(tmp_path)
    shard = tmp_path / "rows-00000000.npy"
    shard.write_bytes(shard.read_bytes()[:-1] + b"!")
    found = planted.verify(tmp_path)
    assert not found
    assert not found.passed
    assert planted.verify(tmp_path, repair=True).passed
    shard.write_bytes(b"!")
    assert "1 byte instead of" in str(planted.verify(tmp_path))
    with pytest.raises(planted.errors.DamagedError, match="has 1 byte instead of"):
        planted.open(tmp_path)[0]


@pytest.mark.parametrize(
    ("arguments", "differs"),
    [
        ({"n": 101}, r"rows 100 instead of 101"),
        ({"dtype": "float64"}, r"dtype 'float32' instead of 'float64'"),
        ({"format": "arrow"}, r"format 'npy' instead of 'arrow'"),
        ({"shard_bytes": 100}, r"blocks of a file, which follow from shard_bytes: 16 instead of 1"),
    ],
)
def test_other_rows_are_named_in_plain_words(tmp_path, arguments, differs):
    """Only what was asked for differently, not what follows from it."""
    made = {"n": 100, "dtype": "float32", **{key: arguments[key] for key in arguments if key in ("n", "dtype")}}
    written = {key: arguments[key] for key in arguments if key not in made}
    planted.write(planted.regression([2.0, -3.4], n=100), tmp_path, shard_bytes=16 << 16)
    with pytest.raises(ExistsError, match=rf"holds other rows \({differs}\): choose"):
        planted.write(planted.regression([2.0, -3.4], **made), tmp_path, **{"shard_bytes": 16 << 16, **written})


def test_sizes_of_small_folders(tmp_path):
    """Nobody is told that rows take no room."""
    assert "float32, 1 KiB in npy files of" in repr(planted.write(ROWS, tmp_path))
    assert "12 bytes in memory" in repr(ROWS.split(1)[0].materialize())


@pytest.mark.parametrize("file_format", ["npy", "arrow", "parquet"])
@pytest.mark.parametrize("url", ["", "memory://"])
def test_the_same_command_makes_again_what_a_finished_folder_lacks(tmp_path, library, file_format, url):
    library("pyarrow")
    fsspec = library("fsspec")
    rows = planted.regression([2.0, -3.4], 4.2, n=100_000, seed=714)
    place = f"{url}{tmp_path}"
    system, root = fsspec.core.url_to_fs(place)

    def again():
        return planted.write(rows, place, format=file_format, shard_bytes="256KiB")

    def files():
        return {path.rsplit("/", 1)[-1]: system.cat(path) for path in system.ls(root, detail=False)}

    again()
    whole = files()
    lost = [f"rows-00000001.{file_format}", "rows-00000000.sums", "plan.json"]
    for name in lost:
        system.rm(f"{root}/{name}")
    shortened = f"rows-00000002.{file_format}" if file_format == "npy" else "rows-00000001.sums"
    system.pipe(f"{root}/{shortened}", whole[shortened][:-1])
    again()
    assert files() == whole
    assert planted.verify(place).ok


def test_what_a_finished_folder_has_is_not_written_again(tmp_path):
    planted.write(ROWS, tmp_path)
    times = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    progress = []
    planted.write(ROWS, tmp_path, progress=lambda *done: progress.append(done))
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
    assert progress == [(100, 100)]
