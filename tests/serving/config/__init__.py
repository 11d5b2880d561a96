"""Tests of ngxloop/serving/config/config/."""
