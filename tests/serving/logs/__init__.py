"""Tests of ngxloop/serving/logs/logs/."""
