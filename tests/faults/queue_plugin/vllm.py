"""A module of nothing: what a made queue has imported in vLLM's place."""

LLM = None
