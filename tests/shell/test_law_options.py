"""Laws in the shell: their words run in every command, and what is no law is told in these words."""

import json
import re

import pytest

import planted
from planted import features, noise
from planted._shell.laws import FEATURE_LAW, FEATURE_LAWS, NOISE_LAWS

LAWS = ("--law", "ar1:0.9", "--noise-law", "t:5:0.5")
TRUTH = planted.LinearTruth([2.0, -3.4], 4.2, noise.StudentT(5, 0.5), features.AR1(0.9))


def test_head_prints_rows_of_these_laws(shell):
    status, out, err = shell("head", *LAWS, "--seed", "7", "--count", "3", "--format", "csv")
    assert (status, err) == (0, "")
    X, y = planted.rows(TRUTH, 3, seed=7)[:]
    for line, x, response in zip(out.split()[1:], X, y, strict=True):
        assert [type(X[0, 0])(word) for word in line.split(",")[1:]] == [*x, *response]


@pytest.mark.parametrize(
    ("words", "law"),
    [
        ("normal", features.Normal()),
        ("uniform:-1:3", features.Uniform(-1, 3)),
        ("t:3", features.StudentT(3)),
        ("ar1:-0.5", features.AR1(-0.5)),
        ("equicorrelated:0.3", features.Equicorrelated(0.3)),
        ("low-rank:2:0.25", features.LowRank(2, 0.25)),
        ("categorical:0.5:0.25:0.25", features.Categorical([0.5, 0.25, 0.25])),
        ("polynomial:2", features.Polynomial(2)),
    ],
)
def test_each_law_of_features_has_its_words(shell, tmp_path, words, law):
    status, _, err = shell("write", "a", "--law", words, "--features", "4", "--rows", "50")
    assert (status, err) == (0, "")
    assert planted.open(tmp_path / "a").truth.feature_law == law
    assert words.split(":")[0] in FEATURE_LAWS
    assert len(FEATURE_LAWS) == 8


@pytest.mark.parametrize(
    ("words", "law"),
    [
        ("normal:0.5", noise.Normal(0.5)),
        ("t:3:0.5", noise.StudentT(3, 0.5)),
        ("laplace:0.5", noise.Laplace(0.5)),
        ("contaminated:0.05:10:0.5", noise.Contaminated(0.5, 0.05, 10)),
        ("heteroscedastic:2:0.5", noise.Heteroscedastic(0.5, 2)),
        ("clustered:0.3:20:0.5", noise.Clustered(0.5, 0.3, 20)),
    ],
)
def test_each_law_of_noise_has_its_words(shell, tmp_path, words, law):
    status, _, err = shell("write", "a", "--noise-law", words, "--rows", "50")
    assert (status, err) == (0, "")
    assert planted.open(tmp_path / "a").truth.noise == law
    assert words.split(":")[0] in NOISE_LAWS
    assert len(NOISE_LAWS) == 6


def test_a_folder_of_such_rows_is_told_verified_read_and_checked(shell):
    assert shell("write", "a", *LAWS, "--rows", "2000")[0] == 0
    status, out, err = shell("info", "a", "--json")
    assert (status, err) == (0, "")
    assert json.loads(out)["truth"] == TRUTH.to_dict()
    status, out, err = shell("info", "a")
    assert repr(TRUTH) in out
    assert shell("verify", "a")[0] == 0
    assert shell("head", "--rows-from", "a") == shell("head", *LAWS, "--rows", "2000")

    fit = planted.least_squares(planted.rows(TRUTH, 2000))
    estimate = [repr(float(number)) for number in (*fit.w, fit.b)]
    assert shell("check", *LAWS, "--rows", "2000", *estimate)[0] == 0
    assert shell("check", "--rows-from", "a", *estimate)[0] == 0
    assert shell("check", "--rows-from", "a", "2", "-3.2", "4.2")[0] == 1

    status, _, err = shell("write", "a", "--law", "ar1:0.5", "--rows", "2000")
    assert status == 2
    assert "features=features.AR1(rho=0.9)" in err  # the names of truths, as in Python
    assert "--features" not in err


