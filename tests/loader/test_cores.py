"""How many cores a process takes: those that it may run on, and no more than its container's quota."""

import pytest

from planted._machine import pieces

NEW = "0::/pod/box\n"
OLD = "5:memory:/pod\n4:cpu,cpuacct:/pod/box\n1:name=systemd:/pod\n"


def system(folder, group, files):
    """A system with these files."""
    for path, text in {
        "proc/self/cgroup": group,
        **{f"sys/fs/cgroup/{path}": text for path, text in files.items()},
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("group", "files", "quota"),
    [
        (NEW, {"pod/box/cpu.max": "150000 100000\n"}, 1.5),
        (NEW, {"pod/box/cpu.max": "max 100000\n"}, None),
        (NEW, {"pod/box/cpu.max": "max 100000\n", "pod/cpu.max": "300000 100000\n"}, 3.0),
        (NEW, {"pod/box/cpu.max": "400000 100000\n", "pod/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2.0),  # a container that sees its own group only
        (NEW, {"cpu.max": "200000 100000\n"}, 2.0),
        (NEW, {}, None),
        (NEW, {"pod/box/cpu.max": "what\n"}, None),
        ("0::/../../elsewhere\n", {"cpu.max": "200000 100000\n"}, 2.0),
        (
            OLD,
            {
                f"cpu,cpuacct/pod/box/cpu.cfs_{name}_us": text
                for name, text in (("quota", "250000"), ("period", "100000"))
            },
            2.5,
        ),
        (
            OLD,
            {f"cpu,cpuacct/pod/box/cpu.cfs_{name}_us": text for name, text in (("quota", "-1"), ("period", "100000"))},
            None,
        ),
        (OLD, {f"cpu,cpuacct/cpu.cfs_{name}_us": text for name, text in (("quota", "100000"), ("period", "0"))}, None),
        (OLD, {"memory/pod/cpu.max": "100000 100000\n"}, None),
    ],
)
def test_the_quota_of_control_groups(tmp_path, group, files, quota):
    assert pieces.processor_quota(system(tmp_path, group, files)) == quota


def test_no_linux_no_quota(tmp_path):
    assert pieces.processor_quota(tmp_path) is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (0.2, 1), (1.0, 1), (1.5, 2), (7.01, 8), (64.0, 8)])
def test_a_quota_is_rounded_up_and_is_one_at_least(monkeypatch, quota, expected):
    monkeypatch.setattr(pieces.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(pieces, "processor_quota", lambda: quota)
    assert pieces.cores.__wrapped__() == expected
