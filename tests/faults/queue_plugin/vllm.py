"""An empty module, which is imported in vLLM's place."""

LLM = None
