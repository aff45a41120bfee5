"""What the tests of the shell share."""

import pytest

from planted._shell import main


@pytest.fixture
def shell(capsys, monkeypatch, tmp_path):
    """A function that runs a command in an empty folder; it gives exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def run(*words):
        with pytest.raises(SystemExit) as stopped:
            main(list(words))
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return run
