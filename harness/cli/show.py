"""`show`: one run, its scores, its problems, its responses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.options import json_option, results_option
from harness.text import one_line, printable

if TYPE_CHECKING:
    import pandas as pd


@click.command("show")
@click.argument("run")
@click.option("--benchmark", help="Only this benchmark's samples.")
@click.option("--problem", help="One problem, with its whole responses.")
@click.option("--wrong", is_flag=True, help="Samples that are not correct.")
@click.option(
    "--rows", type=click.IntRange(1), default=50, show_default=True, help="Samples listed at most."
)
@results_option
@json_option
def command(
    run: str,
    benchmark: str | None,
    problem: str | None,
    wrong: bool,
    rows: int,
    results: Path,
    as_json: bool,
) -> None:
    """Show RUN: named by its version, its id (or the beginning of it), or its folder."""
    from harness.store import find_run
    from harness.tables import run_fields, score_table

    path, record = find_run(results / "runs", run)
    if not (benchmark or problem or wrong):
        if as_json:
            click.echo(json.dumps(run_fields(record), ensure_ascii=False, indent=2))
            return
        click.echo(f"{record.name}  {record.id}  {record.status}  {path}")
        click.echo(
            score_table(record) if record.scores else "no scores yet: the run is not complete"
        )
        return
    samples = _select(_samples(path), benchmark, problem, wrong)
    if as_json:
        click.echo(json.dumps(samples.to_dict(orient="records"), indent=2, default=str))
    elif problem:
        _print_responses(samples)
    else:
        _print_rows(samples, rows)


def _samples(path: Path) -> pd.DataFrame:
    import pandas as pd

    file = path / "samples.parquet"
    if not file.is_file():
        raise click.ClickException(
            f"{file} is not there: the run is incomplete, or came without its samples"
        )
    samples = pd.read_parquet(file)
    return samples.astype(object).where(samples.notna(), None)  # pandas says nan of a missing text


def _select(
    samples: pd.DataFrame, benchmark: str | None, problem: str | None, wrong: bool
) -> pd.DataFrame:
    if benchmark:
        samples = samples[samples["benchmark"] == benchmark]
    if problem:
        samples = samples[samples["problem_id"] == problem]
    if wrong:
        samples = samples[samples["outcome"] != "correct"]
    return samples


def _print_rows(samples: pd.DataFrame, limit: int) -> None:
    from tabulate import tabulate

    table = [
        [
            row["problem_id"],
            row["index"],
            row["outcome"],
            one_line(row["gold"], limit=30),
            one_line(row["extracted"], limit=40),
            row["extraction"] or "",
        ]
        for row in samples.head(limit).to_dict(orient="records")
    ]
    headers = ["problem", "sample", "outcome", "gold", "answer", "found by"]
    click.echo(tabulate(table, headers, tablefmt="simple", disable_numparse=True))
    if len(samples) > limit:
        click.echo(f"… and {len(samples) - limit} more (--rows)")


def _print_responses(samples: pd.DataFrame) -> None:
    if samples.empty:
        raise click.ClickException("no such sample in this run; ids look like gsm8k/7")
    for row in samples.to_dict(orient="records"):
        click.echo(
            f"{row['problem_id']}  sample {row['index']}  {row['outcome']}  "
            f"gold {one_line(row['gold'])}  answer {one_line(row['extracted'])}\n"
            f"{row['completion_tokens']} tokens, ended by {row['finish_reason']}, "
            f"seed {row['seed']}\n{printable(row['response'])}\n"
        )
