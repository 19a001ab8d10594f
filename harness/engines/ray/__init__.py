"""The Ray engine, which runs replicas of vLLM on a cluster."""
