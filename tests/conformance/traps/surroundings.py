"""Traps of what surrounds a loop: pipes, processes, signals, names, forks."""

from tests.support.rows import row

PROCESSES = {
    80: row(
        "pipe transports take pipes, sockets and character devices only",
        "what_is_no_pipe_is_refused",
        "a_write_pipe_notices_that_its_reader_has_gone",
        "the_end_of_a_pipe_is_told_by_eof_received_then_connection_lost",
        "a_pty_whose_other_end_closes_ends_without_a_report",
    ),
    81: row(
        "a process's callbacks come in their order, data before connection_made being kept",
        "the_callbacks_of_a_process_come_in_their_order",
    ),
    82: row(
        "a signal to a process that has ended", "a_signal_to_a_process_that_has_ended_does_no_harm"
    ),
    83: row(
        "signal handlers can be removed on a stopped loop, which restores the default",
        "handlers_can_be_added_and_removed_while_the_loop_does_not_run",
        "remove_restores_the_default_action",
        "a_handler_cannot_be_added_outside_the_main_thread",
        "add_signal_handler_refuses",
        "a_coroutine_function_is_refused",
    ),
    84: row(
        "a runner cancels its main task at the first ctrl-c, and raises at the second",
        "ctrl_c_cancels_the_main_task_of_a_runner_and_raises",
        "a_second_ctrl_c_ends_a_runner_whose_main_task_ignores_the_first",
    ),
    85: row(
        "getaddrinfo returns what the socket module returns",
        "getaddrinfo_returns_what_the_socket_module_returns",
        "getaddrinfo_keeps_the_zone_of_an_address",
    ),
    86: row(
        "a forked child has no running loop",
        "a_forked_child_sees_no_running_loop_and_no_wake_up_fd",
        "fork",
    ),
}
