"""`diff`: is B better than A, and are we sure?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from harness.cli.options import json_option, margin_option, mismatch_option, results_option
from harness.cli.output import echo

if TYPE_CHECKING:
    from harness.analysis.gate import Asked
    from harness.reporting.comparison import Comparison

GATE_FAILED = 3
"""The exit code if what --gate asks for is not shown."""

EXAMPLES = """\b
Examples:
  python -m harness diff openseek-v1 openseek-v4
  python -m harness diff v1 v4 --show broken
  python -m harness diff v4 v4-int8 --margin 1 --gate not-worse
  python -m harness diff v4 v4-greedy --allow-mismatch
  python -m harness diff v1 step-100 step-200 step-300
  python -m harness diff v1-seed1,v1-seed2,v1-seed3 v4-seed1,v4-seed2,v4-seed3
"""


@click.command("diff", epilog=EXAMPLES)
@click.argument("a")
@click.argument("b")
@click.argument("more", nargs=-1, metavar="[C]...")
@click.option(
    "--show",
    type=click.Choice(["fixed", "broken"]),
    help="List the problems that only B gets right, or only A, with both answers.",
)
@click.option(
    "--rows",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="How many problems --show lists at most.",
)
@margin_option
@click.option(
    "--gate",
    "asked",
    type=click.Choice(["better", "not-worse", "same"]),
    help="End with exit code 3 unless B is shown to be this, on average or on the only benchmark. "
    "not-worse and same need --margin.",
)
@mismatch_option(
    "Compare what both share even if they were not measured alike; the output says so. Of runs "
    "with verdicts these are the problems that both have; counts of different problems stay so."
)
@results_option
@json_option
def command(
    a: str,
    b: str,
    more: tuple[str, ...],
    show: Literal["fixed", "broken"] | None,
    rows: int,
    margin: float | None,
    asked: Asked | None,
    allow_mismatch: bool,
    results: Path,
    as_json: bool,
) -> None:
    """Compare B with A: runs by name, tag, id or folder, or published results by name.

    Says for each benchmark, and for the average, whether B is better, worse, or whether there is
    no evidence of either, at a level of 5 % corrected for the number of benchmarks. Runs are
    compared problem by problem; published counts, about which less is known, as counts.

    With further runs each of them, and B, is compared with A by its average, corrected for the
    number of runs, as by `rank --base A`.

    Runs with commas between them are trainings of one recipe, with different seeds. Then the
    recipes are compared and not two checkpoints: trainings count as a sample, as problems do.

    --margin, --gate and --show are about two runs: many runs and recipes have no margin and no
    gate.

    Exit codes: 0 done, and the gate holds if one is asked for; 3 it does not hold; 1 failed; 2 an
    option or a value is refused.
    """
    if asked in ("not-worse", "same") and margin is None:
        raise click.UsageError(
            f"--gate {asked} needs --margin, the difference in percentage points that does not "
            f"matter, such as: --margin 1 --gate {asked}"
        )
    recipes = _are_recipes((a, b, *more), results)
    if more or recipes:
        what = "recipes" if recipes else "many runs"
        _refuse_options_of_two_runs(what, show=show, margin=margin, gate=asked)
    if more and recipes:
        raise click.UsageError(
            "diff compares the trainings of two recipes, and here are more groups; `report` takes "
            "several"
        )
    if recipes:
        _diff_recipes(a, b, results, allow_mismatch=allow_mismatch, as_json=as_json)
    elif more:
        _diff_many(a, (b, *more), results, allow_mismatch=allow_mismatch, as_json=as_json)
    else:
        from harness.api import compare

        found = compare(a, b, results=results, allow_mismatch=allow_mismatch, margin=margin)
        _print_comparison(found, show, rows, asked, as_json=as_json)


def _are_recipes(given: tuple[str, ...], results: Path) -> bool:
    """Say whether any of them is several runs; a name may have commas of its own."""
    from harness.runs.catalogue import Catalogue

    if not any("," in one for one in given):
        return False
    catalogue = Catalogue(results)
    return any(len(catalogue.group(one)) > 1 for one in given)


def _refuse_options_of_two_runs(what: str, **given: object) -> None:
    for name, value in given.items():
        if value is not None:
            raise click.UsageError(
                f"--{name} is about two runs: a comparison of {what} has no margin, no gate and no "
                "list of problems; leave it out"
            )


def _print_comparison(
    found: Comparison,
    show: Literal["fixed", "broken"] | None,
    rows: int,
    asked: Asked | None,
    *,
    as_json: bool,
) -> None:
    from harness.reporting.text.comparison import comparison_fields, flips_text, gate_fields
    from harness.reporting.text.sentence import gate_text

    gate = None if asked is None else found.gate(asked)
    if as_json:
        fields = {**comparison_fields(found), "gate": gate_fields(gate)}
        echo(json.dumps(fields, ensure_ascii=False, indent=2))
    elif show is None:
        echo(str(found))
    elif not found.paired:
        raise click.ClickException(f"which problems are {show} cannot be told: {found.notes[0]}")
    else:
        echo(flips_text(found, show, rows))
    if gate is not None:
        if not as_json:
            echo(f"\n{gate_text(gate)}")
        if not gate.holds:
            click.get_current_context().exit(GATE_FAILED)


def _diff_many(
    base: str, runs: tuple[str, ...], results: Path, *, allow_mismatch: bool, as_json: bool
) -> None:
    from harness.api import rank
    from harness.reporting.text.many import many_fields

    found = rank(runs, base, results=results, allow_mismatch=allow_mismatch)
    echo(json.dumps(many_fields(found), ensure_ascii=False, indent=2) if as_json else str(found))


def _diff_recipes(a: str, b: str, results: Path, *, allow_mismatch: bool, as_json: bool) -> None:
    from harness.api import compare_recipes
    from harness.reporting.text.recipes import recipes_fields

    found = compare_recipes(a, b, results=results, allow_mismatch=allow_mismatch)
    echo(json.dumps(recipes_fields(found), ensure_ascii=False, indent=2) if as_json else str(found))
