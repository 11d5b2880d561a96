"""Tests of ngxloop/serving/master/."""
