"""Traps of the loop itself: callbacks, timers, files and sockets that it watches."""

from tests.support.rows import row

SCHEDULING = {
    1: row(
        "a turn polls, then runs what is ready, and what that adds waits for the next",
        "a_callback_added_by_a_callback_runs_one_turn_later",
        "io_is_polled_between_a_callback_and_the_callback_it_adds",
        "what_was_ready_before_the_poll_runs_before_the_io_it_finds",
        "a_due_timer_runs_after_what_is_ready",
        "a_due_timer_runs_after_the_io_of_the_same_turn",
    ),
    2: row(
        "due timers run in the order of their deadlines",
        "timers_run_in_the_order_of_their_deadlines",
        "timers_overdue_by_more_run_first",
        "timers_with_the_same_deadline_run_in_the_order_they_were_added",
    ),
    3: row("a timer is due at its deadline", "a_timer_is_never_early"),
    4: row(
        "call_later and call_at always return a TimerHandle that can be compared",
        "call_later_always_returns_a_timer_handle",
        "when_is_what_call_at_was_given",
        "timers_are_ordered_by_deadline",
        "timers_are_equal_with_the_same_deadline_callback_and_arguments",
        "call_later_refuses_none",
        "call_at_refuses_none",
    ),
    5: row(
        "timers follow loop.time(), whoever replaces it",
        "timers_follow_a_clock_that_is_patched_into_the_loop",
        "timers_follow_a_clock_that_a_subclass_overrides",
    ),
    6: row(
        "a cancelled handle lets go of its callback, but still names it in debug mode",
        "a_cancelled_handle_releases_its_callback_and_arguments_at_once",
        "a_cancelled_timer_releases_its_callback_and_arguments_at_once",
        "a_handle_is_not_cancelled_until_it_is",
        "the_repr_of_a_cancelled_handle_still_names_its_callback_in_debug_mode",
    ),
    7: row(
        "debug mode checks thread and callback, and nothing else does",
        "scheduling_from_another_thread_is_refused_in_debug_mode",
        "scheduling_from_another_thread_is_not_checked_without_debug_mode",
        "scheduling_a_coroutine_function_is_refused_in_debug_mode",
        "scheduling_what_cannot_be_called_is_refused_in_debug_mode",
    ),
    8: row(
        "a closed loop refuses at once",
        "a_closed_loop_refuses",
        "a_closed_loop_refuses_a_coroutine_in",
        "a_closed_loop_refuses_callbacks_of_other_threads",
    ),
    9: row(
        "call_soon_threadsafe wakes the loop, from a signal handler too",
        "call_soon_threadsafe_wakes_a_loop_that_sleeps",
        "call_soon_threadsafe_wakes_the_loop_from_a_signal_handler",
        "a_callback_of_another_thread_can_be_cancelled",
    ),
    10: row(
        "stop() lets the turn finish; before a run it allows one turn",
        "stop_lets_the_callbacks_of_the_turn_finish",
        "stop_leaves_callbacks_that_its_turn_adds_for_the_next_run",
        "stop_before_run_forever_makes_it_run_exactly_one_turn",
    ),
    11: row(
        "run_until_complete marks its task with a callback of asyncio's, and reports none left",
        "run_until_complete_marks_the_task_with_the_callback_that_anyio_looks_for",
        "run_until_complete_reports_a_loop_stopped_too_early",
        "a_task_that_raises_an_exit_exception_ends_the_run",
        "a_main_task_that_an_exit_exception_left_pending_is_dropped_without_a_report",
    ),
    12: row(
        "the texts about loops that run already",
        "run_until_complete_on_a_running_loop_is_refused",
        "run_forever_on_a_running_loop_is_refused_and_leaves_it_running",
        "running_a_second_loop_inside_a_running_one_is_refused",
        "close_of_a_running_loop_is_refused",
    ),
    13: row(
        "KeyboardInterrupt and SystemExit end the run, other exceptions are reported",
        "a_callback_that_raises_an_exit_exception_ends_the_run",
        "an_exception_that_is_no_exception_subclass_is_reported_too",
        "an_exit_exception_of_a_protocol_ends_the_run",
    ),
    14: row(
        "the report about a callback has message, exception and handle",
        "the_report_about_a_callback_names_message_exception_and_handle",
        "reports_tell_where_the_handle_was_created_in_debug_mode",
    ),
    15: row(
        "the exception handler gets loop and context, in the context of what failed",
        "the_handler_is_called_with_the_loop_and_the_context",
        "the_handler_runs_in_the_context_of_the_handle",
        "a_handler_that_raises_is_logged_with_the_report_it_was_given",
    ),
    16: row(
        "the default handler tells where the callback that runs was scheduled",
        "the_default_handler_tells_where_the_failing_callback_was_scheduled",
    ),
    17: row(
        "close() can be repeated, waits for no thread and removes signal handlers",
        "close_can_be_repeated",
        "close_drops_what_was_scheduled",
        "close_does_not_wait_for_functions_in_the_executor",
        "close_removes_the_handlers",
        "a_loop_closed_while_the_interpreter_ends_warns_and_leaves_signals_alone",
    ),
    18: row(
        "a loop that is dropped unclosed warns and closes",
        "a_loop_that_is_dropped_unclosed_warns_and_closes",
        "a_loop_that_is_dropped_unclosed_warns_even_if_something_scheduled_refers_to_it",
    ),
    19: row(
        "asynchronous generators are closed by the loop they ran on",
        "a_dropped_generator_is_closed_by_the_loop",
        "the_hooks_are_installed_only_while_the_loop_runs",
        "a_generator_started_after_shutdown_asyncgens_warns",
    ),
    20: row(
        "set_debug works on a running loop; what is slow is logged",
        "the_origin_of_coroutines_is_tracked_as_soon_as_a_running_loop_debugs",
        "a_slow_callback_is_logged_in_debug_mode",
        "a_slow_step_of_a_task_is_logged_with_the_task",
        "slow_callback_duration_is_a_tenth_of_a_second_by_default",
    ),
    21: row(
        "factories, handlers and executors are checked when they are set",
        "a_task_factory_that_cannot_be_called_is_refused",
        "set_exception_handler_refuses_what_cannot_be_called",
        "set_default_executor_refuses_what_is_no_thread_pool",
    ),
    22: row(
        "shutdown_default_executor has a time limit that does not block the loop",
        "shutdown_default_executor_gives_up_after_its_timeout_and_warns",
        "shutdown_default_executor_waits_for_its_functions",
    ),
    23: row(
        "after the shutdown the executor refuses; its threads are named asyncio",
        "run_in_executor_is_refused_after_shutdown",
        "threads_of_the_default_executor_are_named_asyncio",
    ),
}

