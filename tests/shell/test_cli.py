"""The shell: what it prints, draws and returns, and how it fails."""

import itertools
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread

import planted
from planted._shell.picture import drawn

# ---- demo -------------------------------------------------------------------------------------------------------


def test_demo_finds_the_books_truth(shell, tmp_path):
    """First row, shapes of the first batch, the table, the verdict, and a picture whose path is printed."""
    status, out, err = shell("demo")
    assert (status, err) == (0, "")
    assert "LinearTruth(w=[2.0, -3.4], b=4.2, noise=0.01), seed 0" in out
    x, y = planted.regression([2.0, -3.4], 4.2, n=1)[0]
    assert f"first row x = [{x[0]:.5g}, {x[1]:.5g}], y = {y[0]:.5g}" in out
    assert "32 of X (32, 2) and y (32, 1), numpy" in out
    assert "10/10 epochs" in out
    for name, truth in (("w[0]", 2), ("w[1]", -3.4), ("b", 4.2)):
        estimate = float(re.search(rf"^{re.escape(name)} +{truth} +(\S+)", out, re.MULTILINE)[1])
        assert abs(estimate - truth) < 0.01
    assert "PASSED: the learner found the planted parameters" in out
    assert "picture   planted-demo.png" in out
    pixels = imread(tmp_path / "planted-demo.png")
    assert pixels.shape[:2] == (504, 1560)
    for panel in np.split(pixels, 3, axis=1):
        assert (panel[..., :3].min(axis=-1) < 0.9).mean() > 0.02  # of each third this much is not white


def test_demo_options_change_it(shell, tmp_path):
    words = "demo --features 20 --rows 500 --noise 0.5 --seed 7 --batch-size 50 --epochs 12 --lr 0.1 --out a.svg"
    status, out, _ = shell(*words.split())
    assert status == 0
    assert "20 weights], b=4.2, noise=0.5), seed 7" in out
    assert "10 of X (50, 20) and y (50, 1)" in out
    assert "12/12 epochs" in out
    assert "... and 9 more parameters with smaller |z|" in out
    assert "the planted answer was found" in (tmp_path / "a.svg").read_text()


def test_demo_that_has_not_converged_fails_with_advice(shell, tmp_path):
    status, out, err = shell("demo", "--epochs", "1", "--out", "a.svg")
    assert (status, err) == (1, "")
    assert "FAILED: the learner is" in out
    assert "train longer" in out
    assert "the planted answer was NOT found" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize(("b", "verdict"), [(4.2, "found"), (4.3, "NOT found")])
def test_the_picture_shows_the_rows_the_losses_the_parameters_and_the_verdict(b, verdict):
    rows = planted.regression([2.0, -3.4], 4.2, n=1_500, seed=3)
    losses = [(3.0, 4.0), (0.5, 0.75)]
    report = planted.check(([2.0, -3.4], b), rows)
    figure = drawn(rows, losses, report)
    assert [text.get_text() for text in figure.texts] == [f"y = Xw + b + noise: the planted answer was {verdict}"]
    data, loss, parameters = figure.axes

    X, y = rows[:1_000]
    (points,) = data.collections
    np.testing.assert_array_equal(points.get_offsets(), np.column_stack([X[:, 1], y]))  # -3.4 is the largest weight
    x, line = data.lines[0].get_data()
    np.testing.assert_allclose(line, 4.2 - 3.4 * x, rtol=1e-6)

    drawn_losses = {line.get_label(): line.get_ydata() for line in loss.lines}
    assert drawn_losses["train"].tolist() == [3.0, 0.5]
    assert drawn_losses["validation"].tolist() == [4.0, 0.75]
    assert set(drawn_losses["variance of the noise / 2"]) == {0.01**2 / 2}

    (learner,) = [line for line in parameters.lines if line.get_label() == "the learner"]
    np.testing.assert_array_equal(learner.get_xdata(), [p.z for p in report.parameters])
    (intervals,) = [line for line in parameters.containers if line.get_label().startswith("least squares")]
    w0 = report.parameters[0]
    fit = (report.fit.w[0] - 2.0) / w0.standard_error
    ends = intervals.lines[2][0].get_segments()[0][:, 0]
    np.testing.assert_allclose(ends, [fit - 1.96, fit + 1.96], rtol=1e-6)
    assert [label.get_text() for label in parameters.get_yticklabels()] == ["w[0] = 2", "w[1] = -3.4", "b = 4.2"]


