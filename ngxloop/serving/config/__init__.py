"""The configuration: command line, environment, file, in this order, and what is checked.

Imports process/ and the rooms below it. Read first: loading.py, `Loader.load()`; then config.py,
`Config`, which holds what was decided.
"""
