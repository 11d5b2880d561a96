"""Untrusted text, escaped for a log line, a terminal or a status page.

Escaped is what str.isprintable() rejects: newlines, escape sequences, C1 controls, bidirectional
overrides, lone surrogates. A backslash stays: the result is for people, not for parsers.
"""

LINE_CHARACTERS = 1000


def one_line(text: str, limit: int = LINE_CHARACTERS) -> str:
    """Return the text as one printable line of at most `limit` characters."""
    head = text[: limit + 1]
    shown = "".join(one if one.isprintable() else _escape(one) for one in head)
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def many_lines(text: str, limit: int) -> str:
    """Return the end of the text, printable but for its newlines; for a traceback."""
    tail = text[-limit:]
    return "".join(one if one.isprintable() or one in "\n\t" else _escape(one) for one in tail)


def _escape(one: str) -> str:
    return one.encode("unicode_escape").decode()
