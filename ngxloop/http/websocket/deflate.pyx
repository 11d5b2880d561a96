# cython: nonecheck=True
"""Deflate: compressed messages of one connection (permessage-deflate, RFC 7692).

How it works. A message is deflated and flushed, so that it ends with an empty block of which the
last four bytes are always the same: those are not sent, and appended again on the other side. The
window is kept from one message to the next, unless the client or we have agreed to do without.
zlib's memory is taken with the first message that needs it.

Rules. A message is inflated up to the limit of its size and one byte more: some kilobytes can stand
for gigabytes. A stream that ends within a message (BFINAL, RFC 7692 7.2.3.4) is followed by another
one, which may refer to what this message had before. A message has few of them: a stream can be two
bytes long, and each copies what is left of the message.
"""

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE

import zlib

cdef bytes TAIL = b"\x00\x00\xff\xff"    # of each message, not sent
cdef bytes EMPTY = b"\x00"               # an empty message. RFC 7692 7.2.3.6
cdef object SYNC_FLUSH = zlib.Z_SYNC_FLUSH

cdef enum:
    # 4 KiB for hash tables: a compressor with a window of 4 KiB takes 32 KiB, in place of 268.
    MEMORY_LEVEL = 5
    # Streams that may end within a message. A compressor that ends each message has one.
    ENDS_MAX = 16


@cython.final
cdef class Deflate:
    """Both directions of one connection; see the file header."""

    cdef bytes compress(self, data):
        """Return a message as it is sent."""
        cdef object compressor = self.compressor
        cdef bytes content
        if compressor is None:
            compressor = zlib.compressobj(
                wbits=-self.parameters.server_window_bits, memLevel=MEMORY_LEVEL
            )
            if not self.parameters.server_forgets:
                self.compressor = compressor
        content = compressor.compress(data) + compressor.flush(SYNC_FLUSH)
        return content[:-4] if content.endswith(TAIL) else EMPTY

    cdef bytes decompress(self, bytes data, Py_ssize_t bytes_max):
        """Return the content of a message; one that is longer than bytes_max is too large.

        Args:
            bytes_max: 0: any size.

        Raises:
            zlib.error: it is invalid.
        """
        cdef object decompressor = self.decompressor
        cdef object rest = data + TAIL
        cdef Py_ssize_t room = bytes_max + 1 if bytes_max else 0
        cdef bytes content
        cdef int end_count = 0
        if decompressor is None:
            decompressor = self.new_decompressor(b"")
        content = decompressor.decompress(rest, room)
        while decompressor.eof and (not bytes_max or PyBytes_GET_SIZE(content) <= bytes_max):
            end_count += 1
            if end_count > ENDS_MAX:
                raise zlib.error("too many streams in one message")
            rest = decompressor.unused_data
            decompressor = self.new_decompressor(content)
            if not rest:
                break
            if bytes_max:
                room = bytes_max + 1 - PyBytes_GET_SIZE(content)
            content += decompressor.decompress(rest, room)
        self.decompressor = None if self.parameters.client_forgets else decompressor
        return content

    cdef object new_decompressor(self, bytes before):
        """Return one whose stream may refer to what was before it."""
        cdef int bits = self.parameters.client_window_bits
        if before:
            return zlib.decompressobj(wbits=-bits, zdict=before[-(1 << bits):])
        return zlib.decompressobj(wbits=-bits)


cdef Deflate deflate_new(parameters):
    """Return the compression that was agreed on."""
    cdef Deflate deflate = Deflate.__new__(Deflate)
    deflate.parameters = parameters
    return deflate
