"""All inputs, of all tables."""

from tests.http import (
    input_chunks,
    input_connections,
    input_fields,
    input_lengths,
    input_lines,
)
from tests.http.inputs import Input

INPUTS: list[Input] = (
    input_lines.INPUTS
    + input_fields.INPUTS
    + input_lengths.INPUTS
    + input_chunks.INPUTS
    + input_connections.INPUTS
)
