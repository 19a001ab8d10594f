"""A language model's opinion on pairs that are disputed or unreadable. It never gives a verdict."""
