"""The vLLM engine, which runs on this machine in a process of its own."""
