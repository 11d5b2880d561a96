"""What operators see and say: the control socket, the status process, notices to systemd.

Imports handover/ and the rooms below it. Read first: control.py for orders, status.py for figures.
"""
