"""--workers auto: the limits of affinity and cgroups, read from files like the kernel's."""

import os

import pytest

from ngxloop.serving.process.cpus import cgroup_quota, usable_cpus


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.complaint(18)
@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu.max": "150000 100000"}, 1.5),
        ({"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000"}, 2.0),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, 0.5),
        ({"other/cpu.max": "50000 100000"}, None),
    ],
)
def test_quota_of_version_2_is_the_smallest_on_the_way_up(tmp_path, files, quota):
    membership = tmp_path / "membership"
    write(membership, "0::/a/b\n")
    for name, text in files.items():
        write(tmp_path / "mount" / name, f"{text}\n")
    assert cgroup_quota(membership, tmp_path / "mount") == quota


@pytest.mark.parametrize(
    ("controllers", "folder", "quota_us", "quota"),
    [
        ("cpu,cpuacct", "cpu,cpuacct/a", "300000", 3.0),
        ("cpu,cpuacct", "cpu/a", "300000", 3.0),
        ("cpu", "cpu", "250000", 2.5),
        ("cpu", "cpu/a", "-1", None),
        ("cpuset", "cpuset/a", "100000", None),
    ],
)
def test_quota_of_version_1_is_read(tmp_path, controllers, folder, quota_us, quota):
    membership = tmp_path / "membership"
    write(membership, f"12:memory:/a\n4:{controllers}:/a\n")
    write(tmp_path / "mount" / folder / "cpu.cfs_quota_us", f"{quota_us}\n")
    write(tmp_path / "mount" / folder / "cpu.cfs_period_us", "100000\n")
    assert cgroup_quota(membership, tmp_path / "mount") == quota


def test_no_cgroup_files_mean_no_quota(tmp_path):
    assert cgroup_quota(tmp_path / "none", tmp_path) is None


def test_usable_cpus_are_at_least_one_and_at_most_those_allowed():
    count, reason = usable_cpus()
    assert 1 <= count <= len(os.sched_getaffinity(0))
    assert "CPUs" in reason


def test_usable_cpus_follow_the_affinity_mask():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert usable_cpus()[0] == 1
    finally:
        os.sched_setaffinity(0, allowed)
