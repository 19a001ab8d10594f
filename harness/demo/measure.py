"""A first measurement of the demo model, with transformers alone.

It compares answers as strings, so it is stricter than the harness's grader, and
shares no code with it. It is a check of the build and not a result.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoTokenizer,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
)

from benchmarks.benchmark import Row
from benchmarks.demo_problems import KINDS, Exercise
from harness.demo.dialogues import INSTRUCTIONS, Dialogue, write
from harness.demo.training import prompt_ids

LONGEST_RESPONSE = 160
"""The most tokens of a response. The longest solution in the training texts has about 110."""
SAMPLED_PROBLEMS, SAMPLES = 48, 8
"""How many problems are sampled at temperature 1, and how often each."""
TOGETHER = 100
"""How many responses are generated at once."""
MARKED = re.compile(r"\\boxed\{(.*)\}|#### *(.*)")


def answer_of(response: str) -> str | None:
    r"""Return the last marked answer without spaces, or None.

    >>> answer_of("2 + 3 = 5.\n\\boxed{\\frac{1}{2}}"), answer_of("#### 1, 2"), answer_of("5")
    ('\\frac{1}{2}', '1,2', None)
    """
    found = MARKED.findall(response)
    return re.sub(r"\s", "", "".join(found[-1])) if found else None


def is_right(response: str, answer: str) -> bool:
    """Say whether the last marked answer of a response is ``answer``, apart from spaces."""
    return answer_of(response) == re.sub(r"\s", "", answer)


def respond(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[Dialogue],
    *,
    temperature: float = 0.0,
) -> Iterator[str]:
    """Yield a response to each text, in order. Temperature 0 is greedy."""
    model.train(False)
    for start in range(0, len(texts), TOGETHER):
        prompts = [prompt_ids(tokenizer, text) for text in texts[start : start + TOGETHER]]
        ids, mask = _left_padded(prompts, pad=tokenizer.pad_token_id)
        with torch.inference_mode():
            written = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=LONGEST_RESPONSE,
                do_sample=temperature > 0,
                temperature=temperature or None,
                top_k=0 if temperature else None,
            )
        yield from tokenizer.batch_decode(written[:, ids.shape[1] :], skip_special_tokens=True)


def _left_padded(prompts: Sequence[list[int]], *, pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(prompt) for prompt in prompts)
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids, mask


def measure(folder: Path, rows: Sequence[Row], *, seed: int) -> dict[str, Any]:
    """Measure a saved checkpoint on test rows: greedily in every style, then sampled in `boxed`."""
    model = LlamaForCausalLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    right = {
        style: _right(rows, respond(model, tokenizer, _asked(rows, style)))
        for style in INSTRUCTIONS
    }
    torch.manual_seed(seed)
    few = [row for row in rows[:SAMPLED_PROBLEMS] for _ in range(SAMPLES)]
    sampled = _right(few, respond(model, tokenizer, _asked(few, "boxed"), temperature=1.0))
    any_right = [any(sampled[at : at + SAMPLES]) for at in range(0, len(sampled), SAMPLES)]
    return {
        "greedy": {style: _share(flags) for style, flags in right.items()},
        "greedy_boxed_by_kind": _by_kind(rows, right["boxed"]),
        "sampled_boxed": {
            "temperature": 1.0,
            "samples": SAMPLES,
            "each": _share(sampled),
            "any": _share(any_right),
        },
    }


def _asked(rows: Sequence[Row], style: str) -> list[Dialogue]:
    return [write(style, Exercise(**{k: v for k, v in row.items() if k != "id"})) for row in rows]


def _right(rows: Sequence[Row], responses: Iterable[str]) -> list[bool]:
    return [
        is_right(response, row["answer"]) for row, response in zip(rows, responses, strict=True)
    ]


def _by_kind(rows: Sequence[Row], flags: Sequence[bool]) -> dict[str, dict[str, int]]:
    return {
        kind: _share([flag for row, flag in zip(rows, flags, strict=True) if row["kind"] == kind])
        for kind in KINDS
    }


def _share(flags: Sequence[bool]) -> dict[str, int]:
    return {"correct": sum(flags), "of": len(flags)}
