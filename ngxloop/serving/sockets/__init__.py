"""Listening sockets: opened, inherited, kept for programs, and removed.

Imports config/ and the rooms below it. Read first: opening.py, `open_listeners()`. listeners.py
says which process has and closes them; the files of Unix sockets are removed in socketfiles.py. The
sockets that programs bind are kept by another process (keeper.py).
"""
