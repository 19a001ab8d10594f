"""These files are copied into checkpoints; collecting them would only import torch."""

collect_ignore_glob = ["*_pocket.py"]
