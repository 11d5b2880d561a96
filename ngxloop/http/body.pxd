"""Body: the parser of a request's body, by its length or by its chunks.

    body_init(&body, &head)
    while True:
        result = body_parse(&body, data, size)
        # PARSE_DATA: data[body.piece_offset : body.piece_offset + body.piece_size] is content
        # PARSE_DONE, PARSE_AGAIN, PARSE_REFUSED: as for a head
        data += body.consumed; size -= body.consumed

A body without content is done at the first call, which may be one without bytes. Bytes behind the
end are not consumed: they belong to the next request. The trailer is checked and dropped.
"""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from ngxloop.http.head cimport Head, HeadLimits, ParseResult

cdef enum BodyState:
    BODY_LENGTH = 0          # `remaining` bytes are to come; the states below are those of chunks
    CHUNK_SIZE_START         # no digit yet
    CHUNK_SIZE
    CHUNK_EXTENSION
    CHUNK_SIZE_LF
    CHUNK_DATA               # `remaining` bytes are to come
    CHUNK_DATA_CR
    CHUNK_DATA_LF
    TRAILER_LINE
    TRAILER_NAME
    TRAILER_VALUE
    TRAILER_LF
    TRAILER_END_LF
    BODY_DONE

cdef struct Body:
    const HeadLimits* limits     # BORROWS: as in the head
    uint64_t remaining       # bytes of content to come, of the body or of the chunk
    uint64_t total           # the chunks' sizes so far
    uint32_t extension_bytes     # of all chunks
    uint32_t fields_bytes    # field lines of the head and the trailer
    uint32_t line_count      # the same, counted
    uint32_t line_bytes      # of the trailer's line that is being parsed
    uint32_t name_size       # bytes of its name; more than `name` holds if it is none of the known
    uint8_t digit_count      # of the chunk size
    uint8_t state            # BodyState
    uint8_t[24] name         # in lower case

    int32_t refusal          # Refusal
    # of the last call
    size_t consumed          # bytes that are parsed
    size_t piece_offset      # with PARSE_DATA
    size_t piece_size

cdef void body_init(Body* body, const Head* head) noexcept nogil
cdef ParseResult body_parse(Body* body, const uint8_t* data, size_t size) noexcept nogil
