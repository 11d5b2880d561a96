"""HTTP/1.1, compiled: the parsers of requests."""
