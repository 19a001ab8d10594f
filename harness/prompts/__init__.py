"""Prompt styles, and how a question is rendered for the engine."""
