"""Errors of the shell: one line, in the shell's words, whatever is typed."""

import errno
import os
import re
import sys
from pathlib import Path

import pytest

import planted
from planted._shell.cli import cli
from planted._shell.words import in_shell_words, of_the_system
from planted.errors import InvalidValueError

PYTHONS_WORDS = re.compile(
    r"=True|=False|\w+=['\"\d\[]|\bplanted\.\w|\b0x[0-9a-f]|Errno|Traceback|\w+Error\b|Not a directory|File exists|"
    r"\.writing|>>>|<\w+\."
)
MISTAKES = [
    ("demo --rows -3", "--rows -3 must be an integer, at least 0"),
    ("demo --rows 2", "--rows 2 is too few for 3 parameters: use more rows"),
    ("demo --rows 1.5", "'1.5' is not a whole number: write 1000, 1_000 or 1e3. Try 'planted demo --help'."),
    ("demo --rows many", "'many' is not a whole number"),
    ("demo --noise -1", "--noise -1.0 must be at least 0"),
    (
        "demo --law ar1:2",
        "'ar1:2' is no ar1:RHO: RHO 2.0 must be more than -1 and less than 1. Try 'planted demo --help'.",
    ),
    ("demo --noise-law t:3", "'t:3' is no t:DF:SCALE: it has 1 of 2 numbers. Try 'planted demo --help'."),
    ("demo --noise nan", "'nan' is not a finite number: write 4.2 or 1e-3"),
    ("demo --intercept inf", "'inf' is not a finite number"),
    ("demo --seed -1", "--seed -1 must be an integer, at least 0: use any non-negative integer, such as --seed 0"),
    ("demo --batch-size 0", "--batch-size 0 must be"),
    ("demo --epochs 0", "--epochs 0 must be an integer, at least 1: use the number of passes, such as --epochs 10"),
    ("demo --lr 0", "--lr 0.0 must be positive: use a small number, such as --lr 0.03"),
    ("demo --lr x", "'x' is not a finite number"),
    ("demo --lr 5", "planted: it diverged: the loss overflowed in epoch 6: lower --lr 5"),
    ("demo --lr 100 --epochs 100", "the loss overflowed in epoch 1: lower --lr 100"),
    ("demo --lr 1e200", "it diverged: the parameters overflowed in epoch 0: lower --lr 1e+200"),
    ("demo --w 2,-3.4", "No such option --w. Did you mean --weights? Try 'planted demo --help'."),
    ("demo --nosie=1", "No such option --nosie. Did you mean --noise? Try"),
    ("demo --features 0", "--features 0 must be"),
    ("demo --features 1e12", "--features 1000000000000: so many weights would take"),
    ("head --features 1e30", "--features 1000000000000000000000000000000: so many weights would take"),
    ("demo --weights 1,x", "'1,x' is not a list of finite numbers: write 2,-3.4"),
    ("demo --weights 1,nan", "'1,nan' is not a list of finite numbers"),
    ("demo --weights 1,2 --features 3", "--weights has 2 numbers, --features is 3: give one of them"),
    ("demo --out nowhere/a.png", "--out nowhere/a.png: there is no folder nowhere; make it first"),
    ("demo --out file.json/a.png", "--out file.json/a.png: there is no folder file.json"),
    ("demo --out a.txt", "--out a.txt must end in one of .png, .pdf, .svg, .jpg"),
    ("demo --out folder.png --epochs 1", "folder.png: it is a folder: name a file"),
    ("demo --framework pytorch", "'pytorch' is not one of 'numpy', 'jax', 'mxnet', 'tensorflow', 'torch'"),
    ("demo extra", "unexpected extra argument"),
    ("head --start 2000", "--start 2000 --count 10 must lie within the 1000 rows: see --rows"),
    ("head --count -1", "--start 0 --count -1 must lie within the 1000 rows"),
    ("head --rows 1e30", "--rows 1000000000000000000000000000000 must be an integer, at least 0 and at most 9223372"),
    ("head --rows 1M", "'1M' is not a whole number: write 1000, 1_000 or 1e3"),
    ("head --rows 1,000", "'1,000' is not a whole number"),
    ("head --rows 1e9999", "'1e9999' is too large: use fewer than 1_000 digits"),
    ("head --dtype int8", "'int8' is not one of 'float32', 'float64'"),
    ("head --format json", "'json' is not one of 'table', 'csv'"),
    ("head --rows-from nowhere", "there are no rows in nowhere: write some with planted write"),
    ("head --rows-from nowhere --dtype float64", "--rows-from and --dtype exclude each other"),
    ("head -o anon", "--storage-option 'anon' must be a name and a value: write -o anon=true"),
    ("head --row 3", "No such option --row. Did you mean --rows or --rows-from? Try 'planted head --help'."),
    ("check", "Missing argument"),
    ("check 2 -3.4 4.2 --sed 3", "No such option --sed. Did you mean --seed? Try 'planted check --help'."),
    ("check --sed=3 2 -3.4 4.2", "No such option --sed. Did you mean --seed? Try 'planted check --help'."),
    ("check 2 -3.4 4.2 --row 1000", "No such option --row. Did you mean --rows or --rows-from? Try"),
    ("check --w 2,-3.4 2 -3.4 4.2", "No such option --w. Did you mean --weights? Try"),
    ("check file.json --xyz", "No such option --xyz. Try 'planted check --help'."),
    ("check 2 -3.4 4.2 -x", "No such option -x. Try 'planted check --help'."),
    ("check 2 -3.4", "has 1 weight and an intercept, the rows have 2 features: give one weight a feature and then"),
    ("check 1 2", "the estimate has 1 weight"),
    ("check w.json", 'w.json has no "b": write {"w": [2.0, -3.4], "b": 4.2}'),
    ("check list.json", 'list.json has no "w" and no "b": write {"w": [2.0, -3.4], "b": 4.2}'),
    ("check 1", "the estimate '1' is neither weights and intercept nor a file"),
    ("check 1 2 x", "the estimate '1 2 x' is neither weights and intercept nor a file"),
    ("check nan 1 2", "w[0]=nan must be finite"),
    ("check 2 -3.4 4.2 --alpha 2", "--alpha"),
    ("check 2 -3.4 4.2 --tolerance -1", "--tolerance -1.0 must be at least 0"),
    ("check 2 -3.4 4.2 --rows 2", "2"),
    ("check nothing.json", "cannot read nothing.json"),
    ("check .", "cannot read .: it is a folder"),
    ("check file.json", 'file.json is not JSON: write {"w": [2.0, -3.4], "b": 4.2}'),
    ("check --rows-from file.json 1 2 3", "file.json is a file, and a folder belongs there: name a folder"),
    ("write file.json", "file.json is a file, and a folder belongs there: name a folder"),
    ("write file.json/rows", "file.json is a file, and a folder belongs there: name a folder"),
    ("info file.json", "file.json is a file, and a folder belongs there: name a folder"),
    ("write", "Missing argument 'OUT'. Try 'planted write --help'."),
    ("write new --rows -1", "--rows -1 must be an integer, at least 0"),
    ("write new --rows 1e15", "rows need"),
    ("write new --rows 1e30", "--rows 1000000000000000000000000000000 must be"),
    ("write new --format csv", "csv"),
    ("write new --shard-bytes big", "--shard-bytes 'big' is not a number of bytes"),
    ("write new --shard-bytes 0", "--shard-bytes '0' must be at least 1 byte"),
    ("write new -o anon", "--storage-option 'anon' must be a name and a value"),
    ("write rows --seed 1", "choose another folder, or replace them with --overwrite"),
    ("write rows --intercept 1", "choose another folder, or replace them with --overwrite"),
    ("write s4://bucket/rows", "planted: 's4://bucket/rows' cannot be reached"),
    ("info", "Missing argument 'FOLDER'. Try 'planted info --help'."),
    ("info nowhere", "there are no rows in nowhere: write some with planted write"),
    ("info broken", "write the rows again"),
    ("info begun", "not finished"),
    ("info rows --memory 1KB", "use --memory "),
    ("info rows --memory lots", "--memory 'lots' is not a number of bytes"),
    ("info rows --batch-size 0", "--batch-size 0 must be an integer, at least 1"),
    ("verify", "Missing argument 'FOLDER'"),
    ("verify nowhere", "there are no rows in nowhere: write some with planted write"),
    ("verify file.json", "file.json is a file"),
    ("verify broken", "--overwrite"),
    ("nonsense", "No such command 'nonsense'. Try 'planted --help'."),
    ("--nonsense", "No such option"),
]


