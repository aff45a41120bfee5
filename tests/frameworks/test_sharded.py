"""Batches as global JAX arrays over a mesh: on eight devices of one process, and on several processes."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "mesh.py"


def run(*arguments):
    command = [sys.executable, "-W", "ignore", str(SCRIPT), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def results(processes):
    try:
        while not any(process.poll() for process in processes) and None in [each.returncode for each in processes]:
            time.sleep(0.1)  # until all have ended well, or one has not, for which the others would wait
        said = [process.communicate(timeout=5) for process in processes if process.returncode is not None]
    finally:
        for process in processes:
            process.kill()
    assert not any(process.returncode for process in processes), said
    return [out for out, _ in said]


@pytest.mark.timeout(300)
def test_batches_over_the_devices_of_one_process(framework):
    framework("jax")
    (said,) = results([run("one")])
    assert "PASSED" in said


@pytest.mark.timeout(300)
@pytest.mark.parametrize("processes", [2, 4])
def test_batches_over_several_processes_each_of_which_makes_its_own_rows(framework, processes):
    framework("jax")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for said in results([run("several", port, process, processes) for process in range(processes)]):
        assert "PASSED" in said
