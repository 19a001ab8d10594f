"""`data build`: training data with a card that says what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import NewFolder, data_option, json_option
from harness.cli.output import echo
from harness.common.text import counted, one_line, printable

if TYPE_CHECKING:
    from trainers.data import DataCard, TrainingData


@click.command()
@click.argument("source")
@click.option(
    "--style",
    required=True,
    metavar="gsm8k|boxed",
    help="How questions ask for the answer: after ####, or in a box.",
)
@click.option(
    "--output",
    "-o",
    required=True,
    type=NewFolder(),
    help="Folder to write the data to.",
)
@click.option(
    "--split",
    default="train",
    show_default=True,
    help="Split to read, where SOURCE is a Hugging Face id.",
)
@click.option(
    "--revision", help="Branch, tag or commit, where SOURCE is a Hugging Face id; a commit pins it."
)
@click.option("--question-column", help="Column with the question.  [default: by its name]")
@click.option(
    "--answer-column",
    help="Column with the answer, or with solutions that state it.  [default: by its name]",
)
@click.option(
    "--solution-column", help="Column with the solution to imitate.  [default: by its name]"
)
@click.option("--limit", type=int, help="Read only so many rows, from the first.  [default: all]")
@click.option(
    "--ngram",
    type=int,
    default=13,
    show_default=True,
    help="Words in a row that count as an overlap with a benchmark.",
)
@click.option(
    "--drop-contaminated", is_flag=True, help="Leave out rows that overlap with a benchmark."
)
@data_option
@json_option
def build(
    source: str,
    style: str,
    output: Path,
    split: str,
    revision: str | None,
    question_column: str | None,
    answer_column: str | None,
    solution_column: str | None,
    limit: int | None,
    ngram: int,
    drop_contaminated: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Build training data for verl from SOURCE.

    SOURCE is a Hugging Face id such as notbadai/math_reasoning, a .jsonl, .json, .csv,
    .tsv or .parquet file (or a folder of them), or a benchmark with a train split: gsm8k,
    demo. The columns of the usual data sets are known by their names, and conversations
    are understood. Bad rows are counted and listed, and questions that overlap with a
    benchmark's, or are one with other numbers, are named.
    """
    from trainers.data import AskedColumns
    from trainers.data import build as build_data

    built = build_data(
        source,
        style,
        output,
        split=split,
        revision=revision,
        limit=limit,
        ngram=ngram,
        drop_contaminated=drop_contaminated,
        columns=AskedColumns(
            question=question_column, answer=answer_column, solution=solution_column
        ),
        data_dir=data_dir,
        report=lambda line: echo(f"{printable(line)} …", err=True),
    )
    echo(built.card.model_dump_json(indent=2) if as_json else "\n".join(_lines(built)))


def _lines(built: TrainingData) -> Iterator[str]:
    card = built.card
    yield from _column_lines(card)
    yield from _row_lines(card)
    yield ""
    yield from _reward_lines(card)
    yield ""
    yield from _overlap_lines(card)
    yield ""
    yield f"built in {built.folder}; see {built.folder / 'CARD.md'}"


def _column_lines(card: DataCard) -> Iterator[str]:
    columns = card.asked.columns
    yield f"question: {one_line(columns.question)}"
    yield f"solution: {one_line(columns.solution_place, limit=160)}"
    for place, count in card.rows.answers_from.items():
        yield f"answer: {one_line(place, limit=160)} ({counted(count, 'row')})"
    if columns.passed_over:
        yield f"not taken: {', '.join(map(one_line, columns.passed_over))}"
    yield ""


def _row_lines(card: DataCard) -> Iterator[str]:
    rows = card.rows
    yield f"{counted(rows.read, 'row')} read, {rows.train:,} for training, {rows.test:,} held out"
    for reason, count in rows.bad.items():
        yield f"  {count:,} left out: {one_line(reason, limit=200)}"
    if rows.dropped:
        yield f"  {rows.dropped:,} left out: contaminated"
    for count, what in (
        (rows.end_marks_removed, "had an end mark, which was removed"),
        (rows.instructions_removed, "had an instruction of the source, which was removed"),
        (rows.system_prompts_left_out, "had a system prompt, which was left out"),
    ):
        if count:
            yield f"  {count:,} kept that {what}"
    if rows.conflicting:
        yield (
            f"  {rows.conflicting:,} kept, although an earlier row has the same question with "
            "another answer"
        )
    if rows.unusable or rows.conflicting:
        yield "  listed in bad_rows.jsonl"


def _reward_lines(card: DataCard) -> Iterator[str]:
    from harness.reporting.text.layout import text_table

    kept, numeric = card.rows.kept, card.rows.numeric
    rows = [
        (name, f"{seen.numeric:,}/{numeric:,}", f"{seen.other:,}/{kept - numeric:,}")
        for name, seen in card.rewards.items()
    ]
    heads = ("reward can reward", "numeric answers", "other answers")
    yield text_table(rows, heads, "lrr")


def _overlap_lines(card: DataCard) -> Iterator[str]:
    rows, words = card.rows, card.asked.ngram
    if card.unchecked:
        yield (
            "not compared with these benchmarks, whose files are not here: "
            f"{', '.join(card.unchecked)}"
        )
    yield f"{rows.contaminated:,} rows share {words} words in a row with a benchmark's question"
    for name, overlap in card.overlap.items():
        if overlap.rows:
            yield (
                f"  {name}: {overlap.rows:,} rows, {overlap.met:,} of {overlap.problems:,} "
                f"problems, {overlap.whole:,} of them whole"
            )
    yield f"{rows.templates:,} rows are a benchmark's question with other numbers"
    for name, overlap in card.overlap.items():
        if overlap.templates:
            yield (
                f"  {name}: {counted(overlap.template_rows, 'row')}, {overlap.templates:,} of "
                f"{counted(overlap.problems, 'problem')}"
            )
    if rows.contaminated or rows.templates:
        kept = "left out" if card.asked.drop_contaminated else "kept (--drop-contaminated)"
        yield f"  listed in contaminated.jsonl, {kept}"
