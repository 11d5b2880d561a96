"""HTTP/1.1: the parsers; and inputs with the answer to each, as data for all tests of HTTP."""
