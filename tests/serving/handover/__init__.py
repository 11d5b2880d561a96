"""Tests of ngxloop/serving/handover/handover/."""
