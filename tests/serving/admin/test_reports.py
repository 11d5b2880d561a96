"""The texts of a snapshot."""

from ngxloop.serving.admin.reports import prometheus, stub, table

SNAPSHOT = {
    "pid": 10,
    "state": "serving",
    "ready": True,
    "uptime": 5.0,
    "generation": 2,
    "workers_wanted": 1,
    "reloads": {"ok": 1, "failed": 1, "error": "no module named 'x'"},
    "failures": {"handlers": {"poll": 0, "turn": 0}, "last": "", "malformed_messages": 0},
    "successor": 0,
    "listeners": [{"address": 'unix:/a"b', "queue": 3, "limit": 7}],
    "totals": {
        "connections": 1,
        "accepted": 12345678901,
        "requests": 2,
        "missed": 0,
        "pauses": 0,
        "received_bytes": 40,
        "sent_bytes": 3000000,
        "in_flight": None,
        "answers": None,
    },
    "workers": [
        {
            "worker": 0,
            "generation": 2,
            "slot": 1,
            "pid": 11,
            "state": "ready",
            "age": 4.0,
            "connections": 1,
            "accepted": 1,
            "requests": 2,
            "in_flight": None,
            "answers": None,
            "received_bytes": 40,
            "sent_bytes": 3 * 2**20,
            "gated": True,
            "lag": 0.0125,
            "rss": 3 * 2**20 + 1,
            "respawns": 0,
            "last_exit": "",
        }
    ],
}


def test_counters_keep_all_their_digits():
    text = prometheus(SNAPSHOT)
    assert "ngxloop_connections_accepted_total 12345678901\n" in text
    assert 'ngxloop_worker_rss_bytes{worker="0",generation="2",slot="1"} 3145729\n' in text
    assert 'ngxloop_loop_lag_seconds{worker="0",generation="2",slot="1"} 0.0125\n' in text
    assert 'ngxloop_accept_gated{worker="0",generation="2",slot="1"} 1\n' in text


def test_answers_are_told_where_they_are_counted():
    answers = {"1xx": 0, "2xx": 7, "3xx": 0, "4xx": 0, "5xx": 2}
    worker = {**SNAPSHOT["workers"][0], "in_flight": 1, "answers": answers}
    totals = {**SNAPSHOT["totals"], "in_flight": 1, "answers": answers}
    counted = {**SNAPSHOT, "workers": [worker], "totals": totals}
    text = prometheus(counted)
    assert 'ngxloop_answers_total{class="2xx"} 7\n' in text
    assert 'ngxloop_answers_total{class="4xx"} 0\n' in text
    assert 'ngxloop_requests_in_flight{worker="0",generation="2",slot="1"} 1\n' in text
    assert "answers: 7 2xx, 2 5xx; 1 requests in flight\n" in table(counted)
    assert stub(counted).endswith("Reading: 0 Writing: 1 Waiting: 0 \n")
    assert "ngxloop_answers_total{" not in prometheus(SNAPSHOT)
    assert "ngxloop_requests_in_flight{" not in prometheus(SNAPSHOT)
    assert "answers" not in table(SNAPSHOT)


def test_bytes_are_those_of_the_loops():
    text = prometheus(SNAPSHOT)
    assert "ngxloop_received_bytes_total 40\n" in text
    assert "ngxloop_sent_bytes_total 3000000\n" in text
    columns = table(SNAPSHOT).splitlines()[-2].split("  ")
    assert "out MiB" in columns
    assert " 3.0 " in table(SNAPSHOT).splitlines()[-1]


def test_labels_are_escaped():
    assert 'ngxloop_listen_queue{addr="unix:/a\\"b"} 3\n' in prometheus(SNAPSHOT)


def test_untrusted_text_is_escaped():
    hostile = "\x1b[2J\nngxloop_up 1\u202e\x9b"
    worker = {**SNAPSHOT["workers"][0], "last_exit": hostile, "state": hostile}
    snapshot = {
        **SNAPSHOT,
        "workers": [worker],
        "listeners": [{"address": hostile, "queue": 3, "limit": 7}],
        "reloads": {"ok": 1, "failed": 1, "error": hostile},
        "failures": {"handlers": {"poll": 1}, "last": hostile, "malformed_messages": 0},
    }
    for text in (table(snapshot), prometheus(snapshot)):
        assert all(line.isprintable() for line in text.splitlines())
        assert text.count("\nngxloop_up") <= 1


def test_table_counts_one_and_several():
    first = table(SNAPSHOT).partition("\n")[0]
    assert ", 1 worker, up 5 s, 1 connection, 12345678901 accepted, 2 requests" in first
    assert ", 3 workers, up " in table({**SNAPSHOT, "workers_wanted": 3})


def test_table_tells_of_a_reload_that_failed():
    assert "1 reload failed, the last one: no module named 'x'" in table(SNAPSHOT)