@pytest.mark.parametrize(("features", "title"), [(2, "the parameters"), (200, "the worst 12 of 201 parameters")])
def test_every_text_of_the_picture_is_within_it(features, title):
    """The legend, too, and the panel says that it does not show all parameters."""
    rows = planted.regression(-123.456 * planted.weights(features, seed=3), 4.2, n=1_500, seed=3)
    report = planted.check(planted.least_squares(rows), rows)
    figure = drawn(rows, [(3.0, 4.0), (0.5, 0.75)], report)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    parameters = figure.axes[2]
    assert parameters.get_title() == title
    legend = [text.get_text() for text in parameters.get_legend().get_texts()]
    assert legend == ["truth", "the learner", "least squares, 95% interval"]
    width, height = canvas.get_width_height()
    texts = [*figure.texts, *parameters.get_yticklabels()]
    for panel in figure.axes:
        texts += [panel.title, panel.xaxis.label, panel.yaxis.label, *panel.get_legend().get_texts()]
    for text in texts:
        box = text.get_window_extent()
        assert 0 <= box.x0 <= box.x1 <= width, text
        assert 0 <= box.y0 <= box.y1 <= height, text


@pytest.mark.parametrize("off", [1e-8, 1e-3, 0.1, 10.0, 3e3, 1e20])
def test_the_numbers_below_the_parameters_stay_apart(off):
    """However far off the learner is; what stands beside the axis, a power of ten, is apart from its label, too."""
    rows = planted.regression([2.0, -3.4], 4.2, noise=1e-3, n=1_500, seed=3)
    report = planted.check(([2 - off, -3.4 + off], 4.2), rows)
    figure = drawn(rows, [(3.0, 4.0), (0.5, 0.75)], report)
    FigureCanvasAgg(figure).draw()
    axis = figure.axes[2].xaxis
    left, right = figure.axes[2].get_xlim()
    ticks = [label for label in axis.get_ticklabels() if left <= label.get_position()[0] <= right]
    boxes = [label.get_window_extent() for label in ticks]
    assert len(boxes) >= 3
    assert all(one.x1 + 5 < other.x0 for one, other in itertools.pairwise(boxes))
    power = axis.get_offset_text().get_window_extent()
    assert power.width <= 1 or axis.label.get_window_extent().x1 < power.x0


def test_demo_in_torch(shell, torch):
    status, out, _ = shell("demo", "--framework", "torch", "--weights", "1,2,3", "--intercept", "-1")
    assert status == 0
    assert "32 of X (32, 3) and y (32, 1), torch" in out


def test_demo_without_noise(shell):
    status, out, _ = shell("demo", "--noise", "0", "--epochs", "40")
    assert status == 0
    assert "noise=0.0" in out


@pytest.mark.parametrize("lr", ["2.2", "3"])
def test_demo_that_diverges_within_the_floats_is_drawn(shell, tmp_path, lr):
    status, out, err = shell("demo", "--lr", lr, "--out", "a.svg")
    assert (status, err) == (1, "")
    assert "FAILED" in out
    assert "the planted answer was NOT found" in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("loss", [1e-250, 1e250])
def test_every_loss_that_demo_admits_can_be_drawn(loss):
    rows = planted.regression([2.0, -3.4], 4.2, n=1_500, seed=3)
    figure = drawn(rows, [(3.0, 4.0), (loss, loss)], planted.check(([2e120, -3.4], 4.2), rows))
    FigureCanvasAgg(figure).draw()


def test_demo_draws_the_same_numbers_each_time(shell):
    """But for the time that the training took, two runs print the same."""
    first, second = (re.sub(r"\d:\d\d:\d\d", "", shell("demo")[1]) for _ in range(2))
    assert first == second


# ---- head -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_head_prints_rows_that_read_back_exactly(shell, dtype):
    status, out, _ = shell("head", "-n", "3", "--start", "5", "--seed", "3", "--format", "csv", "--dtype", dtype)
    assert status == 0
    head, *lines = out.splitlines()
    assert head == "row,x0,x1,y"
    X, y = planted.regression([2.0, -3.4], 4.2, n=1000, seed=3, dtype=dtype)[5:8]
    table = np.array([[float(cell) for cell in line.split(",")] for line in lines])
    assert table[:, 0].tolist() == [5, 6, 7]
    np.testing.assert_array_equal(table[:, 1:3].astype(dtype), X)
    np.testing.assert_array_equal(table[:, 3:].astype(dtype), y)


