"""The tables of characters.pxd, made from the sets that the RFCs name.

Where a set is narrower or wider than the RFC's, the reason stands beside it.
"""

from libc.stdint cimport uint8_t

LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
DIGITS = frozenset(b"0123456789")
VISIBLE = frozenset(range(0x21, 0x7F))
TOKEN = LETTERS | DIGITS | frozenset(b"!#$%&'*+-.^_`|~")
UNRESERVED = LETTERS | DIGITS | frozenset(b"-._~")
SUB_DELIMITERS = frozenset(b"!$&'()*+,;=")
# Browsers send `"`, `<`, `>`, `\`, `^`, `` ` ``, `{`, `|` and `}` as they are, in a query at least:
# RFC 3986 has them not, but neither does any of them end a target. A fragment is never sent.
TARGET = VISIBLE - frozenset(b"#")

SETS = {
    TOKEN_BYTE: TOKEN,
    # ASGI promises upper case, and a method must not be altered.
    METHOD_BYTE: TOKEN - frozenset(b"abcdefghijklmnopqrstuvwxyz"),
    PATH_BYTE: TARGET - frozenset(b"?%"),
    TARGET_BYTE: TARGET,
    VALUE_BYTE: VISIBLE | frozenset(range(0x80, 0x100)) | frozenset(b" \t"),
    HOST_BYTE: UNRESERVED | SUB_DELIMITERS | frozenset(b"%"),
    SCHEME_BYTE: LETTERS | DIGITS | frozenset(b"+-."),
    HEX_DIGIT: frozenset(b"0123456789abcdefABCDEF"),
}


cdef void lower_copy(char* target, const uint8_t* source, size_t size) noexcept nogil:
    cdef size_t i
    for i in range(size):
        target[i] = <char>LOWER_CASE[source[i]]


def fill_tables():
    """Write the tables; done once, when this module is imported."""
    for byte in range(256):
        CLASSES[byte] = sum(bit for bit, members in SETS.items() if byte in members)
        HEX_VALUES[byte] = int(chr(byte), 16) if byte in SETS[HEX_DIGIT] else 0
        LOWER_CASE[byte] = bytes([byte]).lower()[0]


fill_tables()