FD_WATCHING = {
    24: row(
        "add and remove take a number or an object with fileno(); remove returns a bool",
        "add_and_remove_take_an_object_with_fileno_or_a_number",
        "what_is_no_file_descriptor_is_refused",
        "remove_tells_whether_there_was_something_to_remove",
        "remove_on_a_closed_loop_returns_false",
    ),
    25: row(
        "watching is level-triggered",
        "a_reader_is_called_again_until_everything_is_read",
        "a_writer_is_called_again_as_long_as_there_is_room",
    ),
    26: row(
        "adding again replaces the callback and cancels the former",
        "adding_again_replaces_the_callback",
        "removing_a_reader_cancels_a_call_that_is_already_due",
    ),
    27: row("regular files are refused", "a_regular_file_is_refused_as_epoll_refuses_it"),
    28: row(
        "the file of a transport is refused while the transport is not closing",
        "the_file_of_a_transport_is_refused",
        "the_fd_of_a_transport_that_still_sends_while_closing",
    ),
    29: row(
        "a file may be closed without being removed, and its number be used again",
        "a_file_closed_without_remove_can_still_be_removed",
        "a_reused_number_is_watched_after_the_old_file_was_removed",
        "a_reused_number_is_watched_even_when_the_old_file_was_not_removed",
    ),
    30: row("O_NONBLOCK is left alone", "blocking_mode_of_a_watched_file_is_left_alone"),
}

SOCKET_METHODS = {
    31: row(
        "the system call is tried first",
        "sock_recv_returns_what_is_there_without_suspending",
        "sock_sendall_returns_none_without_suspending_when_there_is_room",
        "sock_accept_takes_a_waiting_connection_without_suspending",
    ),
    32: row(
        "blocking sockets are refused in debug mode, TLS sockets always",
        "a_blocking_socket_is_refused_in_debug_mode",
        "a_tls_socket_is_refused",
    ),
    33: row(
        "who is cancelled loses no data and takes no connection",
        "a_cancelled_receive_loses_no_data",
        "a_cancelled_receive_leaves_nothing_watched",
        "a_cancelled_send_leaves_nothing_watched",
        "a_cancelled_sock_accept_takes_no_connection",
    ),
    34: row(
        "sock_accept returns a non-blocking connection and its address",
        "sock_accept_returns_a_non_blocking_connection_and_its_address",
    ),
    35: row(
        "sock_connect resolves names of the internet families and tells which address refused",
        "sock_connect_resolves_host_names",
        "sock_connect_connects_unix_sockets",
        "sock_connect_to_a_port_nobody_listens_on_is_refused",
    ),
    36: row(
        "each sock_ method returns what its kind returns",
        "sock_sendall_returns_none_without_suspending_when_there_is_room",
        "sock_sendto_returns_the_number_of_bytes_sent",
        "sock_recvfrom_returns_data_and_sender",
    ),
    37: row(
        "sock_sendfile checks its arguments and leaves the file where it stopped",
        "sock_sendfile_refuses",
        "sock_sendfile_leaves_the_file_behind_what_was_sent",
    ),
}
