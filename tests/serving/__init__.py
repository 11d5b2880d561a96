"""Tests of the launcher: ngxloop/serving, and whole masters with their workers."""
