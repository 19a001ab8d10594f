"""`rank`: which of many runs is the best, and can that be said?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from harness.cli.options import json_option, mismatch_option, results_option
from harness.cli.output import echo

EXAMPLES = """\b
Examples:
  python -m harness rank step-100 step-200 step-300 step-400
  python -m harness rank --base v1 step-100 step-200 step-300
"""


@click.command("rank", epilog=EXAMPLES)
@click.argument("runs", nargs=-1, required=True)
@click.option("--base", metavar="RUN", help="Compare each run with this one instead of ranking.")
@mismatch_option("Rank by what all share even if not all were measured alike; the output says so.")
@results_option
@json_option
def command(
    runs: tuple[str, ...],
    base: str | None,
    allow_mismatch: bool,
    results: Path,
    as_json: bool,
) -> None:
    """Rank many RUNS by their average, and say how sure the ranks are.

    Says for each run which ranks it may have, and whether the best one can be named; all pairs are
    tested at once, at a level of 5 % together. With --base each run is instead said to be better or
    worse than that one, or that there is no evidence of either, corrected for the number of runs.
    The highest of many averages is partly luck, so it is also told as it is where half of the
    problems choose the run and the other half score it.
    """
    from harness.api import rank
    from harness.reporting.text.many import many_fields

    found = rank(runs, base, results=results, allow_mismatch=allow_mismatch)
    if as_json:
        echo(json.dumps(many_fields(found), ensure_ascii=False, indent=2))
    else:
        echo(str(found))
