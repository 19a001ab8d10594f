"""Which prompts verl will leave out because they are too long, counted as it counts them.

verl renders each prompt by the model's template, and drops those with more tokens than
``data.max_prompt_length`` (0.9.1, `maybe_filter_out_long_prompts` in `utils/dataset/
rl_dataset.py`); it says so in its log alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks import UserError
from harness.common.bounded_child import BoundsError, bounded_texts
from harness.models.checkpoint import load_tokenizer
from trainers.data import TrainingData
from trainers.verl.command import count

FILTERED, PROMPT = "data.filter_overlong_prompts", "data.max_prompt_length"
ARGUMENTS = "data.apply_chat_template_kwargs."
OTHERWISE = ("data.train_max_samples", "data.custom_cls.path", "data.prompt_key",
             "data.tool_config_path", "data.function_tool_path", "data.chat_template")  # fmt: skip
"""Keys with which verl would read other rows, or render them in another way."""
AT_ONCE = 1000
"""Prompts that are rendered and tokenised at once."""
PATIENCE = 60.0
"""Seconds in which the model's template has to render as many; it takes less than one."""
COUNTED_IN_PLAN = 50_000
"""The most rows that a plan counts, which takes about half a minute."""


def too_long(
    data: TrainingData, model: Path, values: Mapping[str, Any], *, trust: bool
) -> int | None:
    """Return how many rows to train on verl will leave out; None where that cannot be counted.

    Args:
        data: the built data.
        model: the checkpoint whose tokenizer measures the prompts.
        values: every value of the training's settings.
        trust: whether the checkpoint's own tokenizer class may run.
    """
    if not values.get(FILTERED):
        return 0
    if any(values.get(key) is not None for key in OTHERWISE):
        return None
    arguments = {
        key.removeprefix(ARGUMENTS): value
        for key, value in values.items()
        if key.startswith(ARGUMENTS)
    }
    try:
        lengths = _lengths(data.train, model, arguments, trust=trust)
        longest = count(values, PROMPT)
        return sum(length > longest for length in lengths)
    except (UserError, BoundsError):
        return None  # verl will say what is wrong with the tokenizer or its template


def _lengths(
    file: Path, model: Path, arguments: Mapping[str, Any], *, trust: bool
) -> Iterator[int]:
    import pyarrow.parquet

    tokenizer = load_tokenizer(model, name=str(model), trust=trust)

    def rendered(turns: Any) -> str:
        text = tokenizer.apply_chat_template(
            turns, add_generation_prompt=True, tokenize=False, **arguments
        )
        return str(text)

    with pyarrow.parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(batch_size=AT_ONCE, columns=["prompt"]):
            texts = bounded_texts(rendered, batch.column(0).to_pylist(), seconds=PATIENCE)
            # Not verbose: it would warn of each prompt that is longer than the model's context.
            ids = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
            yield from map(len, ids)
