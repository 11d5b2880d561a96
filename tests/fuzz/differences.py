"""Where ngxloop's parsers differ from h11 and httptools on purpose, and why.

The keys are those of tests.fuzz.comparing. There is no "laxer" or "later" for h11, and none for
both: what both refuse is refused.
"""

from tests.fuzz.comparing import Difference

LIMIT = "a limit that the others do not have"

# The RFCs are 9110 and 9112. "Proxies differ" means: two parsers in a row that do not agree on it
# can be made to see different requests (request smuggling).
STRICTER = {
    "CONNECT is not supported": "there is no tunnel: 405",
    "Host is missing": "9112 3.2: a server must refuse it",
    "Transfer-Encoding in HTTP/1.0": "9112 6.1: its framing must be taken as faulty",
    "Transfer-Encoding other than chunked": "9112 6.1: 501; the application would get coded bytes",
    "both Content-Length and Transfer-Encoding": "9112 6.3: may be refused; proxies differ",
    "chunk extensions too large": LIMIT,
    "field line too long": LIMIT,
    "field lines too large together": LIMIT,
    "folded field line": "9112 5.2: refuse or join; proxies differ",
    "framing field in a trailer": "9110 6.5.1: not allowed there; proxies differ",
    "invalid Content-Length": "9110 8.6: digits alone, 19 at most; no list of equal ones",
    "invalid HTTP version": "9112 2.3 and 3: one digit, a dot, one digit, and one space before it",
    "invalid Host": "9112 3.2: must be refused; the others do not look at it",
    "invalid field name": "9110 5.1: a token",
    "invalid byte in a field value": "9110 5.5: controls are no part of a value",
    "invalid byte in the request target": "9112 3.2: no fragment, no byte above 0x7f; no HTTP/0.9",
    "invalid chunk extension": "controls are in no part of its grammar",
    "invalid chunk size": "9112 7.1: digits alone, without blanks; 16 digits, and 2^63 - 1 in all",
    "invalid host in the request target": "9110 4.2.1: must be refused",
    "invalid method": "ASGI promises upper case; httptools has a list of methods instead",
    "invalid request target": "9112 3.2: four forms, two of which belong to one method each",
    "line not ended by CRLF": "9112 2.2: LF alone may be accepted; proxies differ",
    "method too long": f"{LIMIT}: 501",
    "more than one Content-Length": "9112 6.3: equal ones may be refused; proxies differ",
    "more than one Host": "9112 3.2: must be refused, equal ones, too",
    "more than one Transfer-Encoding": "9112 6.1: chunked is applied once",
    "request target too long": f"{LIMIT}: 414",
    "space between field name and colon": "9112 5.1: must be refused; proxies differ",
    "too many empty lines before the request line": "9112 2.2: one should be ignored; two are",
    "too many field lines": LIMIT,
    "unknown expectation in Expect": "9110 10.1.1: 417 may be answered; the others ignore it",
    "unsupported HTTP version": "9110 15.6.6: 505; the version of ASGI's scope is 1.0 or 1.1",
}
# Reasons for which the other refuses, too, and those of h11 for which it does so at once.
NOT_STRICTER = {
    "h11": {
        "CONNECT is not supported",
        "Host is missing",
        "Transfer-Encoding other than chunked",
        "invalid HTTP version",
        "invalid field name",
        "more than one Host",
        "more than one Transfer-Encoding",
        "space between field name and colon",
        "too many empty lines before the request line",
    },
    "httptools": {
        "CONNECT is not supported",
        "both Content-Length and Transfer-Encoding",
        "folded field line",
        "invalid byte in a field value",
        "invalid chunk extension",
        "invalid field name",
        "invalid method",
        "method too long",
        "more than one Content-Length",
        "space between field name and colon",
    },
}
NOT_EARLIER = {
    "h11": {
        "Host is missing",
        "Transfer-Encoding other than chunked",
        "more than one Host",
        "more than one Transfer-Encoding",
    },
    "httptools": NOT_STRICTER["httptools"] - {"CONNECT is not supported"},
}

EARLIER = {
    "h11": "looks at a head and at the line of a chunk only once it is complete",
    "httptools": "has not yet come to the end of what ngxloop is stricter with",
}

OTHERS = {
    Difference("h11", "content", "fields"): "Transfer-Encoding is in lower case there",
    Difference("h11", "longer", "closed"): "h11 closes after each request of HTTP/1.0; 9112 9.3",
    Difference("httptools", "content", "fields"): (
        "httptools keeps the blanks behind a value, and adds the fields of a trailer"
    ),
    Difference("httptools", "longer", "closed"): "httptools obeys Proxy-Connection",
    Difference("httptools", "shorter", "open"): "in HTTP/1.0 keep-alive counts more than close",
    Difference("httptools", "shorter", "refused"): "the same, and what follows is wrong",
    Difference("httptools", "shorter", "closed"): "the same, and what follows ends it",
}

LATER_METHOD = "httptools has a list of methods; 9110 9.1 leaves unknown ones to the application"
LATER_EXTENSION = "extensions are ignored, as 9112 7.1.1 says, but for their bytes and their size"
LATER_URL = "a target in another form is looked at once it is complete; the scheme may have digits"
LATER_FIELD = "what fields say is looked at once the head is complete"
LATER_BLANK = "httptools counts the blanks behind a value to the value"

HTTPTOOLS_LAXER = {
    "Expected space after method": LATER_METHOD,
    "Invalid method encountered": LATER_METHOD,
    "Invalid character in chunk extensions": LATER_EXTENSION,
    "Invalid character in chunk extensions name": LATER_EXTENSION,
    "Invalid character in chunk extensions quoted value": LATER_EXTENSION,
    "Invalid character in chunk extensions value": LATER_EXTENSION,
    "Request has invalid `Transfer-Encoding`": LATER_BLANK,
    "Unexpected char in url schema": LATER_URL,
}
HTTPTOOLS_LATER = HTTPTOOLS_LAXER | {
    "Content-Length can't be present with Transfer-Encoding": LATER_FIELD,
    "Content-Length overflow": LATER_FIELD,
    "Duplicate Content-Length": LATER_FIELD,
    "Empty Content-Length": LATER_FIELD,
    "Empty Transfer-Encoding": LATER_FIELD,
    "Invalid `Transfer-Encoding` header value": LATER_FIELD,
    "Invalid character in Content-Length": LATER_FIELD,
    "Transfer-Encoding can't be present with Content-Length": LATER_FIELD,
    "Invalid HTTP version": "the version is judged with the end of its line",
    "Invalid characters in url": LATER_URL,
    "Unexpected start char in url": LATER_URL,
    "Unexpected char in url server": LATER_URL,
    "Double @ in url": LATER_URL,
}


def all_wanted() -> dict[Difference, str]:
    """Return each difference that may be, and its reason."""
    wanted = dict(OTHERS)
    for other, waits in EARLIER.items():
        for key, why in STRICTER.items():
            if key not in NOT_EARLIER[other]:
                wanted[Difference(other, "earlier", key)] = f"{why}; {other} {waits}"
            if key not in NOT_STRICTER[other]:
                wanted[Difference(other, "stricter", key)] = why
    for key, why in HTTPTOOLS_LAXER.items():
        wanted[Difference("httptools", "laxer", key)] = why
    for key, why in HTTPTOOLS_LATER.items():
        wanted[Difference("httptools", "later", key)] = why
    return wanted


WANTED = all_wanted()
