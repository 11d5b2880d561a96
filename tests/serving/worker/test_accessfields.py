"""The fields of a line of the access log."""

import base64
import os
import re

import pytest

from ngxloop.http.options import AccessRecord
from ngxloop.serving.options.accessformat import FIELDS
from ngxloop.serving.worker.accessfields import AccessFields, escape

RECORD = AccessRecord(
    ("192.0.2.1", 4711),
    "POST",
    "/a%20b?c=d",
    "1.1",
    404,
    1234,
    1.25,
    [
        (b"user-agent", b'curl "8"\n'),
        (b"referer", b"http://a/"),
        (b"x-two", b"1"),
        (b"x-two", b"2"),
        (b"authorization", b"Basic " + base64.b64encode(b"ann:secret")),
    ],
    [(b"ETag", b'"x"')],
)
REFUSED = AccessRecord(None, "", "", "", 400, 0, 0.0)

EXPECTED = {
    "h": "192.0.2.1",
    "l": "-",
    "u": "ann",
    "r": "POST /a%20b?c=d HTTP/1.1",
    "s": 404,
    "m": "POST",
    "U": "/a%20b",
    "q": "c=d",
    "H": "HTTP/1.1",
    "B": 1234,
    "b": "1234",
    "f": "http://a/",
    "a": r"curl \x228\x22\x0A",
    "T": 1,
    "D": 1_250_000,
    "M": 1250,
    "L": "1.250000",
    "p": f"<{os.getpid()}>",
    "client_addr": "192.0.2.1:4711",
    "method": "POST",
    "full_path": "/a%20b?c=d",
    "http_version": "1.1",
    "request_line": "POST /a%20b?c=d HTTP/1.1",
    "status_code": "404 Not Found",
    "status": 404,
    "body_bytes": 1234,
    "duration": 1.25,
    "process": os.getpid(),
    "levelname": "INFO",
    "levelprefix": "INFO:    ",
    "{user-agent}i": r"curl \x228\x22\x0A",
    "{X-Two}i": "1, 2",
    "{none}i": "-",
    "{etag}o": r"\x22x\x22",
    "{request_method}e": "POST",
    "{HTTP_X_TWO}e": "1, 2",
    "{none}e": "-",
}


@pytest.mark.parametrize("name", [*EXPECTED])
def test_field_of_a_request(name):
    assert AccessFields(RECORD)[name] == EXPECTED[name]


def test_times_are_those_of_gunicorn_and_of_the_logging_module():
    fields = AccessFields(RECORD)
    assert re.fullmatch(r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]", fields["t"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}", fields["asctime"])


@pytest.mark.parametrize("name", [*FIELDS])
@pytest.mark.parametrize("record", [RECORD, REFUSED], ids=["request", "refused"])
def test_field_has_the_type_that_the_format_was_checked_with(name, record):
    assert type(AccessFields(record)[name]) is type(FIELDS[name])


def test_environment_of_the_process_can_be_named(monkeypatch):
    monkeypatch.setenv("NODE_NAME", "node 7")
    assert AccessFields(RECORD)["{node_name}e"] == AccessFields(RECORD)["{NODE_NAME}e"] == "node 7"


@pytest.mark.parametrize(
    "value", [b"Basic !", b"Basic", b"Bearer x", b"Basic " + base64.b64encode(b"ann"), b""]
)
def test_user_that_is_not_told_is_a_dash(value):
    record = RECORD._replace(request_headers=[(b"authorization", value)])
    assert AccessFields(record)["u"] == "-"


def test_text_of_a_client_stays_one_line_of_ascii():
    assert escape("plain") == "plain"
    assert escape('a"b\\c\r\n\x1b\x7f\xe9') == r"a\x22b\x5Cc\x0D\x0A\x1B\x7F\xC3\xA9"
