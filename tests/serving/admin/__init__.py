"""Tests of ngxloop/serving/admin/."""
