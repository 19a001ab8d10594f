"""An evaluation-first harness for mathematical reasoning."""
