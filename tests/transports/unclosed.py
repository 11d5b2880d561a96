"""Transports that are dropped open."""

import gc

import pytest


def drop_and_expect_warning(transports: list, kind: str = "StreamTransport") -> None:
    """Drop the last references to transports of a closed loop."""
    with pytest.warns(ResourceWarning, match=f"unclosed transport <ngxloop.{kind}"):
        clear_and_collect(transports)


def clear_and_collect(transports: list) -> None:
    transports.clear()
    gc.collect()
