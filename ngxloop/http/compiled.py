"""Import the HTTP server's compiled modules, and what those import; see ngxloop/compiled.py."""

# ruff: noqa: F401
# mypy: disable-error-code="import-not-found"
# pyright: reportMissingImports=false

import asyncio
import collections.abc
import email.utils
import http
import inspect
import logging
import os
import sys
import time
import types
import urllib.parse
import zlib

import ngxloop.http.answer
import ngxloop.http.answerhead
import ngxloop.http.awaitables
import ngxloop.http.body
import ngxloop.http.characters
import ngxloop.http.closing
import ngxloop.http.connection
import ngxloop.http.engine
import ngxloop.http.expiry
import ngxloop.http.fieldlines
import ngxloop.http.fieldtable
import ngxloop.http.framing
import ngxloop.http.headparser
import ngxloop.http.inbound
import ngxloop.http.lines
import ngxloop.http.link
import ngxloop.http.lists
import ngxloop.http.messages
import ngxloop.http.names
import ngxloop.http.refusals
import ngxloop.http.request
import ngxloop.http.requestline
import ngxloop.http.scope
import ngxloop.http.targets
import ngxloop.http.transitions
import ngxloop.http.unparsed
import ngxloop.http.websocket.deflate
import ngxloop.http.websocket.frames
import ngxloop.http.websocket.inbox
import ngxloop.http.websocket.outbox
import ngxloop.http.websocket.pings
import ngxloop.http.websocket.session
import ngxloop.http.websocket.utf8
import ngxloop.http.websocket.wire
