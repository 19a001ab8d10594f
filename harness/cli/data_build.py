"""`data build`: training data with a card that says what is in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import NewFolder, data_option, json_option
from harness.cli.output import echo
from harness.common.text import counted, printable

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
    limit: int | None,
    ngram: int,
    drop_contaminated: bool,
    data_dir: Path | None,
    as_json: bool,
) -> None:
    """Build training data for verl from SOURCE.

    SOURCE is a Hugging Face id such as notbadai/math_reasoning, a .jsonl, .json or
    .parquet file (or a folder of them) with the columns prompt, reasoning and answer,
    or a benchmark with a train split: gsm8k, demo. Bad rows are counted and listed, and
    questions that overlap with a benchmark's are named.
    """
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
        data_dir=data_dir,
        report=lambda line: echo(f"{printable(line)} …", err=True),
    )
    echo(built.card.model_dump_json(indent=2) if as_json else "\n".join(_lines(built)))


def _lines(built: TrainingData) -> Iterator[str]:
    card = built.card
    yield from _row_lines(card)
    yield ""
    yield from _reward_lines(card)
    yield ""
    yield from _overlap_lines(card)
    yield ""
    yield f"built in {built.folder}; see {built.folder / 'CARD.md'}"


def _row_lines(card: DataCard) -> Iterator[str]:
    rows = card.rows
    yield f"{counted(rows.read, 'row')} read, {rows.train:,} for training, {rows.test:,} held out"
    for reason, count in rows.bad.items():
        yield f"  {count:,} left out: {reason}"
    if rows.dropped:
        yield f"  {rows.dropped:,} left out: contaminated"
    if rows.conflicting:
        yield f"  {rows.conflicting:,} kept that answer an earlier question otherwise"
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
    yield f"{rows.contaminated:,} rows share {words} words in a row with a benchmark's question"
    for name, overlap in card.overlap.items():
        if overlap.rows:
            yield (
                f"  {name}: {overlap.rows:,} rows, {overlap.met:,} of {overlap.problems:,} "
                f"problems, {overlap.whole:,} of them whole"
            )
    if rows.contaminated:
        kept = "left out" if card.asked.drop_contaminated else "kept (--drop-contaminated)"
        yield f"  listed in contaminated.jsonl, {kept}"
    if card.unchecked:
        yield f"  not checked, their files were not to be had: {', '.join(card.unchecked)}"
