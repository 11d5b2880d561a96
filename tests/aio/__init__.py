"""Tests of ngxloop.aio."""
