"""Tests of ngxloop.core."""
