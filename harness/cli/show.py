"""`show`: one run, its scores, what lies behind them, its problems, its responses."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli.options import json_option, results_option
from harness.common.text import one_line, printable

if TYPE_CHECKING:
    from harness.analysis.summary import BenchmarkSummary
    from harness.runs.record import Run
    from harness.runs.results import Result
    from harness.runs.verdicts import ProblemVerdicts

WITHOUT_SAMPLES = "the run came without its samples.parquet"

Row = Mapping[str, Any]
"""One sample, as in a run's table of samples; what is not here is None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which samples are asked for; what is None or off is not asked about."""

    benchmark: str | None
    problem: str | None
    outcome: str | None
    wrong: bool

    def __bool__(self) -> bool:
        return bool(self.benchmark or self.problem or self.outcome or self.wrong)

    def matches(self, row: Row) -> bool:
        """Say whether a sample is one of these."""
        return (
            self.benchmark in (None, row["benchmark"])
            and self.problem in (None, row["problem_id"])
            and self.outcome in (None, row["outcome"])
            and not (self.wrong and row["outcome"] == "correct")
        )


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
    from harness.runs.catalogue import Catalogue

    result = Catalogue(results).find(run, complete=False)
    if benchmark is not None:
        _require("benchmark in this run", benchmark, list(result.scores) or [benchmark])
    asked = Asked(benchmark=benchmark, problem=problem, outcome=_outcome(outcome), wrong=wrong)
    if group is not None:
        _show_groups(result, group, benchmark, as_json)
    elif asked and problem and not as_json:
        _print_responses(result, asked)
    elif asked:
        _print_rows(result, asked, rows, as_json)
    else:
        click.echo(_json(_fields(result)) if as_json else "\n\n".join(_sections(result)))


def _require(noun: str, name: str, known: list[str]) -> None:
    from benchmarks import UserError
    from benchmarks.registry import suggest

    if name not in known:
        raise UserError(suggest(noun, name, known))


def _outcome(name: str | None) -> str | None:
    from harness.grading.verdict import Outcome

    if name is None:
        return None
    plain = name.strip().lower().replace("-", " ").replace("_", " ")
    _require("outcome", plain, list(map(str, Outcome)))
    return plain


def _json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False, indent=2, default=str)


# --- everything of one result ---------------------------------------------------------------


def _summaries(result: Result) -> tuple[BenchmarkSummary, ...] | None:
    """Return what the run's verdicts say; None where they are not known."""
    from harness.analysis.summary import summarise

    if result.run is None or result.run.status != "complete" or result.verdicts is None:
        return None
    rows = (row for problems in result.verdicts.values() for row in problems)
    # Saved generations do not say what their limit was.
    limit = None if result.run.saved is not None else result.run.spec.sampling.max_tokens
    return summarise(rows, max_tokens=limit)


def _fields(result: Result) -> dict[str, Any]:
    """Return everything of a result for JSON."""
    from pydantic_core import to_jsonable_python

    from harness.reporting.text.runs import run_fields

    if result.run is not None:
        return {**run_fields(result.run), "summary": to_jsonable_python(_summaries(result))}
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
    from harness.reporting.text.run_details import published_blocks
    from harness.reporting.text.runs import score_table
    from harness.runs.cost import cost_of

    record = result.run
    if record is None:
        yield from published_blocks(result)
        return
    yield f"{printable(record.name)}  {record.id}  {record.status}  {result.path}\n" + (
        score_table(record) if record.scores else "no scores yet: the run is not complete"
    )
    if record.status == "complete":
        yield from _verdict_blocks(result, record)
    yield cost_block(cost_of(record))


def _verdict_blocks(result: Result, record: Run) -> Iterator[str]:
    """Yield what a complete run's verdicts say."""
    from harness.reporting.text.run_details import summary_blocks

    summaries = _summaries(result)
    if summaries is None:
        yield (
            "stored without its verdicts, so that there is no more to say of its scores; "
            f"to make them: python -m harness regrade {record.id}"
        )
        return
    yield from summary_blocks(summaries)


# --- groups ---------------------------------------------------------------------------------


def _show_groups(result: Result, key: str, benchmark: str | None, as_json: bool) -> None:
    summaries = _summaries(result)
    if summaries is None:
        raise click.ClickException(f"{result.name} has no verdicts, so nothing to group")
    asked = [one for one in summaries if benchmark in (None, one.benchmark)]
    _require("group in this run", key, [name for one in asked for name in one.groups])
    groups = {one.benchmark: one.groups[key] for one in asked if key in one.groups}
    if as_json:
        from pydantic_core import to_jsonable_python

        click.echo(_json(to_jsonable_python(groups)))
        return
    from harness.reporting.text.run_details import group_table

    click.echo("\n\n".join(group_table(name, found) for name, found in groups.items()))


# --- samples --------------------------------------------------------------------------------


def _samples(result: Result, asked: Asked) -> Iterator[Row]:
    """Yield the samples asked for: from the run's table, or else from its verdicts."""
    from harness.runs.file_names import PARQUET
    from harness.runs.samples_table import read_parquet

    if result.path is None:
        raise click.ClickException(f"{result.name} was published as counts, without samples")
    if _tabled(result):
        rows: Iterable[Row] = read_parquet(result.path)
    elif _summarised(result):
        verdicts = result.verdicts or {}
        rows = (row for problems in verdicts.values() for one in problems for row in _rows_of(one))
    else:
        raise click.ClickException(
            f"{result.path / PARQUET} is not there: the run is incomplete, or came without its "
            "samples"
        )
    return filter(asked.matches, rows)


def _tabled(result: Result) -> bool:
    from harness.runs.file_names import PARQUET

    return result.path is not None and (result.path / PARQUET).is_file()


def _summarised(result: Result) -> bool:
    complete = result.run is not None and result.run.status == "complete"
    return complete and result.verdicts is not None


def _rows_of(problem: ProblemVerdicts) -> Iterator[Row]:
    """Yield a problem's samples as far as its verdicts know them."""
    unknown = dict.fromkeys(
        ("gold", "extraction", "rule", "prompt_tokens", "seed", "response", "error")
    )
    for place, index in enumerate(problem.indices):
        yield {
            **unknown,
            "benchmark": problem.benchmark,
            "problem_id": problem.problem_id,
            "index": index,
            "outcome": problem.outcomes[place],
            "extracted": problem.answers[place],
            "finish_reason": "length" if problem.at_limit[place] else None,
            "completion_tokens": problem.tokens[place],
        }


def _print_rows(result: Result, asked: Asked, limit: int, as_json: bool) -> None:
    samples = _samples(result, asked)
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
    if not _tabled(result):
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
    from tabulate import tabulate

    headers = ["problem", "sample", "outcome", "gold", "answer", "found by"]
    click.echo(tabulate(rows, headers, tablefmt="simple", disable_numparse=True))


def _print_responses(result: Result, asked: Asked) -> None:
    samples = list(_samples(result, asked))
    if not samples:
        raise click.ClickException("no such sample in this run; ids look like gsm8k/7")
    if not _tabled(result):
        _print_list([_listed(row) for row in samples])
        click.echo(f"responses and golds are not here: {WITHOUT_SAMPLES}")
        return
    for row in samples:
        click.echo(
            f"{one_line(row['problem_id'])}  sample {row['index']}  {row['outcome']}  "
            f"gold {one_line(row['gold'])}  answer {one_line(row['extracted'])}\n"
            f"{row['completion_tokens']} tokens, ended by {row['finish_reason']}, "
            f"seed {row['seed']}\n{printable(row['response'])}\n"
        )
