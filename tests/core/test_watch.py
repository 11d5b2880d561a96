"""FdWatching: what epoll holds for the users' fds, and when it is told."""

from tests.support.sockets import unix_pair


def run_turns(loop, count: int) -> None:
    """Let the loop take `count` turns."""
    for _ in range(count):
        loop.call_soon(loop.stop)
        loop.run_forever()


def test_change_for_closed_fd_is_reported_and_the_loop_goes_on(loop, probe, reports):
    run_turns(loop, 1)
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, print)
        loop.add_writer(fd, print)

    run_turns(loop, 2)

    (report,) = reports
    assert report["message"] == f"fd {fd} is no longer watched"
    assert "Bad file descriptor" in str(report["exception"])
    assert probe.slot(fd) is None
    reports.clear()


def test_closed_fd_whose_number_the_signal_pipe_gets_is_forgotten(loop, probe):
    with unix_pair() as (ours, _):
        fd = ours.fileno()
        loop.add_reader(fd, print)

    run_turns(loop, 1)  # the first run opens the pipe

    assert probe.slot(fd).kind == "internal"
