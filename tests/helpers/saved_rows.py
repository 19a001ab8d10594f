"""Rows in the formats of other harnesses, about problems of the demo benchmark."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS, Problem
from benchmarks.source import load_problems

Row = dict[str, Any]
WRONG = "\\boxed{-424242}"


def demo_problems(count: int) -> list[Problem]:
    """The first demo problems."""
    return load_problems(BENCHMARKS["demo"], limit=count)


def right(problem: Problem) -> str:
    """A response that boxes the gold."""
    return f"Therefore \\boxed{{{problem.answer}}}."


def qwen_row(problem: Problem, responses: list[str], score: list[bool], **fields: Any) -> Row:
    """A row of Qwen2.5-Math's kit."""
    return {
        "idx": 99,
        "question": problem.question,
        "gt_cot": "",
        "gt": problem.answer,
        "answer": problem.answer,
        "code": responses,
        "pred": ["p"] * len(responses),
        "report": [None] * len(responses),
        "score": score,
        **fields,
    }


def lm_eval_row(problem: Problem, response: str, *, which: str, score: float) -> Row:
    """A row of lm-evaluation-harness, as one filter saw it."""
    return {
        "doc_id": problem.id[-4:],
        "doc": {"question": problem.question, "answer": f"Reasons.\n#### {problem.answer}"},
        "target": f"Reasons.\n#### {problem.answer}",
        "arguments": {"gen_args_0": {"arg_0": f"Q: {problem.question}\nA:", "arg_1": {}}},
        "resps": [[response]],
        "filtered_resps": ["filtered"],
        "filter": which,
        "metrics": ["exact_match"],
        "exact_match": score,
    }


def lighteval_row(problem: Problem, responses: list[str], score: float, *, marks: str = "") -> Row:
    """A row of lighteval's details, ``marks`` around its columns' names."""
    return {
        f"{marks}doc{marks}": {
            "query": f"Solve this. Answer in a box.\n\n{problem.question}\n",
            "choices": [f"A solution: \\boxed{{{problem.answer}}}"],
            "gold_index": [0],
            "task_name": "demo|0",
        },
        f"{marks}metric{marks}": {"length": 17.0, "extractive_match": score},
        f"{marks}model_response{marks}": {
            "text": responses,
            "output_tokens": [[1, 2, 3] for _ in responses],
            "logprobs": [0.0],
        },
    }


def old_lighteval_row(problem: Problem, response: str, score: float, *, as_text: bool) -> Row:
    """A row of lighteval's first details; ``as_text`` spells values as Python does."""
    row: Row = {
        "example": f"Question: {problem.question}\nAnswer:",
        "full_prompt": f"Question: {problem.question}\nAnswer:",
        "gold": [problem.answer],
        "predictions": [response],
        "metrics": {"extractive_match": score},
        "cont_tokens": [[1, 2, 3, 4]],
    }
    return {key: str(value) for key, value in row.items()} if as_text else row


def write_lines(path: Path, rows: Iterable[Row | str]) -> Path:
    """Write rows as JSON lines; a text is written as it is."""
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def write_table(path: Path, rows: list[Row]) -> Path:
    """Write rows as a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(rows), path)
    return path