def test_demo_learns_such_rows(shell, tmp_path):
    status, out, err = shell("demo", *LAWS, *"--rows 2000 --batch-size 500 --lr 0.2 --epochs 60 --out a.svg".split())
    assert (status, err) == (0, "")
    assert repr(TRUTH) in out
    assert "PASSED" in out
    assert (tmp_path / "a.svg").exists()


@pytest.mark.parametrize("words", ["heteroscedastic:1:0.5", "clustered:0.3:20:0.5", "t:2:0.5"])
@pytest.mark.parametrize("command", ["demo", "check 2 -3.4 4.2"])
def test_what_cannot_be_checked_is_refused_before_any_work(shell, command, words):
    status, out, err = shell(*command.split(), "--noise-law", words)
    assert (status, out) == (2, "")
    assert "which the standard errors of least squares take for granted" in err
    assert "such as --noise 0.1 or --noise-law t:3:0.5" in err


WRONG = {
    "--law ar2": "'ar2' names no law: write one of normal, uniform:LOW:HIGH,",
    "--law AR1:0.5": "'AR1:0.5' names no law",
    "--law ar1:x": "'ar1:x' is no ar1:RHO: it has something that is no number",
    "--law ar1:": "'ar1:' is no ar1:RHO: it has something that is no number",
    "--law ar1": "'ar1' is no ar1:RHO: it has 0 of 1 numbers",
    "--law normal:1": "'normal:1' is no normal: it has 1 of 0 numbers",
    "--law ar1:2": "'ar1:2' is no ar1:RHO: RHO 2.0 must be more than -1 and less than 1",
    "--law uniform:2:1": "'uniform:2:1' is no uniform:LOW:HIGH: LOW 2.0 must be less than HIGH 1.0",
    "--law uniform:nan:1": "LOW nan must be finite",
    "--law low-rank:1.5:0": "RANK 1.5 is not an integer",
    "--law low-rank:2:3": "TAIL 3.0 must be at least 0 and at most 1",
    "--law categorical:0.5:0.6": "P [0.5, 0.6] add up to 1.1, not to 1",
    "--law categorical:2:-1": "P 2.0 must be at least 0 and at most 1",
    "--law categorical": "P [] must be of two levels or more",
    "--law polynomial:3": "there are 2 weights, and --law polynomial makes 3 columns a variable: use a multiple of 3, "
    "with --features or --weights",
    "--noise-law t:3": "'t:3' is no t:DF:SCALE: it has 1 of 2 numbers",
    "--noise-law t:0.5:1": "DF 0.5 must be at least 1",
    "--noise-law normal:-1": "SCALE -1.0 must be at least 0",
    "--noise-law contaminated:2:1:1": "FRACTION 2.0 must be at least 0 and at most 1",
    "--noise-law clustered:0.5:1.5:1": "SIZE 1.5 is not an integer",
    "--noise 0.1 --noise-law t:3:0.5": "--noise and --noise-law exclude each other: the law's last number says how "
    "loud it is",
}


@pytest.mark.parametrize("words", WRONG)
@pytest.mark.parametrize("command", ["head", "write a"])
def test_a_wrong_law_is_told_in_the_shells_words(shell, tmp_path, command, words):
    status, out, err = shell(*command.split(), *words.split())
    assert (status, out) == (2, "")
    assert WRONG[words] in err
    assert len(err.splitlines()) == 1
    assert not re.search(r"\w=|features\.|noise\.|planted\.", err)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("words", ["--law ar1:0.5", "--noise-law t:3:0.5"])
def test_a_folder_knows_its_laws(shell, words):
    status, _, err = shell("head", "--rows-from", "a", *words.split())
    assert status == 2
    assert f"--rows-from and {words.split()[0]} exclude each other" in err


@pytest.mark.parametrize("command", ["demo", "head", "check", "write"])
def test_help_names_every_law(shell, command):
    _, out, _ = shell(command, "--help")
    text = " ".join(out.split())
    for laws in (FEATURE_LAWS, NOISE_LAWS):
        for name, (numbers, _) in laws.items():
            assert (f"{name}:{numbers}" if numbers else name) in text


def test_large_numbers_are_read():
    assert FEATURE_LAW.convert("uniform:0:1e300", None, None) == features.Uniform(0, 1e300)
