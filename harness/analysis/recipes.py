"""Is recipe B better than recipe A? Two groups of runs, each run a training of its recipe.

A comparison of two checkpoints says nothing of their recipes: another seed gives another
checkpoint. Here the trainings count as a sample, as the problems do. What would make the answer
one about something else is refused: runs that were not measured alike, one training counted twice,
and trainings of different recipes within a group.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile
from typing import NamedTuple

import numpy as np

from benchmarks import UserError
from benchmarks.hints import hint, setting
from harness.analysis.comparability import mismatches, weight_sums, what_sets_apart
from harness.analysis.compare import Conclusion, verdict
from harness.analysis.failures import affected
from harness.common.schema import Change, changes
from harness.common.text import counted, told_apart
from harness.runs.results import Result
from harness.runs.verdicts import ProblemVerdicts
from harness.stats.paired import holm
from harness.stats.recipes import (
    LEAST_PROBLEMS,
    LEAST_TRAININGS,
    GroupDifference,
    Trainings,
    compare_groups,
)

AVERAGE = "average"
"""What the plain mean over the benchmarks is called among them."""
MOST_CHANGES = 5
"""The most settings that a refusal lists: trainings by two trainers differ in a hundred."""
_SEED = re.compile(r"(^|[._-])seed$", re.IGNORECASE)
"""The end of a setting's name that holds a seed."""
_NUMBERED = re.compile(r"(seed[-_=]?)\d+", re.IGNORECASE)
"""A seed in a value, such as that of a folder."""
_ENDING = re.compile(r"[-_. ]*(seed|run|s)?[-_. ]*$", re.IGNORECASE)
"""What is left of a seed at the end of what several names begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One recipe: a name for it, and a run of each of its trainings."""

    name: str
    results: tuple[Result, ...]
    labels: tuple[str, ...]
    """What each training is called; no two alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeDifference:
    """Both recipes on one benchmark, or on average."""

    benchmark: str
    """The benchmark's name; ``average`` for the plain mean over all of them."""
    problems: int
    """How many problems every training was asked."""
    found: GroupDifference
    adjusted_p: float
    """The p-value after Holm's correction over the benchmarks and their average, as one family."""
    verdict: Conclusion


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeComparison:
    """Everything that can be said of recipe B against recipe A."""

    a: Recipe
    b: Recipe
    rows: tuple[RecipeDifference, ...]
    average: RecipeDifference | None
    """None if only one benchmark is compared."""
    changes: tuple[Change, ...]
    """What is the same in all trainings of a recipe, and differs between the two recipes."""
    mismatches: tuple[Change, ...]
    """Why the comparison is refused unless it is wanted anyway."""
    notes: tuple[str, ...]

    @property
    def whole(self) -> RecipeDifference:
        """The average, or the only benchmark."""
        return self.rows[0] if self.average is None else self.average