def test_head_of_a_million_million_rows(shell):
    status, out, _ = shell("head", "--rows", "1e12", "--start", "999_999_999_998")
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["row", "999999999998", "999999999999"]
    assert shell("head", "--rows", "0")[:2] == (0, f"{'row':>12} {'x0':>12} {'x1':>12} {'y':>12}\n")


def test_head_of_as_many_rows_as_there_can_be(shell):
    """More than Python's own `len` can say."""
    status, out, _ = shell("head", "--rows", str(2**63), "--start", str(2**63 - 1), "--seed", "5")
    assert status == 0
    assert out.splitlines()[1].split()[0] == str(2**63 - 1)


def test_large_numbers_are_exact_and_may_be_typed_as_they_are_shown(shell):
    _, out, _ = shell("head", "--seed", "1e30")
    X, _ = planted.regression([2.0, -3.4], 4.2, n=1, seed=10**30)[:]
    assert f"{X[0, 0]:.6g}" in out
    assert out == shell("head", "--seed", hex(10**30))[1] == shell("head", "--seed", str(10**30))[1]
    assert shell("head", "--seed", "0xplanted")[0] == 2


def test_head_as_csv_goes_into_pandas_as_it_is(tmp_path):
    """Through a pipe, many pieces of it, and the numbers are the very same; each is as short as can be."""
    pandas = pytest.importorskip("pandas")
    words = ["head", "--rows", "1e6", "--count", "400_000", "--features", "3", "--noise", "0.5", "--format", "csv"]
    with subprocess.Popen([sys.executable, "-m", "planted", *words], stdout=subprocess.PIPE) as process:
        table = pandas.read_csv(process.stdout, index_col="row", dtype={**dict.fromkeys(["x0", "x1", "x2", "y"], "f4")})
    assert process.returncode == 0
    X, y = planted.regression(planted.weights(3, seed=0), 4.2, noise=0.5, n=1_000_000)[:400_000]
    np.testing.assert_array_equal(table[["x0", "x1", "x2"]].to_numpy(), X)
    np.testing.assert_array_equal(table[["y"]].to_numpy(), y)
    assert table.index.tolist() == list(range(400_000))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_head_writes_as_csv_is_read_by_open_table(shell, tmp_path, dtype):
    pytest.importorskip("pyarrow")
    _, out, _ = shell("head", "--count", "1000", "--noise", "0.5", "--dtype", dtype, "--format", "csv")
    (tmp_path / "rows.csv").write_text(out)
    table = planted.open_table(tmp_path / "rows.csv", features=["x0", "x1"], response="y", dtype=dtype)
    rows = planted.regression([2.0, -3.4], 4.2, noise=0.5, n=1_000, dtype=dtype)
    np.testing.assert_array_equal(table.X, rows.X)
    np.testing.assert_array_equal(table.y, rows.y)


def test_head_writes_the_shortest_number_that_reads_back(shell):
    _, out, _ = shell("head", "--format", "csv", "--count", "1")
    X, y = planted.regression([2.0, -3.4], 4.2, n=1)[:1]
    assert out.splitlines()[1] == f"0,{X[0, 0]!s},{X[0, 1]!s},{y[0, 0]!s}"
    assert len(f"{float(X[0, 0])!r}") > len(f"{X[0, 0]!s}")  # what Python would write


def test_head_of_rows_in_a_folder(shell):
    shell(*"write out --rows 5000 --features 4 --seed 3 --dtype float64".split())
    for style in ("table", "csv"):
        words = ["head", "--start", "4000", "--format", style]
        there = shell(*words, "--rows-from", "out")
        assert there == shell(*words, *"--rows 5000 --features 4 --seed 3 --dtype float64".split())
        assert there[0] == 0


# ---- check ------------------------------------------------------------------------------------------------------


def test_check_takes_numbers(shell):
    fit = planted.least_squares(planted.regression([2.0, -3.4], 4.2, n=1000))
    status, out, _ = shell("check", *(str(v) for v in (*fit.w, fit.b)))
    assert status == 0
    assert "PASSED" in out
    status, out, _ = shell("check", "2", "-3.3", "4.2")
    assert status == 1
    assert "FAILED" in out


def test_check_takes_a_json_file(shell, tmp_path):
    (tmp_path / "estimate.json").write_text(json.dumps({"w": [2.0, -3.4], "b": 4.2, "trained_for": 10}))
    status, out, _ = shell("check", "estimate.json", "--json", "--alpha", "0.01")
    assert status == 0
    report = json.loads(out)
    assert (report["passed"], report["dof"], report["alpha"]) == (True, 3, 0.01)
    assert report["parameters"][0]["name"] == "w[0]"
    status, _, _ = shell("check", "estimate.json", "--tolerance", "0.5")
    assert status == 1


