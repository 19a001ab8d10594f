"""Make a checkpoint with Python files of its own: the demo model as an unknown architecture."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from harness.demo import MODEL_PATH

CONFIGURATION = """
from transformers import LlamaConfig


class ForeignConfig(LlamaConfig):
    model_type = "foreign_llama"
"""
MODELING = """
from transformers import LlamaForCausalLM, LlamaModel

from .configuration_foreign import ForeignConfig


class ForeignModel(LlamaModel):
    config_class = ForeignConfig


class ForeignForCausalLM(LlamaForCausalLM):
    config_class = ForeignConfig
"""
TOKENIZATION = """
from transformers import PreTrainedTokenizerFast


class ForeignTokenizer(PreTrainedTokenizerFast):
    pass
"""


def make_foreign_checkpoint(folder: Path) -> Path:
    """Copy the demo model to ``folder`` with an architecture and a tokenizer of its own."""
    shutil.copytree(MODEL_PATH, folder)
    (folder / "configuration_foreign.py").write_text(CONFIGURATION, encoding="utf-8")
    (folder / "modeling_foreign.py").write_text(MODELING, encoding="utf-8")
    (folder / "tokenization_foreign.py").write_text(TOKENIZATION, encoding="utf-8")
    _edit(
        folder / "config.json",
        model_type="foreign_llama",
        architectures=["ForeignForCausalLM"],
        auto_map={
            "AutoConfig": "configuration_foreign.ForeignConfig",
            "AutoModel": "modeling_foreign.ForeignModel",
            "AutoModelForCausalLM": "modeling_foreign.ForeignForCausalLM",
        },
    )
    _edit(
        folder / "tokenizer_config.json",
        tokenizer_class="ForeignTokenizer",
        auto_map={"AutoTokenizer": [None, "tokenization_foreign.ForeignTokenizer"]},
    )
    return folder


def _edit(path: Path, **fields: object) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, **fields}), encoding="utf-8")
