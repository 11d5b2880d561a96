"""Tests of ngxloop/serving/sockets/."""
