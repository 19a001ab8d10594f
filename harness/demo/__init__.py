"""The embedded model: a small chat checkpoint with which everything runs without a network."""

from pathlib import Path

MODEL_PATH = Path(__file__).parent / "model"
"""A Hugging Face checkpoint folder, made by ``python -m harness.demo.build``."""
