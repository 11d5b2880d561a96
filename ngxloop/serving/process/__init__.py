"""Processes, signals, channels: everything that speaks to the kernel about one process.

Imports logs/, options/ and base/. Read first: process.py, `fork_all()`. poller.py is the one poll
of the master, with a guard around each handler; failures.py counts and logs what the guards catch.
channel.py refuses a message of an unknown kind, message.py has the form of each known one.
filewatch.py is the process of --reload.
"""
