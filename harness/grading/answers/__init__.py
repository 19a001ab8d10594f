"""Reads two answers and compares them, as far as rules can."""
