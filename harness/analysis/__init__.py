"""Compares two results, ranks many, and summarises one."""
