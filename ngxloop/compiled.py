"""Import the loop's compiled modules, and what those import: a frozen program contains them.

Tools that freeze a program (PyInstaller, Nuitka, cx_Freeze) find modules by reading Python code.
What only compiled modules import is invisible to them. tests/test_layers.py keeps the list
complete.
"""

# ruff: noqa: F401
# mypy: disable-error-code="import-not-found"
# pyright: reportMissingImports=false

import _thread
import asyncio
import collections
import functools
import logging
import operator
import os
import resource
import selectors
import socket
import ssl
import sys
import types
import warnings
import weakref

import ngxloop.core.address_cache
import ngxloop.core.attributes
import ngxloop.core.completion
import ngxloop.core.exclusive_gate
import ngxloop.core.fair_gate
import ngxloop.core.freelist
import ngxloop.core.gate
import ngxloop.core.handle
import ngxloop.core.methods
import ngxloop.core.mutex_gate
import ngxloop.core.oserr
import ngxloop.core.poller
import ngxloop.core.polling
import ngxloop.core.pool
import ngxloop.core.postedevent
import ngxloop.core.rbtree
import ngxloop.core.reactor
import ngxloop.core.readyqueue
import ngxloop.core.scheduling
import ngxloop.core.scoreboard
import ngxloop.core.selector
import ngxloop.core.shared_gate
import ngxloop.core.sockaddr
import ngxloop.core.sockops
import ngxloop.core.stepping
import ngxloop.core.stopwatch
import ngxloop.core.threadsafe_handle
import ngxloop.core.timed
import ngxloop.core.timerlist
import ngxloop.core.timerqueue
import ngxloop.core.timers
import ngxloop.core.waiting
import ngxloop.core.waker
import ngxloop.core.watch
import ngxloop.transports.connecting
import ngxloop.transports.datagram
import ngxloop.transports.datagram_inbox
import ngxloop.transports.datagram_outbox
import ngxloop.transports.datagram_sender
import ngxloop.transports.flow
import ngxloop.transports.idling
import ngxloop.transports.lingering
import ngxloop.transports.listener
import ngxloop.transports.outbuf
import ngxloop.transports.pipe
import ngxloop.transports.pipe_read
import ngxloop.transports.pipe_write
import ngxloop.transports.reading
import ngxloop.transports.receiver
import ngxloop.transports.socket_transport
import ngxloop.transports.stream
import ngxloop.transports.streamreader
import ngxloop.transports.tls
import ngxloop.transports.tlsengine
import ngxloop.transports.tlsflow
import ngxloop.transports.tlshandshake
import ngxloop.transports.tlslayer
import ngxloop.transports.tlsmemory
import ngxloop.transports.tlsobject
import ngxloop.transports.tlsrecords
import ngxloop.transports.tlswindow
import ngxloop.transports.transport
import ngxloop.transports.writing
