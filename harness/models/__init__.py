"""A checkpoint on disk: its files, tokenizer, context length, trust and lineage."""
