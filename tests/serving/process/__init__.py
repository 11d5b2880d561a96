"""Tests of ngxloop/serving/process/process/."""
