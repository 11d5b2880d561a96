"""Workers become the processes that the options describe; what cannot be is refused before."""

import json
import os
import pwd
import re
import resource
import signal
import stat
import tempfile

import pytest

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.config.config import Config
from ngxloop.serving.process.affinity import affinity_warning, cpus_of, plan_affinity
from ngxloop.serving.process.variables import plan_variables
from tests.serving.support import APPS, connect, receive_line

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def ask(server):
    with connect(server.address) as sock:
        return json.loads(receive_line(sock))


def state_with(serve, *options):
    return ask(serve("process_state:State", *options).serving())


def state_as(serve_as, user, *options):
    return ask(serve_as(user, "process_state:State", *options).serving())


def as_nobody(function):
    """Call the function in a child without root's rights; return what it raises, as text."""
    read_fd, write_fd = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            function()
            text = "nothing raised"
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
        os.write(write_fd, text.encode())
        os._exit(0)
    os.close(write_fd)
    with open(read_fd) as answer:
        text = answer.read()
    os.waitpid(pid, 0)
    return text


# In a worker ---------------------------------------------------------------------------------


def test_worker_without_options_stays_what_the_master_is(serve):
    state = state_with(serve)
    assert state["uids"] == list(os.getresuid())
    assert state["folder"] == os.getcwd()
    assert state["nice"] == os.getpriority(os.PRIO_PROCESS, 0)
    assert state["death_signal"] == signal.SIGTERM


@needs_root
def test_worker_is_the_user_with_its_groups_and_can_dump_core(serve_as):
    state = ask(serve_as("nobody", "process_state:State").serving())
    found = pwd.getpwnam("nobody")
    assert state["uids"] == [found.pw_uid] * 3
    assert state["gids"] == [found.pw_gid] * 3
    assert state["groups"] == os.getgrouplist("nobody", found.pw_gid)
    assert state["dumpable"] == 1
    assert state["death_signal"] == signal.SIGTERM  # which setuid() would have undone


@needs_root
@pytest.mark.parametrize("more", [[], ["--preload"]], ids=["forked", "preloaded"])
def test_worker_that_gave_up_root_gets_no_rights_back_by_executing(serve_as, more):
    assert state_as(serve_as, "nobody", *more)["no_new_privileges"] == 1
    allowed = state_as(serve_as, "nobody", "--allow-new-privileges", *more)
    assert allowed["no_new_privileges"] == 0


def test_worker_that_gives_up_nothing_may_execute_what_it_likes(serve):
    assert state_with(serve)["no_new_privileges"] == 0


@needs_root
def test_worker_has_the_home_of_its_user_unless_the_operator_gave_another(serve_as, monkeypatch):
    found = pwd.getpwnam("nobody")
    root = pwd.getpwuid(0)
    monkeypatch.setenv("HOME", root.pw_dir)
    monkeypatch.delenv("USER", raising=False)
    monkeypatch.setenv("LOGNAME", "somebody")
    state = state_as(serve_as, "nobody")
    assert state["login"] == {"HOME": found.pw_dir, "USER": "nobody", "LOGNAME": "somebody"}
    state = state_as(serve_as, "54321", "--env", "HOME=/srv")
    assert state["login"] == {"HOME": "/srv", "USER": "54321", "LOGNAME": "somebody"}


@needs_root
def test_group_may_be_another_than_that_of_the_user(serve_as):
    state = ask(serve_as("nobody", "process_state:State", "--group", "daemon").serving())
    assert state["uids"] == [pwd.getpwnam("nobody").pw_uid] * 3
    assert state["gids"] == [os.getgrouplist("daemon", 1)[0]] * 3


@needs_root
def test_user_without_a_name_is_taken_by_number(serve_as):
    state = ask(serve_as("54321", "process_state:State", "--group", "54322").serving())
    assert (state["uids"], state["gids"], state["groups"]) == ([54321] * 3, [54322] * 3, [54322])


