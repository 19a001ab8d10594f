"""`show`: one run, its scores, what lies behind them, its problems, its responses."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmarks import UserError, WrongValueError
from benchmarks.hints import hint
from harness.cli.audit_options import audit_options, open_judge, other_graders
from harness.cli.options import json_option, results_option
from harness.cli.output import echo
from harness.common.text import counted, one_line, printable

if TYPE_CHECKING:
    from harness.evaluation.judging.judge import Judge
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
@audit_options
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
    auditors: tuple[str, ...],
    results: Path,
    as_json: bool,
    **flags: Any,
) -> None:
    """Show RUN: named by its version, its id (or the beginning of it), or its folder.

    Or a published result, by its name. Without options: scores, outcomes, what a smaller
    token budget and, with several samples a problem, more or fewer samples would give.

    With --audit: where other graders differ. The judge is a language model, which is asked about
    those samples alone that another grader disputes or that say nothing of the answer, such as
    unparsable. What it says is kept in a file beside the run. No opinion changes a verdict.
    """
    from harness.api import load_run

    judge = open_judge(auditors, flags)
    result = load_run(run, results=results)
    if auditors:
        if group or benchmark or problem or outcome or wrong:
            raise click.UsageError("--audit is about all samples of the run; leave the others out")
        _show_audit(result, auditors, judge, as_json)
        return
    asked = result.samples(benchmark, problem=problem, wrong=wrong, outcome=outcome).asked
    if group is not None:
        _show_groups(result, group, benchmark, as_json)
    elif asked and problem and not as_json:
        _print_responses(result, asked)
    elif asked:
        _print_rows(result, asked, rows, as_json)
    else:
        echo(_json(_fields(result)) if as_json else "\n\n".join(_sections(result)))


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


# --- other graders --------------------------------------------------------------------------


def _show_audit(
    result: Result, auditors: Sequence[str], judge: Judge | None, as_json: bool
) -> None:
    from harness.evaluation.audit_run import audit_run, earlier_replies
    from harness.evaluation.second_opinions import SecondOpinions
    from harness.reporting.progress import PATIENCE, open_progress
    from harness.reporting.text.audits import audit_fields, audit_text
    from harness.runs.sample_rows import has_responses

    if result.run is None or result.path is None or not has_responses(result):
        raise UserError(
            f"{one_line(result.name)}: other graders need responses and golds, and the samples of "
            "this result are not here"
        )
    known = None if judge is None else earlier_replies(result.path, judge)
    with (
        open_progress(patience=PATIENCE) as progress,
        SecondOpinions(other_graders(auditors), judge=judge, known=known) as second,
    ):
        place = audit_run(result.path, result.run, second, progress=progress)
    if as_json:
        kept = None if place is None else str(place)
        echo(_json({"run": result.run.id, "audit": audit_fields(second), "kept_in": kept}))
        return
    blocks = [f"{one_line(result.name, limit=None)}  {result.run.id}", audit_text(second)]
    echo("\n\n".join([*blocks, f"kept in {place}"] if place else blocks))


# --- groups ---------------------------------------------------------------------------------


def _show_groups(result: Result, key: str, benchmark: str | None, as_json: bool) -> None:
    from harness.analysis.summary import groups_of

    groups = groups_of(result, key, benchmark=benchmark)
    if as_json:
        from pydantic_core import to_jsonable_python

        echo(_json(to_jsonable_python(groups)))
        return
    from harness.reporting.text.run_details import group_table

    echo("\n\n".join(group_table(name, found) for name, found in groups.items()))


# --- samples --------------------------------------------------------------------------------


def _print_rows(result: Result, asked: SampleFilter, limit: int, as_json: bool) -> None:
    from harness.runs.sample_rows import has_responses, sample_rows

    samples = sample_rows(result, asked)
    if as_json:
        echo(json.dumps(list(samples), indent=2, default=str))
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
        echo(f"… and {left_out} more (--rows)")
    if not has_responses(result):
        echo(f"golds and rules are not here: {WITHOUT_SAMPLES}")


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
    echo(text_table(rows, headers, "lr"))


def _print_responses(result: Result, asked: SampleFilter) -> None:
    from harness.runs.sample_rows import has_responses, sample_rows

    samples = list(sample_rows(result, asked))
    if not samples:
        raise WrongValueError(f"no such sample in this run; {_ids_of(result)}")
    if not has_responses(result):
        _print_list([_listed(row) for row in samples])
        echo(f"responses and golds are not here: {WITHOUT_SAMPLES}")
        return
    for row in samples:
        echo(_whole_sample(row, result))


def _ids_of(result: Result) -> str:
    """Say how the ids of this run's problems look."""
    verdicts = result.verdicts or {}
    ids = [one_line(row.problem_id) for rows in verdicts.values() for row in rows[:1]]
    return f"its ids look like {', '.join(ids)}" if ids else "it has no problems"


def _whole_sample(row: Row, result: Result) -> str:
    """Return everything that is known of one sample, and what it says."""
    from harness.grading.looping import is_looping
    from harness.grading.verdict import Outcome
    from harness.runs.sample_rows import sample_in

    sample = sample_in(row)
    tokens, reasoned = row["completion_tokens"], row.get("reasoning_tokens")
    length = "length unknown" if tokens is None else counted(tokens, "token")
    if reasoned:
        length += f" ({reasoned:,} of reasoning)"
    if row["outcome"] == Outcome.TRUNCATED and is_looping(sample.last_said):
        length += ", repeating itself at the end"
    said = printable(row["response"])
    if reasoning := row.get("reasoning"):
        said = f"--- reasoning, which is not graded\n{printable(reasoning)}\n--- response\n{said}"
    if sample.is_empty:
        said += "(empty, although tokens were generated for it)"
    if row["error"]:
        said += f"the engine said: {printable(row['error'])}"
    return (
        f"{one_line(row['problem_id'])}  sample {row['index']}  {row['outcome']}  "
        f"gold {one_line(row['gold'])}  answer {one_line(row['extracted'])}\n"
        f"{length}, {_ended_by(row, result)}, seed {row['seed']}\n{said}\n"
    )


def _ended_by(row: Row, result: Result) -> str:
    from harness.runs.scores import ended_by_context, token_limit

    limit = None if result.run is None else token_limit(result.run)
    cut = row["finish_reason"] == "length"
    if ended_by_context(row["completion_tokens"], at_limit=cut, limit=limit):
        return "ended by length (the context was full before the token limit)"
    ended = row["finish_reason"]
    return "end unknown" if ended == "unknown" else f"ended by {ended}"
