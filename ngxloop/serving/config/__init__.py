"""The configuration: command line, environment, file, in this order, and what is checked.

Imports ngxloop.version, process/ and the rooms below it. Read first: loading.py,
`ConfigReader.load()`.
"""