@pytest.fixture
def mistaken(shell, tmp_path):
    """A shell in a folder with rows, a file, a folder, broken and unfinished rows."""
    shell("write", "rows")
    shell("write", "begun")
    (tmp_path / "begun" / "manifest.json").unlink()
    (tmp_path / "file.json").write_text("{")
    (tmp_path / "w.json").write_text('{"w": [2, -3.4]}')
    (tmp_path / "list.json").write_text("[2, -3.4]")
    (tmp_path / "folder.png").mkdir()
    shell("write", "broken")
    for name in ("plan.json", "manifest.json"):
        (tmp_path / "broken" / name).write_text("{")
    return shell


@pytest.mark.parametrize(("words", "message"), MISTAKES)
def test_errors_are_one_line_in_the_shells_words_and_status_2(mistaken, words, message):
    status, _, err = mistaken(*words.split())
    assert status == 2
    assert message in err
    assert err.startswith("planted: ")
    assert err.count("\n") == 1
    said = re.sub(r"LinearTruth\([^()]*\)|w\[0\]=nan|anon=true", "", err)  # a truth's name; what was typed
    assert not PYTHONS_WORDS.search(said), err


def test_every_option_is_in_a_mistake():
    """But for what cannot be mistaken."""
    typed = " ".join(words for words, _ in MISTAKES).split()
    options = {max(option.opts, key=len) for command in cli.commands.values() for option in command.params}
    flags = {"--json", "--overwrite", "--quiet", "--repair", "--storage-option"}  # -o
    assert {option for option in options if option.startswith("--")} - flags <= set(typed)


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("replace them with overwrite=True", "replace them with --overwrite"),
        ("write some with planted.write(rows, target)", "write some with planted write"),
        ("write it with planted.write(..., overwrite=True)", "write it with planted write --overwrite"),
        ("run the same planted.write again", "run the same planted write again"),
        ("batch_size=0x10000000000000000 is", "--batch-size 18446744073709551616 is"),
        ("n=-1: use n=1_000", "--rows -1: use --rows 1_000"),
        ("LinearTruth(w=[2.0], b=4.2, noise=0.01) differs", "LinearTruth(w=[2.0], b=4.2, noise=0.01) differs"),
        ("use planted.rows(...)", "use planted.rows(...)"),  # there is no such command
        ("pip install 'planted[torch]'", "pip install 'planted[torch]'"),
        ("s3://b/?seed=1&n='x=2'", "s3://b/?--seed 1&--rows 'x=2'"),
    ],
)
def test_the_words_of_python_become_those_of_the_shell(python, shell):
    assert in_shell_words(InvalidValueError(python), cli.commands) == shell


