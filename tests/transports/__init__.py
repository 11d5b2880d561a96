"""Tests of the compiled transports, one file for each of their modules."""