def compare_recipes(
    a: Sequence[Result], b: Sequence[Result], *, anyway: bool = False
) -> RecipeComparison:
    """Compare two recipes by runs of their trainings; each run is one training.

    Equal seeds on both sides are no pairs: what a seed decides is not the same in two recipes.

    Args:
        a: a run of each training of the one recipe, in the same benchmarks.
        b: a run of each training of the other one.
        anyway: also compare runs that were measured in different ways, by what they share.

    Raises:
        UserError: a recipe has fewer than two trainings, a training is given twice, a group's
            trainings are of different recipes, results are published counts, they share no
            benchmark with two problems, or, without ``anyway``, were not measured alike.
    """
    recipes = _recipe(a), _recipe(b)
    _require_trainings(*recipes)
    _require_distinct(*recipes)
    for recipe in recipes:
        _require_one_recipe(recipe)
    cells, notes = _shared_problems(a, b)  # what shares nothing cannot be compared in any way
    found = _unlike([*a, *b])
    if found and not anyway:
        raise UserError(
            "the trainings were not measured alike, so that a difference would not be the "
            f"recipes': {'; '.join(map(str, found))}. Evaluate all of them as one was, or compare "
            f"what they share all the same: {setting('allow_mismatch')}"
        )
    rows = {name: compare_groups({name: both}) for name, both in cells.items()}
    whole = compare_groups(cells) if len(cells) > 1 else None
    tested = [*rows.values(), *([] if whole is None else [whole])]
    adjusted = holm([one.difference.p_value for one in tested])
    sizes = {name: both[0].accuracies.shape[1] for name, both in cells.items()}
    judged = [
        _judged(name, sizes.get(name, sum(sizes.values())), one, p)
        for name, one, p in zip([*rows, AVERAGE][: len(tested)], tested, adjusted, strict=True)
    ]
    named = _named_apart(*recipes)
    return RecipeComparison(
        a=named[0],
        b=named[1],
        rows=tuple(judged[: len(rows)]),
        average=None if whole is None else judged[-1],
        changes=tuple(what_sets_apart(a, b)),
        mismatches=tuple(found),
        notes=(*notes, *_failed(*recipes), *_unknown(*recipes), *_same_seeds(*recipes)),
    )


def _judged(name: str, problems: int, found: GroupDifference, adjusted: float) -> RecipeDifference:
    return RecipeDifference(
        benchmark=name,
        problems=problems,
        found=found,
        adjusted_p=adjusted,
        verdict=verdict(found.difference.difference, adjusted),
    )


# --- what a recipe is called ----------------------------------------------------------------


def _recipe(results: Sequence[Result]) -> Recipe:
    names = [result.name for result in results]
    return Recipe(name=recipe_name(names), results=tuple(results), labels=tuple(told_apart(names)))


def recipe_name(names: Sequence[str]) -> str:
    """Return what the names of a recipe's trainings have in common, or all of them.

    >>> recipe_name(["demo-v1-seed1", "demo-v1-seed2"]), recipe_name(["alice", "bob"])
    ('demo-v1', 'alice, bob')
    """
    columns = takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
    common = _ENDING.sub("", "".join(letters[0] for letters in columns))
    return common if len(common) > 1 and common not in names else ", ".join(dict.fromkeys(names))


def _named_apart(a: Recipe, b: Recipe) -> tuple[Recipe, Recipe]:
    """Return the recipes under names that differ."""
    if a.name != b.name:
        return a, b
    return (
        Recipe(name=f"A ({', '.join(a.labels)})", results=a.results, labels=a.labels),
        Recipe(name=f"B ({', '.join(b.labels)})", results=b.results, labels=b.labels),
    )


# --- what is refused ------------------------------------------------------------------------


def _require_trainings(a: Recipe, b: Recipe) -> None:
    for recipe in (a, b):
        if len(recipe.results) < LEAST_TRAININGS:
            given = f"only {recipe.labels[0]}" if recipe.labels else "no run"
            raise UserError(
                "a recipe is compared by two trainings or more, with different seeds, and of one "
                f"recipe {given} was given. One training does not tell how much another seed "
                "would change, so a difference could be the seed's. Train that recipe once more, "
                f"or compare two checkpoints and not their recipes: {hint('diff RUN RUN')}"
            )
        for result in recipe.results:
            if result.run is not None and result.run.status != "complete":
                raise UserError(
                    f"{result.name} ({result.id}) is not complete: finish it with the command "
                    "that began it"
                )
            if result.verdicts is None:
                raise UserError(
                    f"of {result.name} only counts are known, and recipes are compared problem by "
                    "problem: give runs that are stored with their verdicts"
                )


