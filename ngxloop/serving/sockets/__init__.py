"""Listening sockets: opened, inherited, kept for programs, and removed.

Imports config/ and the rooms below it. Read first: opening.py, `open_listeners()`. Unix socket
files are removed in socketfiles.py. Sockets that programs bind are the keeper's (keeper.py).
"""
