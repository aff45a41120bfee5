"""CSV: lines of text that are found at opening and parsed when they are read."""

import subprocess
import sys

import numpy as np
import pytest
from table_files import arrays, same

import planted
from planted._tables import delimited
from planted.errors import DamagedError, InvalidTypeError, InvalidValueError


@pytest.fixture
def opened(tmp_path, pa):
    """Open a file of this text."""

    def opened(text, response="y", **options):
        (tmp_path / "a.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
        return planted.open_table(tmp_path / "a.csv", response=response, **options)

    return opened


def test_what_the_shell_writes_is_read_to_the_bit(opened):
    """float32 by its shortest digits, which are rounded once."""
    rows = planted.regression(planted.weights(3, seed=5), 4.2, noise=0.5, n=30_000, seed=5)
    words = "head --rows 30000 --features 3 --seed 5 --noise 0.5 --count 30000 --format csv".split()  # noqa: SIM905
    text = subprocess.run([sys.executable, "-m", "planted", *words], capture_output=True, check=True).stdout
    X, y = rows[:]
    for features in (None, ["x0", "x1", "x2"]):
        table = opened(text, features=features, dtype="float32")
        found = table[:]
        assert found.X[:, -3:].tobytes() == X.tobytes()
        assert found.y.tobytes() == y.tobytes()
    assert planted.check(planted.least_squares(table), rows).passed


def test_any_float_is_read_to_the_bit(opened):
    for dtype, bits in (("float32", np.uint32), ("float64", np.uint64)):
        values = np.random.default_rng(0).integers(0, np.iinfo(bits).max, 20_000, dtype=bits).view(dtype)
        values = values[np.isfinite(values)]
        table = opened("x,y\n" + "".join(f"{value!s},1\n" for value in values), dtype=dtype)
        assert table.X.tobytes() == values.tobytes()
    above_half = opened("x,y\n1.00000005960464477539062500001,1\n", dtype="float32")  # rounded twice, it would be 1
    assert above_half.X[0, 0] == np.nextafter(np.float32(1), np.float32(2))


@pytest.mark.parametrize("unit", [7, 64, 1 << 18])
@pytest.mark.parametrize(
    "text",
    [
        "x,y\n1,2\n3,4\n5,6\n",
        "x,y\n1,2\n3,4\n5,6",
        "x,y\r\n1,2\r\n3,4\r\n5,6\r\n",
        "\n\nx,y\n\n1,2\n\n\n3,4\n5,6\n\n",
        "\r\nx,y\r\n\r\n1,2\r\n3,4\r\n\r\n\r\n5,6\r\n",
        "\ufeffx,y\n1,2\n3,4\n5,6\n",
        '"x","y"\n"1",2\n3,"4"\n5,6\n',
        "x,y\n1.0, 2\n3e0,4.0\n5,6\n",
    ],
)
def test_lines_end_as_they_may(opened, monkeypatch, text, unit):
    monkeypatch.setattr(delimited, "UNIT_BYTES", unit)
    same(opened(text)[:], np.array([[1.0], [3], [5]]), np.array([[2.0], [4], [6]]))


def test_text_columns_may_be_left_out(opened):
    text = 'name,x,y\n"Ann, of Ely",1,2\nBob,3,4\n'
    same(opened(text, features=["x"])[:], np.array([[1.0], [3]]), np.array([[2.0], [4]]))
    with pytest.raises(InvalidTypeError, match=r"column 'name' of type string of .*a\.csv holds no numbers: leave it"):
        opened(text)


def test_types_are_numbers_whatever_the_first_lines_show(opened, monkeypatch):
    """Whole ones first, then others; and files one of which has only whole ones."""
    monkeypatch.setattr(delimited, "UNIT_BYTES", 8)
    assert opened("x,y\n1,2\n3,4\n5.5,nan\ninf,6\n")[:].X[:, 0].tolist() == [1.0, 3.0, 5.5, np.inf]
    assert len(opened("x,y\n")) == len(opened("x,y")) == 0


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", DamagedError, "is empty: its first line should be the names of its columns"),
        ("\n\n", DamagedError, "is empty"),
        ("x,y\n1,2\n3,\n5,6\n", InvalidValueError, r"has a null in column 'y', row 1: drop such rows, or write"),
        ("x,y\n1,NA\n", InvalidValueError, "has a null in column 'y', row 0"),
        ("x,y\n1,2\n3,four\n", InvalidTypeError, "column 'y' of type string .* holds no numbers"),
        ("x,y\n1,2\n3\n", DamagedError, "Expected 2 columns, got 1"),
        ("x,y\n1,2\n3,4,5\n", DamagedError, "Expected 2 columns, got 3"),
        ("x;y\n1;2\n", InvalidValueError, "has semicolons between its columns: write it with commas, or as Parquet"),
        ("x\ty\n1\t2\n", InvalidValueError, "has tabs between its columns"),
        ("0.5,1.5\n1,2\n", InvalidValueError, r"begins with numbers, 0\.5,1\.5, and not with the names .* add a line"),
        ("x,y,y\n1,2,3\n", InvalidValueError, "2 columns 'y'"),
        ('x,y\n"1\n",2\n3,4\n', planted.PlantedError, r"a\.csv"),
        ("x,y\r1,2\r3,4\r", planted.PlantedError, r"a\.csv"),
        (b"x,y\n1,\xff\n", planted.PlantedError, r"a\.csv"),
        (b"x,y\n1,\0\n", planted.PlantedError, r"a\.csv"),
    ],
)
def test_files_that_are_no_table_of_numbers(opened, text, error, message):
    with pytest.raises(error, match=message):
        opened(text)[:]


