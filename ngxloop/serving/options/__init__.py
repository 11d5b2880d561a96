"""The options, one file a group, and the table that command line, environment and file share.

Imports no other room. Read first: table.py, `Option`.
"""
