"""Traps of transports and servers: streams, datagrams, TLS."""

from tests.support.rows import row

STREAMS = {
    38: row(
        "connection_made comes first, then reading begins, unless it was paused meanwhile",
        "reading_starts_after_connection_made",
        "create_connection_returns_after_connection_made",
        "pausing_in_connection_made_holds_back_what_was_already_there",
    ),
    39: row(
        "a connection_made that raises is reported and not fatal",
        "connection_made_that_raises_is_reported_and_reading_begins_all_the_same",
    ),
    40: row(
        "the protocol factory is called once the connection stands",
        "the_factory_is_called_once_and_after_the_connection_stands",
        "a_refused_connection_raises_and_calls_no_factory",
    ),
    41: row(
        "socket and addresses are known after the end, too",
        "sockname_and_peername_are_known_after_the_end",
        "unknown_information_is_none_or_the_given_default",
        "the_socket_is_a_transport_socket",
        "extra_info_tells_about_the_tls_connection",
    ),
    42: row(
        "write takes bytes-like objects only, and nothing for nothing",
        "write_refuses_what_is_not_bytes_like",
        "write_of_nothing_does_nothing",
    ),
    43: row(
        "write after write_eof, or during sendfile, is refused",
        "write_after_write_eof_is_refused",
        "write_during_sendfile_is_refused",
    ),
    44: row(
        "what is written after the end is dropped, and logged from the fifth time on",
        "writes_after_the_connection_is_lost_are_dropped_silently",
        "writes_after_the_connection_is_lost_are_logged_from_the_fifth_on",
    ),
    45: row(
        "write does not raise the system's errors: connection_lost gets them, in a later turn",
        "an_error_of_write_is_given_to_connection_lost_and_not_raised",
    ),
    46: row(
        "the write limits: defaults, what is filled in, what is refused",
        "the_default_limits_are_16_and_64_kib",
        "set_write_buffer_limits_fills_in_what_is_left_out",
        "limits_that_make_no_sense_are_refused",
    ),
    47: row(
        "pause above the high limit, resume at the low one; what they raise is not fatal",
        "exactly_the_high_limit_does_not_pause",
        "the_protocol_is_paused_above_the_high_limit_and_resumed_at_the_low_one",
        "with_a_limit_of_zero_any_unsent_byte_pauses",
        "an_exception_of_pause_or_resume_is_reported_but_not_fatal",
    ),
    48: row(
        "the size of the write buffer is counted in bytes, without the kernel's",
        "get_write_buffer_size_counts_what_the_kernel_has_not_taken",
        "write_sends_all_bytes_of_a_memoryview_of_wider_items",
    ),
    49: row(
        "close sends what was written; connection_lost comes in a later turn",
        "close_sends_what_was_written_first",
        "connection_lost_is_called_once_in_a_later_turn",
        "closing_can_be_repeated",
        "a_closing_transport_receives_nothing_more",
    ),
    50: row(
        "abort drops what was not sent; connection_lost comes once, in a later turn",
        "abort_drops_what_was_not_sent",
        "abort_while_close_is_still_sending_ends_it",
        "connection_lost_is_called_once_in_a_later_turn",
    ),
    51: row(
        "after connection_lost the socket is closed and the protocol forgotten",
        "the_socket_is_still_open_in_connection_lost_and_closed_after_it",
        "get_protocol_is_none_once_the_connection_is_lost",
        "wait_closed_waits_for_close_and_for_the_last_connection",
    ),
    52: row(
        "at the end of stream eof_received says whether the transport stays writable",
        "end_of_stream_calls_eof_received_and_closes",
        "end_of_stream_leaves_the_transport_writable_if_eof_received_says_so",
    ),
    53: row(
        "what data_received and its kin raise is reported and fatal",
        "an_exception_of_the_protocol_is_reported_and_closes",
        "an_oserror_of_the_protocol_closes_without_a_report",
        "nothing_more_is_received_after_data_received_has_raised",
    ),
    54: row(
        "one receive of at most 256 KiB a turn, so that connections take turns",
        "at_most_256_kib_are_handed_over_at_once",
        "connections_take_turns_when_each_has_much_to_read",
    ),
    55: row(
        "a BufferedProtocol is told by its class, whenever it is set",
        "a_protocol_that_only_has_the_methods_is_not_buffered",
        "data_is_received_into_the_buffer_of_the_protocol",
        "an_empty_buffer_is_reported_and_closes",
        "the_protocol_can_become_buffered_inside_data_received",
    ),
    56: row(
        "pause_reading and resume_reading can be repeated, at any time",
        "pause_and_resume_can_be_repeated",
        "pause_and_resume_of_a_closing_transport_do_nothing",
        "pause_and_resume_around_every_message_lose_nothing",
    ),
    57: row("what was written may be changed afterwards", "a_bytearray_may_be_changed_after_write"),
    58: row(
        "a transport that is dropped unclosed warns",
        "a_transport_open_when_its_loop_is_closed_and_dropped_warns",
        "a_paused_connection_nobody_refers_to_is_kept",
    ),
    59: row(
        "each transport is an instance of asyncio's class for its kind",
        "a_stream_transport_is_an_asyncio_transport",
        "a_tls_transport_is_an_asyncio_transport",
        "a_datagram_transport_is_an_asyncio_datagram_transport",
        "pipe_transports_are_asyncio_read_and_write_transports",
        "a_process_transport_is_an_asyncio_subprocess_transport",
    ),
    60: row(
        "sendfile waits for the buffer, pauses reading, and may be told not to fall back",
        "sendfile_sends_after_what_was_written",
        "sendfile_reads_nothing_meanwhile",
        "sendfile_without_fallback_is_refused_where_the_kernel_cannot",
        "sendfile_on_a_closing_transport_is_refused",
    ),
}

