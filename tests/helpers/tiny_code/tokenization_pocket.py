# ruff: noqa: RUF012
# mypy: ignore-errors
"""One token a character: a tokenizer in Python, without a fast one beside it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizer

VOCABULARY = "characters.txt"


class PocketTokenizer(PreTrainedTokenizer):
    vocab_files_names = {"vocab_file": VOCABULARY}
    model_input_names = ["input_ids", "attention_mask"]

    def __init__(self, vocab_file: str, **settings: Any) -> None:
        self.vocab_file = vocab_file
        lines = Path(vocab_file).read_text(encoding="utf-8").splitlines()
        self.characters = [json.loads(line) for line in lines]
        self.ids = {character: index for index, character in enumerate(self.characters)}
        super().__init__(**settings)

    @property
    def vocab_size(self) -> int:
        return len(self.characters)

    def get_vocab(self) -> dict[str, int]:
        return {**self.ids, **self.added_tokens_encoder}

    def _tokenize(self, text: str, **_: Any) -> list[str]:
        return list(text)

    def _convert_token_to_id(self, token: str) -> int:
        return self.ids.get(token, self.ids["?"])

    def _convert_id_to_token(self, index: int) -> str:
        return self.characters[index] if index < len(self.characters) else ""

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return "".join(tokens)

    def save_vocabulary(
        self, save_directory: str, filename_prefix: str | None = None
    ) -> tuple[str]:
        name = f"{filename_prefix}-{VOCABULARY}" if filename_prefix else VOCABULARY
        target = Path(save_directory) / name
        if target.resolve() != Path(self.vocab_file).resolve():
            shutil.copyfile(self.vocab_file, target)
        return (str(target),)
