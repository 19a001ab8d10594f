"""`show`: one run, its scores, what lies behind them, its problems, its responses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks import WrongValueError
from benchmarks.hints import hint
from harness.cli.options import json_option, results_option
from harness.common.text import counted, one_line, printable

if TYPE_CHECKING:
    from harness.reporting.result import Result
    from harness.runs.record import Run
    from harness.runs.sample_rows import Row, SampleFilter

WITHOUT_SAMPLES = "the run came without its samples.parquet"


@click.command("show")
@click.argument("run")
@click.option(
    "--by", "group", help="Show the accuracy by one of the benchmark's groups: subject, level, …"
)
@click.option("--benchmark", help="List only this benchmark's samples.")
@click.option("--problem", help="Show one problem, such as gsm8k/7, with its whole responses.")
@click.option("--outcome", help="List the samples of one outcome, such as 'no answer'.")
@click.option("--wrong", is_flag=True, help="List the samples that are not correct.")
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="How many samples to list at most.",
)
@results_option
@json_option
def command(
    run: str,
    group: str | None,
    benchmark: str | None,
    problem: str | None,
    outcome: str | None,
    wrong: bool,
    rows: int,
    results: Path,
    as_json: bool,
) -> None:
    """Show RUN: named by its version, its id (or the beginning of it), or its folder.

    Or a published result, by its name. Without options: scores, outcomes, what a smaller
    token budget and, with several samples a problem, more or fewer samples would give.
    """
    from harness.api import load_run

    result = load_run(run, results=results)
    asked = result.samples(benchmark, problem=problem, wrong=wrong, outcome=outcome).asked
    if group is not None:
        _show_groups(result, group, benchmark, as_json)
    elif asked and problem and not as_json:
        _print_responses(result, asked)
    elif asked:
        _print_rows(result, asked, rows, as_json)
    else:
        click.echo(_json(_fields(result)) if as_json else "\n\n".join(_sections(result)))


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2, default=str)


# --- everything of one result ---------------------------------------------------------------


def _fields(result: Result) -> dict[str, Any]:
    """Return everything of a result for JSON."""
    from pydantic_core import to_jsonable_python

    from harness.analysis.summary import summary_of
    from harness.reporting.text.runs import run_fields

    if result.run is not None:
        return {**run_fields(result.run), "summary": to_jsonable_python(summary_of(result))}
    return {
        "name": result.name,
        "id": result.id,
        "average": result.average,
        "scores": {
            name: to_jsonable_python(score, exclude={"hit_token_limit"})
            for name, score in result.scores.items()
        },
        "row": to_jsonable_python(result.row),
        "source": to_jsonable_python(
            result.source and result.source.model_dump(exclude={"results"})
        ),
    }


def _sections(result: Result) -> Iterator[str]:
    """Yield what is shown of a result, a block at a time."""
    from harness.reporting.text.cost import cost_block
    from harness.runs.cost import cost_of

    yield str(result)
    record = result.run
    if record is None:
        return
    if record.status == "complete":
        yield from _verdict_blocks(result, record)
    yield cost_block(cost_of(record))


def _verdict_blocks(result: Result, record: Run) -> Iterator[str]:
    """Yield what a complete run's verdicts say."""
    from harness.analysis.summary import summary_of
    from harness.reporting.text.run_details import summary_blocks

    summaries = summary_of(result)
    if summaries is None:
        yield (
            "stored without its verdicts, so that there is no more to say of its scores; "
            f"to make them: {hint(f'regrade {record.id}')}"
        )
        return
    yield from summary_blocks(summaries)


# --- groups ---------------------------------------------------------------------------------


def _show_groups(result: Result, key: str, benchmark: str | None, as_json: bool) -> None:
    from harness.analysis.summary import groups_of

    groups = groups_of(result, key, benchmark=benchmark)
    if as_json:
        from pydantic_core import to_jsonable_python

        click.echo(_json(to_jsonable_python(groups)))
        return
    from harness.reporting.text.run_details import group_table

    click.echo("\n\n".join(group_table(name, found) for name, found in groups.items()))


# --- samples --------------------------------------------------------------------------------


def _print_rows(result: Result, asked: SampleFilter, limit: int, as_json: bool) -> None:
    from harness.runs.sample_rows import has_responses, sample_rows

    samples = sample_rows(result, asked)
    if as_json:
        click.echo(json.dumps(list(samples), indent=2, default=str))
        return
    listed: list[list[object]] = []
    left_out = 0
    for row in samples:
        if len(listed) == limit:
            left_out += 1
        else:
            listed.append(_listed(row))
    _print_list(listed)
    if left_out:
        click.echo(f"… and {left_out} more (--rows)")
    if not has_responses(result):
        click.echo(f"golds and rules are not here: {WITHOUT_SAMPLES}")


def _listed(row: Row) -> list[object]:
    return [
        one_line(row["problem_id"]),
        row["index"],
        row["outcome"],
        one_line(row["gold"], limit=30),
        one_line(row["extracted"], limit=40),
        row["extraction"] or "",
    ]


def _print_list(rows: Sequence[Sequence[object]]) -> None:
    from harness.reporting.text.layout import text_table

    headers = ["problem", "sample", "outcome", "gold", "answer", "found by"]
    click.echo(text_table(rows, headers, "lr"))


def _print_responses(result: Result, asked: SampleFilter) -> None:
    from harness.runs.sample_rows import has_responses, sample_rows

    samples = list(sample_rows(result, asked))
    if not samples:
        raise WrongValueError("no such sample in this run; ids look like gsm8k/7")
    if not has_responses(result):
        _print_list([_listed(row) for row in samples])
        click.echo(f"responses and golds are not here: {WITHOUT_SAMPLES}")
        return
    for row in samples:
        tokens = row["completion_tokens"]
        length = "length unknown" if tokens is None else counted(tokens, "token")
        click.echo(
            f"{one_line(row['problem_id'])}  sample {row['index']}  {row['outcome']}  "
            f"gold {one_line(row['gold'])}  answer {one_line(row['extracted'])}\n"
            f"{length}, ended by {row['finish_reason']}, "
            f"seed {row['seed']}\n{printable(row['response'])}\n"
        )