def test_text_among_numbers_is_found_when_it_is_read(opened, monkeypatch):
    monkeypatch.setattr(delimited, "UNIT_BYTES", 8)
    rows = opened("x,y\n1,2\n3,4\n5,6\n7,eight\n")
    assert len(rows) == 4
    with pytest.raises(DamagedError, match=r"a\.csv .*invalid value 'eight'"):
        rows[3]


def test_a_line_without_end_takes_little_memory(opened, monkeypatch):
    monkeypatch.setattr(delimited, "UNIT_BYTES", 64)
    monkeypatch.setattr(delimited, "LONGEST_LINE", 1_000)
    with pytest.raises(DamagedError, match="a line has more than 1000 bytes"):
        opened("x,y\n" + "1" * 2_000)


def test_a_folder_of_others_may_have_a_csv_beside_them(tmp_path, pa):
    """It was no part of the table before CSV was read."""
    X, y = arrays(10)
    np.save(tmp_path / "a.npy", np.column_stack([X, y]))
    (tmp_path / "names.csv").write_text("column,name\n0,height\n")
    assert len(planted.open_table(tmp_path, response=-1)) == 10


@pytest.mark.parametrize(
    ("line", "name"), [(",x,y", "''"), ("x,y,", "''"), ("Unnamed: 0,x,y", "'Unnamed: 0'"), (" ,x,y", "' '")]
)
def test_a_column_without_a_name_is_no_feature_unasked(opened, line, name):
    """Such as the index that pandas writes, which would be a feature that tells the row's number."""
    with pytest.raises(InvalidValueError, match=rf"has a column {name}, .* with index=False, .*, features=\['x'\]$"):
        opened(line + "\n1,2,3\n4,5,6\n")
    table = opened(line + "\n1,2,3\n4,5,6\n", features=["x"])
    assert table.features == 1
    assert opened(line + "\n1,2,3\n4,5,6\n", features=["x", name[1:-1]]).features == 2  # named, it is wanted


@pytest.mark.parametrize("kind", ["csv", "parquet", "feather"])
def test_the_index_of_pandas(tmp_path, pa, kind):
    """As `to_csv`, and of rows that were chosen `to_parquet` and Arrow's tables, write it."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [1.0, 2.0, 3.0], "y": [4.0, 5.0, 6.0]}, index=[2, 0, 1])
    path = tmp_path / f"mine.{kind}"
    for index in (None, False):
        if kind == "csv":
            frame.to_csv(path, index=index is None)
        elif kind == "parquet":
            frame.to_parquet(path, index=index)
        else:
            with pa.OSFile(str(path), "wb") as file:
                table = pa.Table.from_pandas(frame, preserve_index=index)
                with pa.ipc.new_file(file, table.schema) as writer:
                    writer.write_table(table)
        if index is None:
            with pytest.raises(InvalidValueError, match=r"write the file again with index=False"):
                planted.open_table(path, response="y")
    assert planted.open_table(path, response="y").features == 1