def test_a_number_that_no_one_can_read_stays_hexadecimal():
    huge = hex(1 << 400)
    assert in_shell_words(InvalidValueError(f"n={huge}"), cli.commands) == f"--rows {huge}"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EISDIR, errno.ENAMETOOLONG])
def test_what_the_system_reports_is_a_sentence(number):
    said = of_the_system(OSError(number, os.strerror(number), "place"))
    assert said.startswith("place: ")
    assert ": " in said.removeprefix("place: ")  # what is wrong: what to do
    assert os.strerror(number) not in said


def test_errors_of_the_system_that_no_one_expected_are_said_too():
    assert of_the_system(OSError("something")) == "something"
    assert of_the_system(OSError(errno.EIO, "Input/output error", "place")) == "place: Input/output error"
    assert of_the_system(OSError()) == "OSError"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(shell, tmp_path):
    (tmp_path / "mine").mkdir(mode=0o500)
    status, _, err = shell("write", "mine/rows")
    assert (status, "you have no permission" in err) == (2, True)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_picture_on_a_full_disk(shell, tmp_path):
    (tmp_path / "full.png").symlink_to("/dev/full")
    status, _, err = shell("demo", "--epochs", "1", "--out", "full.png")
    assert (status, "the disk is full: make room" in err) == (2, True)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1, 2]", '{"w": [1]}', '{"w": {"a": 1}, "b": 2}', '{"w": [[1], 2], "b": 2}', "[" * 100_000, "\xff\x00"],
)
def test_broken_files_are_refused_in_one_line(shell, tmp_path, text):
    (tmp_path / "e.json").write_bytes(text.encode("latin-1"))
    status, _, err = shell("check", "e.json")
    assert status == 2
    assert err.count("\n") == 1
    assert not PYTHONS_WORDS.search(err), err


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
