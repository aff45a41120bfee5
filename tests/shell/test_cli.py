"""The shell: what it prints, draws and returns, and how it fails."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
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
    assert set(drawn_losses["noise² / 2"]) == {0.01**2 / 2}

    (learner,) = [line for line in parameters.lines if line.get_label() == "the learner"]
    np.testing.assert_array_equal(learner.get_xdata(), [p.z for p in report.parameters])
    (intervals,) = [line for line in parameters.containers if line.get_label().startswith("least squares")]
    w0 = report.parameters[0]
    fit = (report.fit.w[0] - 2.0) / w0.standard_error
    ends = intervals.lines[2][0].get_segments()[0][:, 0]
    np.testing.assert_allclose(ends, [fit - 1.96, fit + 1.96], rtol=1e-6)
    assert [label.get_text() for label in parameters.get_yticklabels()] == ["w[0] = 2", "w[1] = -3.4", "b = 4.2"]


def test_demo_in_torch(shell, torch):
    status, out, _ = shell("demo", "--framework", "torch", "--weights", "1,2,3", "--intercept", "-1")
    assert status == 0
    assert "32 of X (32, 3) and y (32, 1), torch" in out


def test_demo_without_noise(shell):
    status, out, _ = shell("demo", "--noise", "0", "--epochs", "40")
    assert status == 0
    assert "noise=0.0" in out


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


# ---- failing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("demo --rows -3", "n=-3 must be an integer, at least 0"),
        ("demo --rows 2", "--rows 2 is too few for 3 parameters: use more rows"),
        ("demo --rows 1.5", "'1.5' is not a whole number: write 1000, 1_000 or 1e3"),
        ("demo --rows many", "'many' is not a whole number"),
        ("demo --noise -1", "noise=-1.0 must be at least 0"),
        ("demo --noise nan", "noise=nan must be finite"),
        ("demo --seed -1", "seed=-1 must be"),
        ("demo --batch-size 0", "batch_size=0 must be"),
        ("demo --epochs 0", "epochs=0 must be"),
        ("demo --lr 0", "lr=0.0 must be positive"),
        ("demo --lr 100 --epochs 100", "the parameters overflowed in epoch"),
        ("demo --features 0", "features=0 must be"),
        ("demo --weights 1,x", "'1,x' is not a list of numbers: write 2,-3.4"),
        ("demo --weights 1,2 --features 3", "--weights has 2 numbers, --features is 3: give one of them"),
        ("demo --out nowhere/a.png", "--out nowhere/a.png: there is no folder nowhere; make it first"),
        ("demo --out a.txt", "--out a.txt must end in one of .png, .pdf, .svg, .jpg"),
        ("demo --framework caffe", "--framework caffe is unknown: use one of numpy, jax, mxnet, tensorflow, torch"),
        ("demo extra", "unexpected extra argument"),
        ("head --start 2000", "--start 2000 --count 10 must lie within the 1000 rows"),
        ("head --count -1", "--start 0 --count -1 must lie within the 1000 rows"),
        ("head --dtype int8", "dtype='int8' must be 'float32' or 'float64'"),
        ("check", "Missing argument"),
        ("check 1 2", "the estimate has 1 weights, the rows have 2 features"),
        ("check 1", "the estimate '1' is neither weights and intercept nor a file"),
        ("check 1 2 x", "the estimate '1 2 x' is neither weights and intercept nor a file"),
        ("check nan 1 2", "w[0]=nan must be finite"),
        ("check nothing.json", "cannot read nothing.json: No such file or directory"),
        ("check .", "cannot read .: Is a directory"),
        ("nonsense", "No such command 'nonsense'"),
    ],
)
def test_errors_are_one_line_and_status_2(shell, words, message):
    status, _, err = shell(*words.split())
    assert status == 2
    assert message in err
    assert err.startswith("planted: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


@pytest.mark.parametrize(
    "text", ["", "{", "[1, 2]", '{"w": [1]}', '{"w": {"a": 1}, "b": 2}', "[" * 100_000, "\xff\x00"]
)
def test_broken_files_are_refused_in_one_line(shell, tmp_path, text):
    (tmp_path / "e.json").write_bytes(text.encode("latin-1"))
    status, _, err = shell("check", "e.json")
    assert status == 2
    assert err.count("\n") == 1


def test_a_missing_framework_is_one_line(shell, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "planted.torch", raising=False)
    status, _, err = shell("demo", "--framework", "torch")
    assert (status, err) == (2, "planted: planted.torch needs PyTorch: pip install 'planted[torch]'\n")


def test_control_c_is_status_130(shell, monkeypatch):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(planted, "check", interrupted)
    status, _, err = shell("check", "1", "2", "3")
    assert (status, err.strip()) == (130, "planted: interrupted")


def test_a_picture_that_cannot_be_written_is_one_line(shell, tmp_path):
    (tmp_path / "a.png").mkdir()
    status, _, err = shell("demo", "--out", "a.png", "--epochs", "1")
    assert status == 2
    assert "a.png: Is a directory" in err


def test_help_and_version_and_the_module():
    """`python -m planted` is the same command; every command explains itself."""
    for words in ([], ["demo"], ["head"], ["check"]):
        done = subprocess.run(
            [sys.executable, "-m", "planted", *words, "--help"], capture_output=True, text=True, check=True
        )
        assert "--help" in done.stdout
    done = subprocess.run([sys.executable, "-m", "planted", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"planted, version {planted.__version__}\n"


def test_a_closed_pipe_ends_quietly():
    """`planted head | head -1` is not an error worth a traceback."""
    code = f"{sys.executable} -m planted head --rows 1e6 --count 1e6 | head -1"
    done = subprocess.run(["sh", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["row", "x0", "x1", "y"]
    assert "Traceback" not in done.stderr