def _require_distinct(a: Recipe, b: Recipe) -> None:
    """Refuse a training that is given twice: it would count as if another seed agreed with it."""
    both = sorted({one.name for one in a.results if one.id in {other.id for other in b.results}})
    if both:
        raise UserError(
            f"{', '.join(both)} {'is' if len(both) == 1 else 'are'} in both groups: a run is a "
            "training of one recipe, and would be compared with itself; leave it out of one group"
        )
    for recipe in (a, b):
        ids = [one.id for one in recipe.results]
        twice = sorted({one.name for one in recipe.results if ids.count(one.id) > 1})
        if twice:
            raise UserError(
                f"{', '.join(twice)} {'is' if len(twice) == 1 else 'are'} in one group twice: each "
                "training counts once, since only another training shows what another seed changes"
            )
    named = [
        (label, result)
        for recipe in (a, b)
        for label, result in zip(recipe.labels, recipe.results, strict=True)
    ]
    for (ours, one), (theirs, other) in combinations(named, 2):
        why = _why_same(one, other)
        if why:
            raise UserError(
                f"{ours} ({one.id}) and {theirs} ({other.id}) are one training: {why}. Each "
                "training counts once, since only another training shows what another seed "
                "changes; give one run of each"
            )


def _why_same(one: Result, other: Result) -> str:
    """Say why two results are of the same training; an empty text if they need not be."""
    if one.run is None or other.run is None:
        return ""
    weights = weight_sums(one), weight_sums(other)
    if weights[0] and weights[0] == weights[1]:
        return "they have the same weights"
    if not any(weights) and one.run.saved is None and other.run.saved is None:
        models = one.run.spec.model, other.run.spec.model
        revisions = one.run.spec.revision, other.run.spec.revision
        if models[0] == models[1] and revisions[0] == revisions[1]:
            return f"both are of the model {models[0]}"
    if one.run.verdicts_sum == other.run.verdicts_sum and (one.run.saved or other.run.saved):
        return "their verdicts are the same file"
    return ""


def _require_one_recipe(recipe: Recipe) -> None:
    """Refuse a group whose trainings, as far as their lineage says, followed different recipes."""
    first, *others = zip(recipe.labels, recipe.results, strict=True)
    for label, other in others:
        found = recipe_changes(first[1], other)
        if found:
            raise UserError(
                f"{first[0]} and {label} are given as trainings of one recipe, and were trained "
                f"in different ways: {_first_of(found)}. Within a recipe only the seed "
                "may differ, and what follows from it; give the trainings of each recipe apart"
            )


def _first_of(found: Sequence[Change]) -> str:
    """Return the first changes, and how many more there are."""
    shown = "; ".join(map(str, found[:MOST_CHANGES]))
    more = len(found) - MOST_CHANGES
    return f"{shown}; and {counted(more, 'more setting')}" if more > 0 else shown


def recipe_changes(a: Result, b: Result) -> list[Change]:
    """List the settings in which two trainings differ: not the seed, nor what follows from it.

    Packages may differ, too; they are told, and do not make another recipe. Where the checksums of
    the starting model are known, its name is only where it was kept.
    """
    if a.lineage is None or b.lineage is None:
        return []
    sides = [lineage.settings() for lineage in (a.lineage, b.lineage)]
    apart = [change for change in changes(*sides) if not change.field.startswith("packages.")]
    if all(side["base_model"].get("files") for side in sides):
        apart = [change for change in apart if change.field != "base_model.name"]
    return [
        change
        for change in apart
        if not _SEED.search(change.field)
        and _NUMBERED.sub(r"\1", change.a) != _NUMBERED.sub(r"\1", change.b)
    ]


def _unlike(results: Sequence[Result]) -> list[Change]:
    """List, each once, in what any of the results was measured otherwise than the first."""
    first, *others = results
    return list(dict.fromkeys(change for other in others for change in mismatches(first, other)))


# --- what has to be said --------------------------------------------------------------------


