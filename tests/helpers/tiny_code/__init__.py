"""An architecture that nobody knows: the Python files that a checkpoint brings along."""