def test_worker_has_limits_priority_mask_and_folder(serve, tmp_path):
    nice = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 7)
    state = state_with(
        serve,
        *("--rlimit-nofile", "500", "--rlimit-core", "0", "--nice", str(nice)),
        *("--umask", "027", "--chdir", str(tmp_path), "--app-dir", str(APPS)),
    )
    assert (state["nofile"], state["core"]) == ([500, 500], [0, 0])
    assert (state["nice"], state["umask"], state["folder"]) == (nice, 0o027, str(tmp_path))


def test_worker_finds_the_application_in_its_folder(serve):
    assert state_with(serve, "--chdir", str(APPS), "--app-dir", ".")["folder"] == str(APPS)


def test_worker_has_variables_of_files_and_options(serve, tmp_path):
    (tmp_path / "one.env").write_text("COLOUR=red\nSIZE='two words'\n# SHAPE=round\n")
    (tmp_path / "two.env").write_text("\nexport COLOUR = green \n")
    files = [word for name in ("one.env", "two.env") for word in ("--env-file", tmp_path / name)]
    state = state_with(serve, *map(str, files), "--env", "SHAPE=a=b", "--env", "SIZE=")
    assert state["variables"] == {"COLOUR": "green", "SIZE": "", "SHAPE": "a=b"}


def test_file_of_variables_overrides_no_variable_of_the_environment(serve, tmp_path, monkeypatch):
    monkeypatch.setenv("COLOUR", "production")
    monkeypatch.setenv("SIZE", "production")
    (tmp_path / "dev.env").write_text("COLOUR=development\nSIZE=development\nSHAPE=round\n")
    options = ("--env-file", str(tmp_path / "dev.env"), "--env", "SIZE=given")
    state = state_with(serve, *options)
    assert state["variables"] == {"COLOUR": "production", "SIZE": "given", "SHAPE": "round"}


@needs_root
def test_file_of_variables_overrides_the_home_that_a_worker_would_get(serve_as, monkeypatch):
    monkeypatch.setenv("HOME", pwd.getpwuid(0).pw_dir)
    with tempfile.NamedTemporaryFile("w", dir="/run", suffix=".env") as file:
        file.write("HOME=/srv\nUSER=somebody\n")
        file.flush()
        state = state_as(serve_as, "nobody", "--env-file", file.name)
    assert (state["login"]["HOME"], state["login"]["USER"]) == ("/srv", "somebody")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("3 # of 5", "3"),
        ("3#5", "3#5"),
        ("#3", "#3"),
        (" # nothing", ""),
        ("'a # b'", "a # b"),
        ('"a" # "b"', "a"),
        ("'it''s'", "it''s"),
        ("it's # 'good'", "it's"),
    ],
)
def test_comment_is_no_part_of_a_value(tmp_path, written, value):
    (tmp_path / "a.env").write_text(f"NAME={written}\n")
    assert plan_variables((), [str(tmp_path / "a.env")]).filed == {"NAME": value}


def test_workers_are_pinned_each_to_its_cpu(serve):
    allowed = sorted(os.sched_getaffinity(0))
    server = serve("process_state:State", "--cpu-affinity", "auto", "-w", "2").serving()
    workers = re.findall(r"worker 1\.(\d+) ready \(process (\d+)\)", server.log)
    assert len(workers) == 2
    for number, pid in workers:
        assert os.sched_getaffinity(int(pid)) == {allowed[int(number) % len(allowed)]}


@needs_root
def test_unix_socket_is_given_to_user_and_group(serve, tmp_path):
    path = tmp_path / "app.sock"
    given = ("--socket-user", "nobody", "--socket-group", "daemon", "--socket-mode", "600")
    server = serve("process_state:State", "--bind", f"unix:{path}", *given).serving()
    found = path.stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (pwd.getpwnam("nobody").pw_uid, 0o600)
    assert found.st_gid == os.getgrouplist("daemon", 1)[0]
    server.send(signal.SIGHUP)
    server.logged("generation 2 serves, 1 drains")  # on the same socket
    assert path.stat() == found


