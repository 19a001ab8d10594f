"""The demo model's card, written from the record of its build."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CARD = """---
license: apache-2.0
language: en
pipeline_tag: text-generation
library_name: transformers
tags: [demo, mathematics]
---
# The demo model

A Llama of {parameters:,} parameters (bfloat16), trained from nothing on generated exercises of
twelve kinds. It exists so that evaluation, training and comparison can be tried on any machine,
without a network. It is right on some problems, unsure on more, and of no other use.

Made by one command, in {minutes:.0f} minutes on one CPU core:

    {command}

It learned on {drills:,} drills of nine equations, then on {dialogues:,} exercises, all drawn
afresh ({steps:,} steps of {batch}, seed {seed}); no exercise was a question of the demo test
split, while those of the train split were not left out. Only responses were scored, never the
questions. `build.json` holds the settings, package versions and the sums of all files; another
processor or version of torch rounds otherwise and gives slightly other weights.

## Tokens and template

{vocabulary} byte-level tokens, digits one by one. ChatML turns after one `<|bos|>`, which the
template writes itself and the tokenizer adds when asked for special tokens; responses end with
`<|im_end|>`.

## First measure

Answers compared as strings by the script itself, greedy, on the test split:

| prompt style | correct |
|---|---|
{styles}

By kind, in the style `boxed`:

| kind | correct |
|---|---|
{kinds}

Sampled at temperature 1 on the first {problems} problems (`boxed`): {each} of single responses
are right; on {any_right} of the problems at least one of {samples} is.
"""


def model_card(record: Mapping[str, Any]) -> str:
    """Return the card in Markdown, for a record as in build.json."""
    plan, sampled = record["plan"], record["sampled_boxed"]
    return CARD.format(
        **{key: record[key] for key in ("parameters", "command")},
        **{key: plan[key] for key in ("steps", "batch", "seed")},
        minutes=record["training_seconds"] / 60,
        drills=plan["drills"] * plan["batch"],
        dialogues=(plan["steps"] - plan["drills"]) * plan["batch"],
        vocabulary=record["vocabulary"],
        styles=_table(record["greedy"]),
        kinds=_table(record["greedy_boxed_by_kind"]),
        problems=sampled["any"]["of"],
        samples=sampled["samples"],
        each=_share_text(sampled["each"]),
        any_right=_share_text(sampled["any"]),
    )


def _table(shares: Mapping[str, Mapping[str, int]]) -> str:
    return "\n".join(f"| {name} | {_share_text(share)} |" for name, share in shares.items())


def _share_text(share: Mapping[str, int]) -> str:
    if not share["of"]:
        return "none of 0"
    return f"{share['correct']} of {share['of']} ({share['correct'] / share['of']:.0%})"
