"""Tests of ngxloop/serving/options/."""