def _failed(a: Recipe, b: Recipe) -> list[str]:
    """Say of how many samples the outcome says nothing of the model."""
    failed = {
        label: sum(map(affected, result.scores.values()))
        for recipe in (a, b)
        for label, result in zip(recipe.labels, recipe.results, strict=True)
    }
    said = [f"{count:,} samples of {label}" for label, count in failed.items() if count]
    if not said:
        return []
    return [
        f"the engine or the grader failed on {', '.join(said)}: these count as not correct, and "
        "whether the verdict depends on them is not checked"
    ]


def _unknown(a: Recipe, b: Recipe) -> list[str]:
    """Say of which trainings nothing but their names tells what recipe they followed."""
    missing = [
        label
        for recipe in (a, b)
        for label, result in zip(recipe.labels, recipe.results, strict=True)
        if result.lineage is None
    ]
    if not missing:
        return []
    return [
        f"how {', '.join(missing)} {'was' if len(missing) == 1 else 'were'} trained is not "
        "recorded: that the trainings of each group had one recipe is not checked"
    ]


def _same_seeds(a: Recipe, b: Recipe) -> list[str]:
    """Name trainings of one recipe that had the same seed: what they share may be the seed's."""
    notes = []
    for recipe in (a, b):
        for (ours, one), (theirs, other) in combinations(
            zip(recipe.labels, recipe.results, strict=True), 2
        ):
            seeds = training_seeds(one), training_seeds(other)
            if seeds[0] and seeds[0] == seeds[1]:
                notes.append(
                    f"{ours} and {theirs} were trained with the same seed: if they are alike for "
                    "that reason, the trainings differ more than it seems"
                )
    return notes


def training_seeds(result: Result) -> dict[str, str]:
    """Return the seeds of a training by the names of their settings; nothing if none is known."""
    if result.lineage is None:
        return {}
    found = changes(result.lineage.settings(), {})
    return {change.field: change.a for change in found if _SEED.search(change.field)}


# --- the data -------------------------------------------------------------------------------


class _Asked(NamedTuple):
    """A problem by its id and its checksum: an id may be asked with other words."""

    problem_id: str
    sum: str


def _shared_problems(
    a: Sequence[Result], b: Sequence[Result]
) -> tuple[dict[str, tuple[Trainings, Trainings]], list[str]]:
    """Return the accuracies of every benchmark that all share, and what is left out."""
    results = [*a, *b]
    names = [name for name in results[0].scores if all(name in one.scores for one in results)]
    cells, notes = {}, []
    for name in names:
        tables = [_by_problem(result, name) for result in results]
        asked = dict.fromkeys(key for table in tables for key in table)
        kept = [key for key in asked if all(key in table for table in tables)]
        if len(kept) < LEAST_PROBLEMS:
            notes.append(
                f"{name}: {counted(len(kept), 'problem')} in all trainings, fewer than "
                f"{LEAST_PROBLEMS}, so it is left out"
            )
            continue
        if len(kept) < len(asked):
            left = len(asked) - len(kept)
            notes.append(
                f"{name}: the {counted(len(kept), 'problem')} in all trainings; {left:,} left out"
            )
        cells[name] = _trainings(tables[: len(a)], kept), _trainings(tables[len(a) :], kept)
    if not cells:
        raise UserError(
            "the trainings share no benchmark of which all were asked two problems or more: "
            + "; ".join(f"{one.name}: {', '.join(sorted(one.scores))}" for one in results)
        )
    return cells, notes


def _by_problem(result: Result, benchmark: str) -> dict[_Asked, ProblemVerdicts]:
    rows = (result.verdicts or {}).get(benchmark, [])
    return {_Asked(row.problem_id, row.sum): row for row in rows if row.samples}


def _trainings(
    tables: Sequence[Mapping[_Asked, ProblemVerdicts]], kept: Sequence[_Asked]
) -> Trainings:
    correct = np.array([[table[key].correct for key in kept] for table in tables])
    samples = np.array([[table[key].samples for key in kept] for table in tables])
    return Trainings(correct / samples, samples)
