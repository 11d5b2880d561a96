"""Formats of the access log: which fields there are, and whether a line can be made of them.

Two notations. `%(name)s`, as in gunicorn, uvicorn and the logging module: every name in FIELDS, and
`{name}i`, `{name}o`, `{name}e`. And the one of Apache and aiohttp, `%a %t "%r" %>s %{Referer}i`,
which is translated to the first one. A format with `%(` is in the first notation.

The values are those of worker/accessfields.py, for every interface.
"""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

# Each field with a value of its type: a conversion like %d is for numbers.
FIELDS: dict[str, str | int | float] = {
    "h": "127.0.0.1",  # address of the client; unix: for a Unix socket
    "l": "-",  # always
    "u": "-",  # name of the user, of HTTP Basic authentication
    "t": "[30/Nov/2026:12:00:00 +0000]",  # when the answer ended
    "r": "GET / HTTP/1.1",  # request line
    "s": 200,  # status
    "m": "GET",  # method
    "U": "/",  # path, without the query
    "q": "",  # query
    "H": "HTTP/1.1",  # protocol
    "B": 0,  # bytes of the body of the answer
    "b": "-",  # the same; - for none
    "f": "-",  # header field Referer
    "a": "-",  # header field User-Agent
    "T": 0,  # duration in seconds
    "D": 0,  # in microseconds
    "M": 0,  # in milliseconds
    "L": "0.000000",  # in seconds, with fractions
    "p": "<1>",  # id of the process
    "client_addr": "127.0.0.1:1",
    "method": "GET",
    "full_path": "/",  # path and query
    "http_version": "1.1",
    "request_line": "GET / HTTP/1.1",
    "status_code": "200 OK",
    "status": 200,
    "body_bytes": 0,
    "duration": 0.0,  # in seconds
    "asctime": "2026-11-30 12:00:00,000",
    "process": 1,
    "levelname": "INFO",
    "levelprefix": "INFO:    ",
}
# The letters of the other notation.
_LETTERS = {
    **{letter: letter for letter in "hlutrsmUqHBbTD"},
    "a": "h",
    "P": "p",
    "O": "B",
    "Tf": "duration",
}
_LETTER = re.compile(r"%(?:(%)|\{([^{}]+)\}([ioe])|>?(Tf|[A-Za-z])|)")
_NAMED_OR_PERCENT = re.compile(r"%%|%\(")
_LARGE = 2**63  # for %c, which takes small numbers only, to be refused now
NAMED = re.compile(r"\{([^{}]+)\}([ioe])")
_ADVICE = (
    "use %(h)s and the other fields of gunicorn (l u t r s m U q H B b f a T D M L p {header}i "
    "{header}o {variable}e), or %(client_addr)s %(request_line)s %(status_code)s"
)


class _Sample:
    """Fields of no request; notes which of them are asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __getitem__(self, name: str) -> str | int | float:
        if name not in FIELDS and not NAMED.fullmatch(name):
            raise KeyError(name)
        self.asked.append(name)
        found = FIELDS.get(name, "-")
        return _LARGE if isinstance(found, int) else found


@dataclasses.dataclass(frozen=True)
class AccessFormat:
    """A format that can be used."""

    line: str  # in the first notation
    named: tuple[str, ...]  # its fields like {referer}i

    def make(self, fields: Any) -> str:
        """Return the line; fields is indexed with each name."""
        made: str = self.line % fields
        return made


def parse_access_format(text: str) -> AccessFormat:
    """Return the format that somebody has written.

    Raises:
        ValueError: There is no such field, or a conversion is wrong.
    """
    line = text if "%(" in text else _LETTER.sub(_translate(text), text)
    if "%" in _NAMED_OR_PERCENT.sub("", line):  # it would be the place of all fields together
        raise ValueError(f"{text!r} has a % without the name of a field; {_ADVICE}")
    sample = _Sample()
    try:
        line % sample
    except KeyError as error:
        raise ValueError(f"{text!r} has an unknown field {error}; {_ADVICE}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{text!r}: {error}; {_ADVICE}") from None
    except MemoryError:
        raise ValueError(f"{text!r} has a field that is too wide; {_ADVICE}") from None
    if not sample.asked:
        raise ValueError(f"{text!r} has no field; {_ADVICE}")
    return AccessFormat(line, tuple(one for one in sample.asked if NAMED.fullmatch(one)))


def _translate(text: str) -> Callable[[re.Match[str]], str]:
    def translate(match: re.Match[str]) -> str:
        percent, name, kind, letter = match.groups()
        if percent:
            return "%%"
        if name:
            return f"%({{{name}}}{kind})s"
        if letter not in _LETTERS:
            found = match[0] if letter else text[match.start() : match.start() + 2]
            raise ValueError(f"{text!r} has an unknown field {found!r}; {_ADVICE}")
        return "%(duration).6f" if letter == "Tf" else f"%({_LETTERS[letter]})s"

    return translate