SERVERS = {
    61: row(
        "sockets is a tuple of transport sockets, empty after close",
        "sockets_is_a_tuple_of_transport_sockets_and_empty_after_close",
        "async_with_closes_the_server",
    ),
    62: row(
        "close ends serve_forever, which cannot be awaited twice",
        "serve_forever_starts_serving_and_is_ended_by_close",
        "serve_forever_cannot_be_awaited_twice_at_once",
    ),
    63: row(
        "wait_closed waits for close, and since 3.12 for the clients",
        "wait_closed_waits_for_close_and_for_the_last_connection",
        "wait_closed_waits_for_close_when_there_is_no_connection",
    ),
    64: row(
        "create_server returns after a turn in which the server listens",
        "create_server_returns_when_the_loop_has_turned_once",
    ),
    65: row(
        "errors of accept: a client that is gone, and no fd left",
        "a_client_that_is_gone_before_it_is_accepted_does_no_harm",
        "the_shortage_is_reported_once_and_the_connection_served_when_it_ends",
        "connections_that_wait_in_the_backlog_are_all_accepted",
    ),
    66: row(
        "a protocol factory that raises closes the connection and is reported",
        "a_factory_that_raises_ends_the_connection_and_not_the_server",
        "a_factory_that_raises_is_reported",
    ),
    67: row(
        "each address is bound once, IPv6 alone, and named when it cannot be bound",
        "create_server_listens_on_every_host_once",
        "a_server_for_ipv6_leaves_ipv4_alone",
        "an_address_that_no_interface_has_is_skipped_if_there_is_another",
        "an_address_in_use_is_named",
    ),
    68: row(
        "the files of unix servers: stale ones are replaced, their own removed, others left",
        "a_socket_file_nobody_listens_on_is_replaced",
        "close_removes_the_socket_file",
        "close_leaves_the_socket_file_of_somebody_else",
        "a_server_on_a_given_socket_leaves_its_file",
        "abstract_names_work_at_both_ends",
    ),
}

DATAGRAMS = {
    69: row("an empty datagram is sent since 3.13", "an_empty_datagram"),
    70: row(
        "a wrong address is refused, an error of the system told to error_received",
        "sendto_of_a_connected_endpoint_refuses_another_address",
        "an_icmp_error_is_told_to_error_received_and_closes_nothing",
        "a_datagram_that_is_too_large_is_told_to_error_received",
        "a_bytearray_may_be_changed_after_sendto",
        "each_datagram_that_waits_counts_as_its_length_and_8",
    ),
    71: row(
        "an exception of datagram_received is reported and not fatal",
        "an_exception_of_datagram_received_is_reported_and_closes_nothing",
    ),
    72: row(
        "endpoints of the unix family have string addresses, and all have flow control",
        "unix_endpoints_have_strings_for_addresses",
        "the_options_of_an_endpoint_that_make_no_sense_are_refused",
        "a_datagram_endpoint_has_write_limits",
    ),
}

TLS = {
    73: row(
        "ssl=True is for clients only; without a host the server's name is needed",
        "create_server_refuses",
        "ssl_true_makes_a_context_that_trusts_the_systems_authorities",
        "server_hostname_is_needed_without_a_host",
    ),
    74: row(
        "TLS transports have limits of their own and cannot be half closed",
        "the_default_write_limits_are_those_of_asyncio",
        "a_tls_stream_cannot_be_half_closed",
    ),
    75: row(
        "connection_made comes after the handshake, and not at all from start_tls",
        "connection_made_comes_after_the_handshake",
        "start_tls_upgrades_both_ends_of_a_plain_connection",
        "start_tls_raises_when_the_handshake_fails",
    ),
    76: row(
        "handshake and shutdown have time limits, which must be positive",
        "a_handshake_that_takes_too_long_is_given_up",
        "a_timeout_that_is_not_positive_is_refused",
        "the_handshake_may_take_60_seconds_and_the_shutdown_30",
    ),
    77: row(
        "an end of stream without a TLS goodbye is told to eof_received",
        "an_end_of_stream_without_a_tls_goodbye_ends_the_connection",
    ),
    78: row(
        "since 3.14 a TLS transport is closing as soon as what it stands on is",
        "a_tls_transport_is_closing_when_what_it_stands_on_is",
    ),
    79: row(
        "connect_accepted_socket returns the application's protocol",
        "connect_accepted_socket_returns_the_protocol_of_the_application",
    ),
}
