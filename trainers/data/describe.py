"""The data card as a page for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.common.text import one_line
from trainers.data.card import BuildRequest, DataCard, Overlap, Rewardable


def markdown(card: DataCard) -> str:
    """Return the card as Markdown: source, rows, rewards, contamination, files."""
    parts = (_origin, _columns, _rows, _rewards, _overlap, _files)
    return "\n\n".join("\n".join(part(card)) for part in parts) + "\n"


def _origin(card: DataCard) -> Iterator[str]:
    source = card.asked.source
    yield f"# Training data from {source.name}, style {card.asked.style}"
    yield ""
    yield f"- source: {_place(card.asked)}"
    yield f"- its content's sha256: `{source.sha256}`"
    yield f"- appended to every question, after a space: `{card.instruction}`"
    if card.asked.limit:
        yield f"- only the first {card.asked.limit:,} rows of the source"


def _place(asked: BuildRequest) -> str:
    source = asked.source
    parts = [f"{source.name} ({source.kind})"]
    if source.split:
        parts.append(f"split {source.split}")
    if source.revision:
        parts.append(f"revision {source.revision}")
    if source.commit:
        parts.append(f"commit {source.commit}")
    return ", ".join(parts)


def _columns(card: DataCard) -> Iterator[str]:
    columns = card.asked.columns
    yield "## Columns"
    yield ""
    yield f"- question: {_code(columns.question)}"
    yield f"- solution: {_code(columns.solution_place)}"
    answer = _code(columns.answer or columns.question)
    yield f"- answer: {f'stated in {answer}' if columns.stated else answer}"
    if columns.passed_over:
        also = ", ".join(map(_code, columns.passed_over))
        yield f"- not taken, though their names fit, since others come first: {also}"
    yield ""
    yield "Where the answers of the kept rows were found:"
    yield ""
    found = card.rows.answers_from.items()
    yield from _table(("answer", "rows"), [(_cell(place), count) for place, count in found])


def _code(name: str) -> str:
    return f"`{_cell(name).replace('`', '')}`"


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|")


def _rows(card: DataCard) -> Iterator[str]:
    rows = card.rows
    yield "## Rows"
    yield ""
    yield from _table(
        ("", "rows"),
        [
            ("read", rows.read),
            *((f"bad: {_cell(reason)}", count) for reason, count in rows.bad.items()),
            ("left out as contaminated", rows.dropped),
            ("train", rows.train),
            ("test", rows.test),
            ("with a numeric answer", rows.numeric),
            ("with another answer", rows.kept - rows.numeric),
            ("without reasoning", rows.without_reasoning),
            ("whose answer or solution lost an end mark", rows.end_marks_removed),
            ("whose question lost the source's own instruction", rows.instructions_removed),
            ("whose system prompt was left out", rows.system_prompts_left_out),
            ("that repeat an earlier question and answer (kept)", rows.duplicate),
            (
                "that repeat an earlier question with another answer (kept, listed)",
                rows.conflicting,
            ),
            ("of test whose question is in train too", rows.test_also_in_train),
        ],
    )
    if rows.unusable or rows.conflicting:
        yield ""
        yield "`bad_rows.jsonl` lists the bad and the conflicting rows, with line and reason."


def _rewards(card: DataCard) -> Iterator[str]:
    yield "## What each reward can reward"
    yield ""
    yield _sentence(card)
    yield ""
    numeric, kept = card.rows.numeric, card.rows.kept
    yield from _table(
        ("reward", "rows it can reward", "numeric answers", "other answers"),
        [
            (name, _of(seen.numeric + seen.other, kept), _of(seen.numeric, numeric),
             _of(seen.other, kept - numeric))
            for name, seen in card.rewards.items()
        ],
    )  # fmt: skip


def _sentence(card: DataCard) -> str:
    """Say what the table is for: a row that no response can earn teaches nothing."""
    intro = (
        "A row counts if a perfect response in this style (reasoning, then the answer as the "
        "instruction asks) earns the reward. For any other row every response earns nothing, so "
        "training learns nothing from it. The reward of v1, `gsm8k-strict`, reads only plain "
        "numbers after `####`, "
    )
    kept = card.rows.kept
    lost = kept - card.rows.numeric
    if card.asked.style == "gsm8k":
        lost = kept - _total(card.rewards["gsm8k-strict"])
    if not lost:
        return f"{intro}which is all that this source's answers are."
    return (
        f"{intro}and {lost:,} of these {kept:,} answers are out of its reach: that is why v4, with "
        "boxed answers and the reward `hendrycks-boxed`, exists."
    )


def _overlap(card: DataCard) -> Iterator[str]:
    asked, rows = card.asked, card.rows
    yield "## Contamination"
    yield ""
    yield (
        f"A question counts as contaminated if it shares {asked.ngram} words in a row with a "
        "benchmark's question (lower case, without punctuation, the signs of mathematics kept), "
        "after appendix C of Brown et al. 2020 (GPT-3); a shorter question, if it is the same. "
        f"{rows.contaminated:,} rows do. {rows.templates:,} rows are a benchmark's question with "
        f"other numbers, where the question has {asked.ngram} words or more besides them. "
        f"{rows.dropped:,} rows were left out for either reason. "
        "`contaminated.jsonl` names them. An overlap may be only a stock phrase: look first at "
        "the column of whole problems."
    )
    yield ""
    if card.overlap:
        heads = (
            "benchmark", "problems", "overlap with a row", "whole in one row", "rows",
            "with other numbers in a row", "rows with other numbers",
        )  # fmt: skip
        yield from _table(heads, [(name, *_overlap_cells(o)) for name, o in card.overlap.items()])
    if card.unchecked:
        yield ""
        names = ", ".join(card.unchecked)
        yield f"**Not checked**, because their problems could not be loaded: {names}."


def _overlap_cells(overlap: Overlap) -> tuple[int, ...]:
    return (
        *(overlap.problems, overlap.met, overlap.whole, overlap.rows),
        *(overlap.templates, overlap.template_rows),
    )


def _files(card: DataCard) -> Iterator[str]:
    yield "## Files"
    yield ""
    yield from _table(("file", "sha256"), [(name, f"`{s}`") for name, s in card.files.items()])
    yield ""
    yield "Made with " + ", ".join(f"{name} {v}" for name, v in card.made_with.items()) + "."


def _table(heads: Sequence[str], rows: Sequence[Sequence[str | int]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(f"{c:,}" if isinstance(c, int) else c for c in row) + " |"


def _total(seen: Rewardable) -> int:
    return seen.numeric + seen.other


def _of(part: int, whole: int) -> str:
    return f"{part:,} of {whole:,}" + (f" ({100 * part / whole:.1f} %)" if whole else "")
