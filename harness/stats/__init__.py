"""Intervals, metrics, tests of differences, and power. Numbers go in and numbers come out."""
