"""How many cores and how much memory a process takes: what the machine has, and no more than its container's limit."""

import pytest

from planted._machine import capacity

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
    assert capacity.processor_quota(system(tmp_path, group, files)) == quota


@pytest.mark.parametrize(
    ("group", "files", "limit"),
    [
        (NEW, {"pod/box/memory.max": "4096\n"}, 4096),
        (NEW, {"pod/box/memory.max": "max\n"}, None),
        (NEW, {"pod/box/memory.max": "max\n", "pod/memory.max": "8192\n", "memory.max": "9000\n"}, 8192),
        ("0::/\n", {"memory.max": "4096\n"}, 4096),
        (NEW, {"memory.max": "4096\n"}, 4096),  # a container that does not see its own group
        (NEW, {}, None),
        (NEW, {"pod/box/memory.max": "what\n"}, None),
        (
            OLD,
            {"memory/pod/memory.limit_in_bytes": "4096\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"},
            4096,
        ),
        (OLD, {"memory/memory.limit_in_bytes": "4096\n"}, 4096),
        (OLD, {"cpu,cpuacct/pod/memory.limit_in_bytes": "4096\n"}, None),
    ],
)
def test_the_memory_limit_of_control_groups(tmp_path, group, files, limit):
    assert capacity.memory_limit(system(tmp_path, group, files)) == limit


def test_memory_is_that_of_the_machine_or_of_its_group_and_swap(monkeypatch):
    pages = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(capacity.os, "sysconf", pages.get, raising=False)
    monkeypatch.setattr(capacity, "swap", lambda: 7)
    for limit, expected in ((None, 4_096_007), (4096, 4103), (1 << 63, 4_096_007)):
        monkeypatch.setattr(capacity, "memory_limit", lambda limit=limit: limit)
        assert capacity.capacity.__wrapped__() == expected
    pages["SC_PHYS_PAGES"] = -1  # where nothing tells
    assert capacity.capacity.__wrapped__() is None
    monkeypatch.delattr(capacity.os, "sysconf")  # Windows
    assert capacity.capacity.__wrapped__() is None


def test_swap_is_read_where_there_is_some(tmp_path):
    assert capacity.swap(tmp_path) == 0
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:  8000 kB\nSwapTotal:  2 kB\nSwapFree: 1 kB\n")
    assert capacity.swap(tmp_path) == 2048


def test_no_linux_no_limits(tmp_path):
    assert capacity.processor_quota(tmp_path) is capacity.memory_limit(tmp_path) is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 8), (0.2, 1), (1.0, 1), (1.5, 2), (7.01, 8), (64.0, 8)])
def test_a_quota_is_rounded_up_and_is_one_at_least(monkeypatch, quota, expected):
    monkeypatch.setattr(capacity.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(capacity, "processor_quota", lambda: quota)
    assert capacity.cores.__wrapped__() == expected
