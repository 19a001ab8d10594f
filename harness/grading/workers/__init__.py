"""Run comparisons that may hang or crash, in processes that can be killed."""
