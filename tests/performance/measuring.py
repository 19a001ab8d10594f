"""What the measurements share: their targets, the machine they run on, the file they write.

Each writes its figures at the top level of `latest.json`, beside those of the others, and what
stands behind them (parts, machine, versions, commit) under `details` and its own name: a
figure without its machine says nothing, and not all are measured at once.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import click

from harness.common.environment import hardware, installed_versions
from harness.runs.versions import recorded_versions

HERE = Path(__file__).parent
REPOSITORY = HERE.parent.parent
LATEST = HERE / "latest.json"


class Target(NamedTuple):
    """What a figure has to reach."""

    bound: float
    least: bool = False
    """Whether the bound is the least that will do, and not the most."""

    def met(self, value: float) -> bool:
        """Say whether a figure reaches it.

        >>> Target(1.03).met(1.03), Target(20_000, least=True).met(19_999)
        (True, False)
        """
        return value >= self.bound if self.least else value <= self.bound

    def __str__(self) -> str:
        return f"{'at least' if self.least else 'at most'} {self.bound:g}"


TARGETS = {
    "run_over_engine": Target(1.03),
    "run_over_engine_float32": Target(1.03),
    "sequential_over_run": Target(1.3, least=True),
    "sequential_over_run_float32": Target(1.3, least=True),
    "lm_eval_over_run": Target(1, least=True),
    "lighteval_over_run": Target(1, least=True),
    "grading_over_math_verify": Target(10, least=True),
    "grading_without_symbolic_work": Target(0.9, least=True),
    "replay_per_second": Target(20_000, least=True),
    "replay_rate_over_tenth": Target(0.8, least=True),
    "replay_megabytes": Target(1000),
    "help_seconds": Target(0.3),
    "diff_seconds": Target(1),
    "diff_published_seconds": Target(1),
    "rank_seconds": Target(10),
    "diff_margin_seconds": Target(1),
    "coverage_of_single_samples": Target(0.94, least=True),
    "coverage_of_several_samples": Target(0.94, least=True),
    "coverage_of_average_accuracies": Target(0.94, least=True),
    "coverage_of_differences": Target(0.94, least=True),
    "coverage_of_averages": Target(0.94, least=True),
    "coverage_of_counts": Target(0.94, least=True),
    "coverage_of_averages_of_counts": Target(0.94, least=True),
    "coverage_of_recipes_of_few_problems": Target(0.94, least=True),
    "coverage_of_recipes_of_100_problems": Target(0.94, least=True),
    "coverage_of_recipes": Target(0.94, least=True),
    "coverage_of_joint_intervals": Target(0.94, least=True),
    "coverage_of_ranks": Target(0.94, least=True),
    "size_of_difference_tests": Target(0.055),
    "size_of_average_tests": Target(0.055),
    "size_of_families": Target(0.055),
    "size_of_margins_of_single_samples": Target(0.055),
    "size_of_margins_of_several_samples": Target(0.055),
    "size_of_margins_of_averages": Target(0.055),
    "size_of_tests_of_counts": Target(0.055),
    "size_of_average_tests_of_counts": Target(0.055),
    "size_of_recipe_tests": Target(0.055),
    "size_of_recipe_tests_with_unequal_spreads": Target(0.055),
    "size_of_step_down": Target(0.055),
}
ON_A_GPU = {"sequential_over_run": Target(2, least=True)}
"""What is asked instead where there is a GPU, which a tail leaves emptier than a CPU."""

output_option = click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Also merge the figures into this file."
)


def target(figure: str, machine: Mapping[str, Any]) -> Target | None:
    """Return what a figure has to reach on a machine; None where nothing is asked of it."""
    asked = {**TARGETS, **ON_A_GPU} if machine.get("gpus") else TARGETS
    return asked.get(figure)


def judged(figure: str, value: float, machine: Mapping[str, Any]) -> str:
    """Return a figure, what was asked of it, and ``MISSED`` if it is not that.

    >>> judged("help_seconds", 0.41, {})
    'help_seconds 0.41 (target at most 0.3, MISSED)'
    """
    asked = target(figure, machine)
    if asked is None:
        return f"{figure} {value:g}"
    return f"{figure} {value:g} (target {asked}{'' if asked.met(value) else ', MISSED'})"


def publish(
    name: str,
    figures: Mapping[str, Any],
    details: Mapping[str, Any],
    output: Path | None,
    *,
    packages: Iterable[str] = (),
) -> None:
    """Print what a measurement found, say which targets it missed, and merge it into a file.

    ``packages`` are recorded with their versions, beside those that every run records.
    """
    found = {"figures": list(figures), **details, **circumstances(packages)}
    if output:
        merge(output, name, figures, found)
    say(*lines(figures, found["hardware"]))
    click.echo(json.dumps({**figures, "details": {name: found}}, indent=2, ensure_ascii=False))


def lines(figures: Mapping[str, Any], machine: Mapping[str, Any]) -> list[str]:
    """Return one line a figure that is a number."""
    return [judged(key, value, machine) for key, value in figures.items() if is_number(value)]


def is_number(value: object) -> bool:
    """Say whether a figure is one number, and not a table of them."""
    return isinstance(value, int | float)


def merge(path: Path, name: str, figures: Mapping[str, Any], details: Mapping[str, Any]) -> None:
    """Put a measurement's figures and details among what the file has from other measurements.

    Those that it had before are replaced, under whatever names.
    """
    held = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    others = held.pop("details", {})
    outdated = others.pop(name, {}).get("figures", [])
    kept = {key: value for key, value in held.items() if key not in outdated}
    merged = {**kept, **figures, "details": {**others, name: details}}
    written = path.with_suffix(".partial")
    written.write_text(json.dumps(merged, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    written.replace(path)


def circumstances(packages: Iterable[str] = ()) -> dict[str, Any]:
    """Return when, where and with what a measurement was made."""
    return {
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "load_before": LOAD_BEFORE,
        "hardware": {**hardware(), "system": platform.platform()},
        "versions": {**installed_versions(packages), **recorded_versions()},
    }


LOAD_BEFORE = round(os.getloadavg()[0], 2)
"""Processes that wanted a core in the minute before: above nought, others were measured too."""


def commit() -> str:
    """Return the commit that is measured, with a plus if files differ from it."""
    changed = git("status", "--porcelain", "--", ".", f":!{LATEST.relative_to(REPOSITORY)}")
    return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")


def git(*arguments: str) -> str:
    """Return what git prints; nothing where there is no repository."""
    command = ["git", "-C", str(REPOSITORY), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def say(*texts: str) -> None:
    """Print progress where it does not mix with the result."""
    for text in texts:
        click.echo(text, err=True)
