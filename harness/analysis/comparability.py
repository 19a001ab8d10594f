"""Whether two results were measured alike, and in what else they differ."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePath

from harness.common.schema import UNSTATED, Change, changes
from harness.models.weights import PICKLED, SAFE
from harness.runs.results import Result


def mismatches(a: Result, b: Result) -> list[Change]:
    """List what beside the model differs and decides a score, as far as both sides state it."""
    ours, theirs = a.settings, b.settings
    stated = sorted(ours.keys() & theirs.keys())
    problems = _other_problems(a, b)
    # The sum of what is accepted is over the problems: of other problems it says nothing more.
    other = {change.field.rpartition(".")[0] + ".conventions" for change in problems}
    shown = _shown(a), _shown(b)
    found = [
        Change(key, shown[0][key], shown[1][key])
        for key in stated
        if ours[key] != theirs[key] and key not in other
    ]
    if set(a.scores) != set(b.scores):
        found.append(Change("benchmarks", benchmark_names(a), benchmark_names(b)))
    return [*found, *problems]


def _shown(result: Result) -> dict[str, str]:
    """Return the settings as they are shown: the grader that is recorded, and what it counts as."""
    recorded = {} if result.run is None else {"grader": result.run.identity.shown_grader}
    return {**result.settings, **recorded}


def benchmark_names(result: Result) -> str:
    """Return the names of a result's benchmarks, in words."""
    return ",".join(sorted(result.scores))


def _other_problems(a: Result, b: Result) -> list[Change]:
    found = []
    for name in shared_benchmarks(a, b):
        ours, theirs = a.scores[name].problems, b.scores[name].problems
        if ours != theirs:
            found.append(Change(f"benchmarks.{name}.problems", str(ours), str(theirs)))
        elif a.run is not None and b.run is not None:
            sums = (r.identity.benchmarks[name].sum for r in (a.run, b.run))
            found += changes(*({f"benchmarks.{name}.sum": one} for one in sums))
    return found


def other_problems(a: Result, b: Result) -> list[str]:
    """Name the shared benchmarks of which both sides are known to have different problems."""
    return [change.field.split(".", 1)[1].rpartition(".")[0] for change in _other_problems(a, b)]


def told_mismatches(found: Sequence[Change], *, paired: bool) -> list[Change]:
    """Return the mismatches that can decide a difference.

    Where problems are compared one by one, other problems are left out, and cannot.
    """
    endings = (".problems", ".sum")
    return [
        change
        for change in found
        if not (
            paired and change.field.startswith("benchmarks.") and change.field.endswith(endings)
        )
    ]


def shared_benchmarks(a: Result, b: Result) -> list[str]:
    """Return the names of the benchmarks that both results have, in order."""
    return [name for name in a.scores if name in b.scores]


def what_changed(a: Result, b: Result) -> list[Change]:
    """List everything that two results state of themselves and do not share."""
    found = changes(_stated(a), _stated(b))
    if a.run is None or b.run is None:  # what only one of them can state is no change
        return [change for change in found if UNSTATED not in (change.a, change.b)]
    if (a.lineage is None) != (b.lineage is None):  # to list all of its settings tells no more
        found = [change for change in found if not change.field.startswith("trained")]
        found.append(Change("trained", *(_trainer(one) for one in (a, b))))
    return found


def _trainer(result: Result) -> str:
    if result.lineage is None:
        return UNSTATED
    return f"by {result.lineage.trainer or 'a trainer that is not recorded'}"


def what_sets_apart(a: Sequence[Result], b: Sequence[Result]) -> list[Change]:
    """List what is the same within each of two groups of results, and differs between them."""
    inside = {
        change.field
        for group in (a, b)
        for other in group[1:]
        for change in changes(_stated(group[0]), _stated(other))
    }
    return [change for change in what_changed(a[0], b[0]) if change.field not in inside]


def weight_sums(result: Result) -> tuple[str, ...]:
    """Return the checksums of a run's weights; nothing where they are not known."""
    if result.run is None:
        return ()
    suffixes = {SAFE, *PICKLED}
    files = result.run.identity.model.items()
    return tuple(sorted(one for name, one in files if PurePath(name).suffix in suffixes))


def _stated(result: Result) -> dict[str, object]:
    run = result.run
    if run is None:
        named = result.row is not None and result.row.model
        return {**({"model": {"name": named}} if named else {}), **result.settings}
    # Which problems were asked, and how often, is told by the comparison itself.
    identity = run.identity.comparable.model_dump(mode="json", exclude={"benchmarks"})
    lineage = result.lineage
    return {
        **identity,
        "grader": run.identity.shown_grader,
        "model": {"name": run.spec.model, **identity["model"]},
        "limit": run.spec.limit,
        "packages": {name: version for name, version in run.packages.items() if name != "grader"},
        "hardware": {key: str(run.hardware.get(key)) for key in ("processor", "gpus")},
        "trained": None if lineage is None else lineage.settings(),
    }
