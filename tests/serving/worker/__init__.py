"""Tests of ngxloop/serving/worker/worker/."""