def test_check_against_the_rows_of_a_folder(shell):
    """The folder knows its truth and its seed: neither is given again, and none may contradict it."""
    shell(*"write out --rows 5000 --weights 1,2,3 --intercept -1 --noise 0.5 --seed 3 --dtype float64".split())
    fit = planted.least_squares(planted.open("out"))
    words = [*(str(v) for v in fit.w), str(fit.b)]
    status, out, _ = shell("check", "--rows-from", "out", *words)
    assert (status, "PASSED" in out) == (0, True)
    _, out, _ = shell("check", "--rows-from", "out", "--json", *words)
    report = json.loads(out)
    assert (report["rows"], report["parameters"][2]["truth"], report["distance"] < 1e-6) == (5000, 3.0, True)
    assert shell("check", "--rows-from", "out", "1", "2", "3.1", "-1")[0] == 1
    assert shell("check", *words)[0] == 2  # other rows
    status, _, err = shell("check", "--rows-from", "out", "--seed", "3", *words)
    assert (status, "--rows-from and --seed exclude each other" in err) == (2, True)


def test_help_of_check_says_which_rows_are_meant(shell):
    _, out, _ = shell("check", "--help")
    assert "Which rows: those of --weights (or --features), --intercept, --noise" in out
    assert "Or those of --rows-from" in out


# ---- help, pipes -------------------------------------------------------------------------------------------------


def test_without_arguments_its_help_is_shown(shell):
    """On standard output, in lines, and that is no error."""
    status, out, err = shell()
    assert (status, err) == (0, "")
    assert (0, out, "") == shell("--help") == shell("-h")
    assert len(out.splitlines()) > 10
    assert "  check   Check an estimate against" in out


@pytest.mark.parametrize("command", ["", "demo", "head", "check", "write", "info", "verify"])
def test_help_is_readable_at_80_columns_and_shows_examples(shell, monkeypatch, command):
    """No line is too long, none ends in the middle of a name, nothing is cut, and the examples are commands."""
    monkeypatch.setenv("COLUMNS", "80")
    words = command.split()
    status, out, _ = shell(*words, "--help")
    assert status == 0
    assert max(map(len, out.splitlines())) <= 80
    assert not re.search(r"[a-z]\.\.\.$", out, re.MULTILINE)
    assert not re.search(r"\w-$", out, re.MULTILINE)
    examples = re.findall(r"^    planted (.+)$", out.partition("Examples:")[2], re.MULTILINE)
    assert examples
    for example in examples:
        assert example.startswith(command)
        for option in re.findall(r"(?<!\S)--[\w-]+", example):
            assert option in shell(example.split()[0], "--help")[1]


def test_the_module_is_the_same_command():
    done = subprocess.run([sys.executable, "-m", "planted", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"planted, version {planted.__version__}\n"


def test_a_closed_pipe_ends_quietly():
    """`planted head | head -1` is not an error worth a traceback."""
    code = f"{sys.executable} -m planted head --rows 1e6 --count 1e6 | head -1"
    done = subprocess.run(["sh", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["row", "x0", "x1", "y"]
    assert done.stderr == ""


@pytest.mark.parametrize("words", ["check 2 -3.4 4.2", "check --json 2 -3.4 4.2", "head --rows 1e5 --count 1e5"])
def test_a_reader_that_has_gone_is_no_failed_check(words):
    """Status 1 would say so; shells say 141 for a broken pipe."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "wb") as pipe:
        command = [sys.executable, "-m", "planted", *words.split()]
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_estimate_is_checked_against_the_rows_of_its_dtype(shell, dtype):
    """They are other rows: the exact fit of one kind is some standard errors from that of the other."""
    rows = planted.regression(w=[2.0, -3.4], b=4.2, noise=0.5, n=50, dtype=dtype)
    fit = planted.least_squares(rows)
    words = ["check", *map(repr, [*fit.w.tolist(), fit.b]), "--rows", "50", "--noise", "0.5", "--json"]
    distances = {kind: json.loads(shell(*words, "--dtype", kind)[1])["distance"] for kind in ("float32", "float64")}
    assert distances.pop(dtype) < 1e-6
    assert min(distances.values()) > 0.1
