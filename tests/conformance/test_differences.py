"""docs/differences.md: each row has a reason, and a test that is its minimal program.

A test of tests/conformance/ runs on both loops and says what asyncio does instead.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# The begin of a row's subject -> the test that shows it.
SHOWN = {
    "`write(bytearray)`": "conformance/test_stream_writing.py::"
    "test_a_bytearray_may_be_changed_after_write",
    "`call_at` with": "conformance/test_wrong_use.py::test_wrong_use_ends_as_on_asyncio",
    "an accepted connection": "transports/test_listener.py::"
    "test_protocol_is_made_and_connected_in_the_turn_of_the_accept",
    "a connection that nobody": "conformance/test_stream_closing.py::"
    "test_a_paused_connection_nobody_refers_to_is_kept",
    "`add_reader` for a number": "conformance/test_fd_watching_closed_files.py::"
    "test_a_reused_number_is_watched_even_when_the_old_file_was_not_removed",
    "a reader or writer of a number": "core/test_watch_numbers.py::"
    "test_reused_number_is_watched_as_the_new_file",
    "a socket object with": "conformance/test_descriptors_refused.py::"
    "test_a_socket_whose_fileno_is_wrong_gets_no_transport",
    "`add_reader` for the file of": "conformance/test_fds_of_transports.py::"
    "test_the_fd_of_a_transport_that_still_sends_while_closing",
    "a `sock_recv` that is cancelled": "core/test_sockops.py::"
    "test_a_task_cancelled_after_it_was_woken_takes_no_data",
    "what `sock_recv`": "core/test_sockops.py::test_an_operation_is_a_coroutine_to_asyncio",
    "a blocking socket": "core/test_sockops.py::test_a_blocking_socket_holds_nobody_up",
    "the protocol factory": "conformance/test_servers.py::test_a_factory_that_raises_is_reported",
    "more signals": "conformance/test_signals.py::"
    "test_a_signal_is_heard_of_behind_more_of_another_than_the_pipe_holds",
    "`close()` in another": "conformance/test_signals.py::"
    "test_a_loop_with_handlers_that_is_closed_in_a_thread_is_closed",
    "out of fds": "transports/test_listener_without_fds.py::"
    "test_shortage_rests_every_listener_for_a_second",
    "`abort()`, `writelines()`": "conformance/test_lost_peers.py::"
    "test_nothing_that_writes_raises_after_the_peer_has_dropped_the_connection",
    "`writelines()`": "conformance/test_stream_writing.py::test_writelines_sends_every_line",
    "`sendto()` while": "transports/test_datagram.py::"
    "test_answers_to_a_burst_of_datagrams_cost_few_calls",
    "writes to one transport": "transports/test_writing_threads.py::"
    "test_writes_of_several_threads_to_several_connections_arrive",
    "`repr()` and type": "conformance/test_public_names.py::"
    "test_every_public_name_of_asyncios_exists",
    "debug mode": "aio/test_monitoring.py::test_hook_is_told_of_a_slow_connection",
    "TLS: what waits": "transports/test_tlsengine.py::test_small_writes_become_one_record",
    "TLS: a handshake": "conformance/test_tls_handshake.py::"
    "test_a_peer_that_we_refuse_gets_an_alert",
    "TLS: a damaged": "transports/test_tlsengine.py::"
    "test_what_came_before_a_damaged_record_is_not_lost",
    "TLS: `get_extra_info": "conformance/test_tls_closing.py::"
    "test_the_addresses_stay_known_when_the_connection_is_lost",
    "TLS: `close()`": "conformance/test_tls_closing.py::"
    "test_a_paused_protocol_that_closes_after_the_end_is_not_forgotten",
    "TLS: a `BufferedProtocol`": "conformance/test_tls_flow.py::"
    "test_a_buffered_protocol_may_give_a_bytearray",
    "TLS: `set_write": "conformance/test_tls_flow.py::"
    "test_a_high_mark_of_zero_pauses_only_while_something_waits",
    "`start_tls()`": "conformance/test_tls_upgrades.py::"
    "test_a_protocol_that_was_paused_before_the_upgrade_is_resumed_after_it",
    "a forked child": "conformance/test_fork.py::test_fork",
    "a handle that has run": "conformance/test_scheduling.py::"
    "test_arguments_of_a_callback_are_released_once_it_has_run",
    "an unclosed loop": "conformance/test_running.py::"
    "test_a_loop_that_is_dropped_unclosed_warns_even_if_something_scheduled_refers_to_it",
    "a pipe that `epoll`": "conformance/test_pipe_terminals.py::test_dev_null_reads_as_empty",
    "the write of": "conformance/test_pipe_promises.py::test_write_refuses_what_is_not_bytes_like",
    "`eof_received`": "conformance/test_pipes.py::test_closing_twice_loses_once",
    "`add_reader` for the fd of": "conformance/test_fds_of_transports.py::"
    "test_the_fd_of_an_open_pipe_is_the_transports",
    "child watchers": "aio/test_processes.py::test_no_child_watcher_is_made_or_asked",
    "the exit status": "aio/test_processes.py::test_status_that_popen_has_taken_is_not_lost",
    "`signal.set_wakeup_fd`": "conformance/test_signals.py::"
    "test_the_wake_up_fd_of_somebody_else_is_left_in_place",
    "`sendto(data)` on": "conformance/test_datagram_sending.py::"
    "test_two_unnamed_unix_sockets_are_a_pair",
    "`sendfile` and": "conformance/test_sendfile.py::"
    "test_a_cancelled_one_leaves_the_position_behind_what_was_sent",
    "the transport is closed": "conformance/test_sendfile.py::"
    "test_closing_the_transport_in_the_middle_ends_it",
    "the peer's end": "conformance/test_datagram_receiving.py::"
    "test_a_seqpacket_socket_is_an_endpoint_since_3_12",
    "`freezegun`": "conformance/test_compiled_differences.py::"
    "test_a_clock_in_the_place_of_time_monotonic_moves_timers",
    "a function put": "conformance/test_patched_run.py::test_handles_of_every_kind_are_seen",
    "a method replaced": "conformance/test_compiled_differences.py::"
    "test_a_method_replaced_in_asyncios_class_of_transports_is_called_by_asyncio_only",
    "a subclass of `socket": "conformance/test_compiled_differences.py::"
    "test_methods_of_a_socket_subclass_are_called_by_asyncios_transports_only",
}
NOT_SHOWN = {
    "another file put": "which file is waited for depends on what epoll was asked before",
    "a free-threaded": "there is no free-threaded interpreter among the supported ones",
}


def rows() -> list[list[str]]:
    """Return the cells of each row of the tables."""
    text = (ROOT / "docs" / "differences.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines]
    return [row for row in cells if row[0] != "subject"]


def entry(subject: str) -> str:
    """Return the longest begin of a subject that is listed."""
    found = [begin for begin in (*SHOWN, *NOT_SHOWN) if subject.startswith(begin)]
    return max(found, key=len, default="")


def test_every_row_is_listed_once_and_every_entry_is_a_row():
    assert sorted(entry(row[0]) for row in rows()) == sorted((*SHOWN, *NOT_SHOWN))


@pytest.mark.parametrize("row", rows(), ids=lambda row: entry(row[0]))
def test_every_row_has_a_reason(row):
    assert len(row) == 4
    assert all(row)


@pytest.mark.parametrize("test", SHOWN.values(), ids=SHOWN)
def test_the_test_of_a_row_exists(test):
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / "tests" / path).read_text())

    assert name in {node.name for node in tree.body if hasattr(node, "name")}
