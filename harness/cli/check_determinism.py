"""`check-determinism`: does the engine say the same again, in another order, in other batches?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from harness.cli.eval import build_spec, given_options, spec_options
from harness.cli.options import data_option, json_option
from harness.cli.output import echo

if TYPE_CHECKING:
    from harness.evaluation.determinism import Row
    from harness.evaluation.plan import Plan

EXAMPLES = """\b
Examples:
  python -m harness check-determinism --model demo --benchmarks demo --limit 50
  python -m harness check-determinism --model CKPT --benchmarks math500 --deterministic --require
"""


@click.command("check-determinism", params=spec_options(), epilog=EXAMPLES)
@click.option(
    "--batch",
    "batches",
    type=click.IntRange(1),
    multiple=True,
    default=(1,),
    help="Draw the requests also in batches of this size; repeatable.  [default: 1]",
)
@click.option("--require", is_flag=True, help="End with exit code 1 if any response differs.")
@data_option
@json_option
@click.pass_context
def command(ctx: click.Context, /, **flags: Any) -> int:
    """Draw the same requests several times and count what differs: responses and verdicts.

    As they come, the same again, in another order, and one at a time (which is slow: --limit),
    with the options of eval, and the same seeds each time. Nothing is stored.
    """
    spec = build_spec(given_options(ctx, flags))
    from harness.evaluation.repeat import repeat_draws
    from harness.reporting.progress import open_progress

    with open_progress() as progress:
        plan, rows = repeat_draws(
            spec, batches=flags["batches"], data_dir=flags["data_dir"], stage=progress.stage
        )
    echo(_as_json(plan, rows) if flags["as_json"] else _as_text(plan, rows))
    return int(flags["require"] and any(row.agreement.responses for row in rows))


def _as_text(plan: Plan, rows: Sequence[Row]) -> str:
    from harness.evaluation.determinism import conclusion
    from harness.evaluation.repeat import AGAIN, FIRST
    from harness.reporting.text.layout import text_table
    from harness.reporting.text.numbers import percent

    unit = "character" if plan.checkpoint is None else "token"
    headers = [
        "draw", "benchmark", "responses differ", f"from {unit}", "verdicts differ", "accuracy %",
        "noise ±",
    ]  # fmt: skip
    first = [row for row in rows if row.variant == rows[0].variant]
    body = [
        [FIRST.name, row.benchmark, "", "", "", percent(row.agreement.before), ""] for row in first
    ]
    body += [_line(row) for row in rows]
    table = text_table(body, headers, "llrrrrr")
    return f"{table}\n\n{_in_effect(plan)}\n{conclusion(rows, repeat=AGAIN.name)}"


def _line(row: Row) -> list[str]:
    from harness.reporting.text.numbers import percent

    found = row.agreement
    return [
        row.variant,
        row.benchmark,
        f"{found.responses} of {found.samples}",
        "" if found.first is None else f"{found.first:g}",
        str(found.verdicts),
        percent(found.accuracy),
        percent(found.noise),
    ]


def _in_effect(plan: Plan) -> str:
    engine, kept = plan.identity.engine, _determinism(plan)
    asked = " ".join(f"{name} {value}" for name, value in kept.items()).lower()
    versions = ", ".join(f"{name} {version}" for name, version in engine.versions.items())
    return f"{engine.name}, {versions or 'no packages'}; deterministic: {asked or 'not asked for'}"


def _determinism(plan: Plan) -> dict[str, Any]:
    return dict(plan.identity.engine.settings.get("deterministic", {}))


def _as_json(plan: Plan, rows: Sequence[Row]) -> str:
    from harness.evaluation.determinism import conclusion
    from harness.evaluation.repeat import AGAIN

    fields = {
        "model": plan.spec.model,
        "spec": plan.spec.model_dump(mode="json"),
        "engine": plan.identity.engine.model_dump(mode="json"),
        "deterministic": _determinism(plan),
        "rows": [
            {
                "draw": row.variant,
                "benchmark": row.benchmark,
                **asdict(row.agreement),
                "noise": row.agreement.noise,
            }
            for row in rows
        ],
        "differing": sum(row.agreement.responses for row in rows),
        "conclusion": conclusion(rows, repeat=AGAIN.name),
    }
    return json.dumps(fields, ensure_ascii=False, indent=2)