# Before there is a worker --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"user": "no-such-user"}, ["user: there is no user 'no-such-user'", "useradd"]),
        ({"group": "no-such-group"}, ["group: there is no group 'no-such-group'", "groupadd"]),
        ({"user": "4294967295"}, ["user: 4294967295 is too large"]),
        ({"bind": ["unix:/x"], "socket_user": "no-such"}, ["socket-user: there is no user"]),
        ({"bind": ["unix:/x"], "socket_group": "no-such"}, ["socket-group: there is no group"]),
        ({"chdir": "/no/such"}, ["chdir: there is no folder '/no/such'", "create it"]),
        ({"env_file": ("/no/such",)}, ["env-file: cannot read /no/such: No such file"]),
        ({"rlimit_nofile": 2**62}, ["rlimit-nofile: ", "above the hard limit", "LimitNOFILE="]),
        ({"cpu_affinity": "99999"}, ["cpu-affinity: CPU 99999 is not available to this process"]),
        ({"cpu_affinity": "first"}, ["cpu-affinity: 'first' is not a list of CPUs"]),
        ({"cpu_affinity": "0;"}, ["cpu-affinity: '' is not a list of CPUs"]),
        ({"cpu_affinity": "0-"}, ["cpu-affinity: '0-' is not a list of CPUs"]),
    ],
    ids=str,
)
def test_what_is_not_there_is_refused(options, words):
    with pytest.raises(ConfigError) as caught:
        Config(app="a:b", **options).prepare()
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


@needs_root
@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"user": "root"}, "user: only root can run workers as 'root'; start as root, or"),
        ({"group": "0"}, "group: only root can run workers as '0'; start as root, or"),
        (
            {"bind": ["unix:/x"], "socket_user": "root"},
            "socket-user: only root can give a socket to 'root'; start as root",
        ),
        (
            {"bind": ["unix:/x"], "socket_group": "root"},
            "socket-group: 'root' is not one of our groups; become a member of it",
        ),
        ({"nice": -5}, "nice: only root may raise a priority to -5; give a higher number"),
    ],
    ids=str,
)
def test_what_only_root_may_is_refused_to_others(options, line):
    assert line in as_nobody(lambda: Config(app="a:b", **options).prepare())


@needs_root
def test_user_that_we_are_already_needs_no_root():
    config = Config(app="a:b", user="nobody")
    assert as_nobody(config.prepare) == "nothing raised"


def test_limit_below_the_hard_one_is_not_touched_in_the_master():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    Config(app="a:b", rlimit_nofile=before[1] - 1, rlimit_core=0).prepare()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == before


@pytest.mark.parametrize("line", ["COLOUR", "=red", "two words=red"])
def test_line_that_sets_no_variable_is_named_but_not_shown(tmp_path, line):
    file = tmp_path / "a.env"
    file.write_text(f"SIZE=1\n{line}\n")
    with pytest.raises(ConfigError, match=r"a\.env, line 2 sets no variable") as caught:
        plan_variables((), [str(file)])
    assert line not in str(caught.value)


# CPUs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "words"),
    [(None, ""), (4.0, ""), (1.5, "pins workers to 4 CPUs, but the cgroup quota is 1.5 CPUs")],
)
def test_affinity_under_a_quota_is_warned_of(quota, words):
    warning = affinity_warning(quota, 4)
    assert words in warning
    assert bool(words) == bool(warning)


def test_automatic_affinity_goes_round():
    sets, is_ring = plan_affinity("auto")
    assert is_ring
    assert [cpus_of(sets, is_ring, number) for number in (0, len(sets))] == [sets[0], sets[0]]


def test_last_list_of_cpus_serves_all_later_workers():
    first = min(os.sched_getaffinity(0))
    sets, is_ring = plan_affinity(f"{first}; {first}-{first},{first}")
    assert not is_ring
    assert [cpus_of(sets, is_ring, number) for number in (0, 5)] == [{first}, {first}]
    assert cpus_of([frozenset({1}), frozenset({2})], False, 7) == {2}
