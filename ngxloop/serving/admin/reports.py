"""A snapshot of the status as text: for people, for Prometheus, and as nginx's stub_status.

Rule: texts in it are escaped here once more, wherever they have come from; a terminal obeys them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ngxloop.serving.base.plaintext import one_line

Snapshot = Mapping[str, Any]

_COLUMNS = (
    ("worker", "worker"),
    ("gen", "generation"),
    ("pid", "pid"),
    ("state", "state"),
    ("age", "age"),
    ("conns", "connections"),
    ("accepted", "accepted"),
    ("requests", "requests"),
    ("in flight", "in_flight"),
    ("5xx", "5xx"),
    ("in MiB", "received_bytes"),
    ("out MiB", "sent_bytes"),
    ("lag ms", "lag"),
    ("rss MiB", "rss"),
    ("respawns", "respawns"),
    ("last exit", "last_exit"),
)


def table(snapshot: Snapshot) -> str:
    """Return what an operator wants to see."""
    rows = [[title for title, _ in _COLUMNS]]
    rows += [
        [_cell(key, figures.get(key)) for _, key in _COLUMNS]
        for figures in map(_with_answers, snapshot["workers"])
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_headline(snapshot), *_listener_lines(snapshot), ""]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def stub(snapshot: Snapshot) -> str:
    """Return nginx's stub_status; what is not known to be writing counts as waiting."""
    totals = snapshot["totals"]
    active, accepted, requests = totals["connections"], totals["accepted"], totals["requests"]
    writing = max(0, min(active, totals["in_flight"] or 0))
    return (
        f"Active connections: {active} \n"
        "server accepts handled requests\n"
        f" {accepted} {accepted} {requests} \n"
        f"Reading: 0 Writing: {writing} Waiting: {active - writing} \n"
    )


def prometheus(snapshot: Snapshot) -> str:
    """Return the metrics in Prometheus' text format."""
    workers = snapshot["workers"]
    live = [worker for worker in workers if "connections" in worker]
    totals = snapshot["totals"]
    reloads = snapshot["reloads"]
    parts = [
        _metric("up", "gauge", [("", int(snapshot["ready"]))]),
        _metric("generation", "counter", [("", snapshot["generation"])]),
        _metric("workers_wanted", "gauge", [("", snapshot["workers_wanted"])]),
        _metric("workers", "gauge", _states(workers)),
        _metric("connections_accepted_total", "counter", [("", totals["accepted"])]),
        _metric("requests_total", "counter", [("", totals["requests"])]),
        _metric("answers_total", "counter", _answers(totals)),
        _metric("received_bytes_total", "counter", [("", totals["received_bytes"])]),
        _metric("sent_bytes_total", "counter", [("", totals["sent_bytes"])]),
        _metric("accepts_missed_total", "counter", [("", totals["missed"])]),
        _metric("accept_pauses_total", "counter", [("", totals["pauses"])]),
        _metric("connections_active", "gauge", _per_worker(live, "connections")),
        _metric("requests_in_flight", "gauge", _in_flight(live)),
        _metric("loop_lag_seconds", "gauge", _per_worker(live, "lag")),
        _metric("accept_gated", "gauge", _per_worker(live, "gated")),
        _metric("worker_rss_bytes", "gauge", _per_worker(live, "rss")),
        _metric("worker_respawns_total", "counter", _per_worker(workers, "respawns")),
        _metric("reload_total", "counter", [(_label(result=r), reloads[r]) for r in _RESULTS]),
        _metric("handler_failures_total", "counter", _failures(snapshot)),
        _metric("malformed_messages_total", "counter", [("", _malformed(snapshot))]),
        _metric("listen_queue", "gauge", _queues(snapshot, "queue")),
        _metric("listen_queue_limit", "gauge", _queues(snapshot, "limit")),
    ]
    return "".join(parts)


_RESULTS = ("ok", "failed")


