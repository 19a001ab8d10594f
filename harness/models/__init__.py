"""A checkpoint on disk: what its files say, and whether the Python code in it may run."""
