"""Prompt styles, and how a question becomes what the engine is given."""
