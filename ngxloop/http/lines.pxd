"""Lines of an answer's head that are ready-made: status lines, Date, and whole refusals."""

cdef bytes status_line(int status)
cdef const char* date_line() except NULL
cdef bytes refusal_answer(int status, bint is_head, bint has_date, bytes lines)

cdef enum:
    DATE_LINE_BYTES = 37     # "date: Sun, 06 Nov 1994 08:49:37 GMT" and the line's end
