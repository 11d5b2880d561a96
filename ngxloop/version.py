"""The version of the package, readable without importing a compiled module."""

__version__ = "0.1.0"
