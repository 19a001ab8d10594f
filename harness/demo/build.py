"""Build the demo model from scratch: ``python -m harness.demo.build [--output DIR]``.

The command trains the tokenizer and the model, measures the model, and writes a
record of the build beside the weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from benchmarks.demo import BENCHMARK, test_rows
from harness.common.progress import Progress, silent
from harness.demo import MODEL_PATH
from harness.demo.card import model_card
from harness.demo.dialogues import draw
from harness.demo.measure import measure
from harness.demo.tokens import END, START, train_tokenizer
from harness.demo.training import PACE, TrainingPlan, new_model, train

SCHEMA = 1
COMMAND = "python -m harness.demo.build"
TOKENIZER_TEXTS = 6_000


def build(
    output: Path, plan: TrainingPlan, *, progress: Progress = silent, measured: int | None = None
) -> dict[str, Any]:
    """Build the checkpoint folder and return the content of its build.json.

    Args:
        output: the folder, which is created if needed; files of the same names are replaced.
        plan: the settings.
        progress: is told how far the training is.
        measured: how many test problems to measure on; all if None.
    """
    torch.set_num_threads(plan.threads)
    rows = list(test_rows())
    avoid = frozenset(row["question"] for row in rows)
    tokenizer = train_tokenizer(_tokenizer_texts(plan.seed, avoid), length=plan.length)
    model = new_model(plan, tokenizer)
    started = time.monotonic()
    loss = train(model, tokenizer, plan, avoid=avoid, progress=progress)
    seconds = time.monotonic() - started
    save(model, tokenizer, output)
    record = {
        "schema": SCHEMA,
        "command": f"{COMMAND} --seed {plan.seed} --steps {plan.steps}",
        "plan": asdict(plan),
        "parameters": model.num_parameters(),
        "vocabulary": len(tokenizer),
        "loss": round(loss, 4),
        "training_seconds": round(seconds),
        "versions": _versions(),
        "test_sha256": BENCHMARK.test.sha256,
        **measure(output, rows[:measured], seed=plan.seed),
    }
    return _write_record(output, record)


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """Save weights (bfloat16), configuration and tokenizer as transformers and vLLM read them."""
    model.bfloat16().save_pretrained(output)
    tokenizer.save_pretrained(output, save_jinja_files=False)


def checksums(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file of a checkpoint by name, without the record itself."""
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name != "build.json"
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the build from the command line."""
    parser = argparse.ArgumentParser(
        prog=COMMAND,
        description="Build the demo model from scratch.",
    )
    parser.add_argument("--output", type=Path, default=MODEL_PATH, help="checkpoint folder")
    usual = TrainingPlan()
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--steps", type=int, default=usual.steps, help="batches to train on")
    given = parser.parse_args(arguments)
    plan = replace(usual, seed=given.seed, steps=given.steps)
    record = build(given.output, plan, progress=_Lines())
    summary = {key: record[key] for key in ("loss", "greedy", "sampled_boxed")}
    sys.stdout.write(json.dumps(summary, indent=2) + "\n")


class _Lines:
    """A progress that prints each stage, and a line every `PACE` units of it."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def stage(self, text: str) -> None:
        """Print it."""
        self.say(f"{text} …")

    def advance(self, done: int, total: int | None, *, part: str = "", note: str = "") -> None:
        """Print now and then how far it is, and how many seconds it has taken so far."""
        if done % PACE == 0 or done == total:
            self.say(f"{done}/{total} {note}, {time.monotonic() - self._started:.0f} s")

    def say(self, line: str) -> None:
        """Print it."""
        sys.stderr.write(f"{line}\n")


def _tokenizer_texts(seed: int, avoid: frozenset[str]) -> Iterator[str]:
    random = Random(seed + 1)
    for _ in range(TOKENIZER_TEXTS):
        text = draw(random, avoid=avoid)
        turns = [f"{START}{turn['role']}\n{turn['content']}{END}" for turn in text.messages]
        yield "\n".join([*turns, text.raw + text.response])


def _versions() -> dict[str, str]:
    packages = ("torch", "transformers", "tokenizers", "safetensors")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _write_record(output: Path, record: dict[str, Any]) -> dict[str, Any]:
    (output / "MODEL_CARD.md").write_text(model_card(record), encoding="utf-8")
    whole = {**record, "files": checksums(output)}
    (output / "build.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    return whole


if __name__ == "__main__":
    main()
