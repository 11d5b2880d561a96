"""Tests of ngxloop/serving/base/."""