def _headline(snapshot: Snapshot) -> str:
    totals = snapshot["totals"]
    line = (
        f"master {snapshot['pid']}: {snapshot['state']}, generation {snapshot['generation']}, "
        f"{_counted(snapshot['workers_wanted'], 'worker')}, up {snapshot['uptime']:.0f} s, "
        f"{_counted(totals['connections'], 'connection')}, {totals['accepted']} accepted, "
        f"{_counted(totals['requests'], 'request')}"
    )
    if answers := totals["answers"]:
        told = ", ".join(f"{count} {name}" for name, count in answers.items() if count)
        line += f"\nanswers: {told or 'none'}; {totals['in_flight']} requests in flight"
    reloads = snapshot["reloads"]
    if reloads["failed"]:
        line += (
            f"\n{_counted(reloads['failed'], 'reload')} failed, the last one: "
            f"{one_line(reloads['error'])}"
        )
    if failed := sum(count for _, count in _failures(snapshot)):
        last = one_line(snapshot["failures"]["last"])
        line += f"\n{_counted(failed, 'failure')} of the master's handlers, the last one: {last}"
    if malformed := _malformed(snapshot):
        line += f"\n{_counted(malformed, 'worker')} ended for a malformed message"
    if snapshot["successor"]:
        line += f"\nupgrading: the new master is process {snapshot['successor']}"
    return line


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _listener_lines(snapshot: Snapshot) -> Iterable[str]:
    for one in snapshot["listeners"]:
        queue = "" if one["limit"] is None else f": {one['queue']} of {one['limit']} wait"
        yield f"listening on {one_line(one['address'])}{queue}"


def _with_answers(worker: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the figures of a worker with its answers beside the others."""
    return {**worker, **(worker.get("answers") or {})}


def _cell(key: str, value: Any) -> str:
    if value is None:
        return "-"
    if key in ("rss", "received_bytes", "sent_bytes"):
        return f"{value / 2**20:.1f}"
    if key == "lag":
        return f"{value * 1000:.0f}"
    return f"{value:.0f} s" if key == "age" else one_line(str(value))


def _states(workers: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    states = [worker["state"] for worker in workers]
    return [(_label(state=state), states.count(state)) for state in sorted(set(states))]


def _per_worker(workers: Iterable[Mapping[str, Any]], key: str) -> list[tuple[str, Any]]:
    """Label by number and generation: those of a respawned worker stay, process ids would pile up.

    Replacements have the number of the worker they follow, hence the slot.
    """
    return [
        (
            _label(worker=one["worker"], generation=one["generation"], slot=one["slot"]),
            one[key],
        )
        for one in workers
    ]


def _in_flight(workers: Iterable[Mapping[str, Any]]) -> list[tuple[str, Any]]:
    """Return the figures of those that count them."""
    return _per_worker([one for one in workers if one["in_flight"] is not None], "in_flight")


def _answers(totals: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return the answers by class; nothing if nobody counts them."""
    counts = totals["answers"] or {}
    return [(_label(**{"class": name}), count) for name, count in counts.items()]


def _failures(snapshot: Snapshot) -> list[tuple[str, int]]:
    counts = snapshot["failures"]["handlers"]
    return [(_label(handler=name), count) for name, count in counts.items()]


def _malformed(snapshot: Snapshot) -> int:
    count: int = snapshot["failures"]["malformed_messages"]
    return count


def _queues(snapshot: Snapshot, key: str) -> list[tuple[str, Any]]:
    listeners = snapshot["listeners"]
    return [(_label(addr=one["address"]), one[key]) for one in listeners if one[key] is not None]


def _label(**labels: Any) -> str:
    return "{" + ",".join(f'{name}="{_escape(str(value))}"' for name, value in labels.items()) + "}"


def _escape(text: str) -> str:
    return one_line(text).replace("\\", "\\\\").replace('"', '\\"')


def _metric(name: str, kind: str, samples: Iterable[tuple[str, Any]]) -> str:
    lines = [f"# TYPE ngxloop_{name} {kind}\n"]
    lines += [f"ngxloop_{name}{labels} {_number(value)}\n" for labels, value in samples]
    return "".join(lines)


def _number(value: float) -> str:
    """Return all the digits: a counter whose last ones are lost has no rate."""
    return str(int(value) if isinstance(value, bool) else value)
