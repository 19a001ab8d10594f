"""Writes a comparison of two recipes as text and as JSON. Pure: nothing is read or printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from harness.analysis.comparability import told_mismatches
from harness.analysis.recipes import Recipe, RecipeComparison, RecipeDifference
from harness.common.text import counted, one_line
from harness.reporting.text.layout import text_table
from harness.reporting.text.notes import result_notes
from harness.reporting.text.numbers import difference_and_interval, distance, p_value, percent
from harness.stats.power import LEVEL
from harness.stats.recipes import TEST, Forecast, GroupDifference

LISTED = 40
"""The most settings that are listed as differing; `--json` lists all."""
HEADERS = ("benchmark", "problems", "A %", "B %", "B - A", "95 % interval", "p", "p Holm", "B is")
"""The columns of the table of benchmarks."""
FEW = 5
"""Of fewer trainings it matters that those of both recipes vary about alike."""
FEW_PROBLEMS = 200
"""With fewer, simulated intervals held the truth too rarely (see docs/statistics.md)."""
CORRECTED = "Holm's correction over {} as one family"


def recipes_text(found: RecipeComparison) -> str:
    """Return the whole comparison: what to repeat, tests, trainings, and what to buy more of."""
    parts = [
        sentence(found),
        f"{_heading('A', found.a)}\n{_heading('B', found.b)}",
        text_table(difference_rows(found), HEADERS, "lrrrrrrrl"),
        "\n".join(tests(found)),
        "the accuracy of each training, in per cent:\n" + _scores(found),
        "where the uncertainty comes from, and the standard error, in points, with more data:\n"
        + text_table(split_rows(found), SPLIT_HEADERS, "l" + "r" * (len(SPLIT_HEADERS) - 1)),
        "\n".join(advice(found)),
        "\n".join([*doubts(found), *found.notes]),
        "\n".join(_setup(found)),
    ]
    return "\n\n".join(part for part in parts if part)


# --- what to repeat -------------------------------------------------------------------------


def sentence(found: RecipeComparison) -> str:
    """Return what can be told a colleague: the recipes, the verdict, and how sure it is."""
    a, b = one_line(found.a.name), one_line(found.b.name)
    whole = found.whole
    where = "on average" if found.average is not None else f"on {one_line(whole.benchmark)}"
    number = whole.found.difference.difference
    apart = (
        f"{distance(abs(number))} {'lower' if number < 0 else 'higher'}" if number else "the same"
    )
    sizes = f"{len(found.a.results)} trainings of {a} and {len(found.b.results)} of {b}"
    sure = (
        f"{apart} (95 % interval {difference_and_interval(whole.found.difference)[1]}, "
        f"{_p(whole.adjusted_p)})"
    )
    over = f"over {sizes}, the mean accuracy of {b} is {sure}"
    if whole.verdict == "no evidence":
        return (
            f"No evidence that the recipes {a} and {b} differ {where}: {over}, and other seeds or "
            "other problems could have given that."
        )
    return f"The recipe {b} is {whole.verdict} than {a} {where}: {over}."


def _p(p: float) -> str:
    written = p_value(p)
    return f"p {written[0]} {written[1:]}" if written[0] == "<" else f"p = {written}"


def _heading(letter: str, recipe: Recipe) -> str:
    runs = (
        f"{one_line(label)} ({result.id})"
        for label, result in zip(recipe.labels, recipe.results, strict=True)
    )
    return (
        f"{letter}  {one_line(recipe.name)}  {len(recipe.results)} trainings: "
        f"{', '.join(dict.fromkeys(runs))}"
    )


# --- differences ----------------------------------------------------------------------------


def all_rows(found: RecipeComparison) -> list[RecipeDifference]:
    """Return the benchmarks, and the average if there is one."""
    return [*found.rows, *([] if found.average is None else [found.average])]


def difference_rows(found: RecipeComparison) -> list[list[str]]:
    """Return the table of benchmarks, under `HEADERS`."""
    return [
        [
            row.benchmark,
            f"{row.problems:,}",
            percent(row.found.a, decimals=2),
            percent(row.found.b, decimals=2),
            *difference_and_interval(row.found.difference),
            p_value(row.found.difference.p_value),
            p_value(row.adjusted_p),
            row.verdict,
        ]
        for row in all_rows(found)
    ]


def tests(found: RecipeComparison) -> Iterator[str]:
    """Say how it was tested, and what so few trainings can show."""
    family = counted(len(found.rows), "benchmark")
    if found.average is not None:
        family += " and their average"
    yield (
        f"{TEST}; {CORRECTED.format(family)}; differences are in percentage points, and their "
        "intervals are not corrected"
    )
    sizes = [len(found.a.results), len(found.b.results)]
    if min(sizes) < FEW:
        yield (
            f"with {sizes[0]} and {sizes[1]} trainings this holds if the trainings of both recipes "
            "vary about alike"
        )
    few = [row.benchmark for row in found.rows if row.problems < FEW_PROBLEMS]
    if few:
        yield (
            f"with fewer than {FEW_PROBLEMS} problems ({', '.join(few)}) the interval is too "
            "narrow, and a difference shown too easily, if the recipes differ on few problems "
            "only, but much: there may by chance be hardly any of these"
        )
    relabelled = found.whole.found.relabelling
    text = (
        f"permutation of the trainings' labels{_average(found)}, on these problems: "
        f"{_p(relabelled.p_value)} of {relabelled.assignments:,} assignments; "
        f"{sizes[0]} against {sizes[1]} trainings cannot give less than {p_value(relabelled.floor)}"
    )
    if relabelled.floor >= LEVEL:
        text += ", so that this test alone never shows a difference at 5 %"
    yield text


def _scores(found: RecipeComparison) -> str:
    return text_table(score_rows(found), score_headers(found), "ll" + "r" * len(all_rows(found)))


def score_headers(found: RecipeComparison) -> list[str]:
    """Return the heads of `score_rows`."""
    return ["", "training", *(row.benchmark for row in all_rows(found))]


def score_rows(found: RecipeComparison) -> list[list[str]]:
    """Return each training's own accuracy on each benchmark and on average."""
    sides = (("A", found.a), ("B", found.b))
    return [
        [letter, label, *(percent(_of(row, letter)[place], decimals=2) for row in all_rows(found))]
        for letter, recipe in sides
        for place, label in enumerate(recipe.labels)
    ]


def _of(row: RecipeDifference, letter: str) -> Sequence[float]:
    return row.found.scores_a if letter == "A" else row.found.scores_b


# --- what to buy more of --------------------------------------------------------------------


SPLIT_HEADERS = (
    "benchmark", "standard error", "trainings", "problems", "both", "samples", "+1 training each",
    "2x problems", "2x samples",
)  # fmt: skip


def split_rows(found: RecipeComparison) -> list[list[str]]:
    """Return the parts of each variance, and the standard errors with more data."""
    return [_split_row(row.benchmark, row.found) for row in all_rows(found)]


def _split_row(name: str, found: GroupDifference) -> list[str]:
    split, forecast = found.split, found.forecast
    parts = (split.trainings, split.problems, split.both, split.samples)
    errors = (forecast.another_training, forecast.twice_the_problems, forecast.twice_the_samples)
    return [
        name,
        _hundredths(found.difference.standard_error),
        *(
            "?" if part is None else f"{percent(part / found.variances.total, decimals=0)} %"
            for part in parts
        ),
        *("?" if error is None else _hundredths(error) for error in errors),
    ]


def _hundredths(share: float) -> str:
    return percent(share, decimals=2)


def advice(found: RecipeComparison) -> Iterator[str]:
    """Say which of the three to buy more of, and what the columns of the split mean."""
    group = found.whole.found
    now = group.difference.standard_error
    what, error = cheapest(group.forecast)
    if error < now:
        yield (
            f"to know the difference better{_average(found)}, {what} helps most: the standard "
            f"error would be about {_hundredths(error)} points in place of {_hundredths(now)}"
        )
    yield (
        "trainings: other seeds give better or worse checkpoints; problems: the recipes differ "
        "more on some problems than on others; both: single trainings are better on single "
        "problems; samples: the answers are drawn. The shares are estimates, and rough of few "
        "trainings"
    )
    if group.split.samples is None:
        yield ("with one sample of a problem, what comes from samples cannot be told from both: ?")


def _average(found: RecipeComparison) -> str:
    return " on average" if found.average is not None else ""


def cheapest(forecast: Forecast) -> tuple[str, float]:
    """Return what lowers the standard error most, in words, and that error."""
    errors = {
        "one more training of each recipe": forecast.another_training,
        "twice as many problems": forecast.twice_the_problems,
        "twice as many samples": forecast.twice_the_samples,
    }
    known = {what: error for what, error in errors.items() if error is not None}
    what = min(known, key=known.__getitem__)
    return what, known[what]


# --- what else is to be known ---------------------------------------------------------------


def doubts(found: RecipeComparison) -> list[str]:
    """Return what must be said of each training wherever its score is shown."""
    return [
        f"{one_line(label)}: {note}"
        for recipe in (found.a, found.b)
        for label, result in zip(recipe.labels, recipe.results, strict=True)
        for note in result_notes(result)
    ]


def _setup(found: RecipeComparison) -> Iterator[str]:
    told = told_mismatches(found.mismatches, paired=True)
    if told:
        yield "NOT MEASURED ALIKE: a difference may come from these settings, not from the recipes:"
        yield from (f"  {one_line(str(change), limit=160)}" for change in told)
    rest = [change for change in found.changes if change not in found.mismatches]
    if rest:
        yield "what differs between the recipes, and is the same in all trainings of each:"
        yield from (f"  {one_line(str(change), limit=160)}" for change in rest[:LISTED])
        if len(rest) > LISTED:
            yield f"  … and {len(rest) - LISTED} more (--json)"
    elif not told:
        yield "no setting is known to differ between the recipes"


# --- JSON -----------------------------------------------------------------------------------


def recipes_fields(found: RecipeComparison) -> dict[str, Any]:
    """Return the comparison for JSON; shares, differences and standard errors are fractions."""
    family = "the benchmarks and their average" if found.average is not None else "the benchmarks"
    return {
        "sentence": sentence(found),
        "a": _recipe_fields(found.a),
        "b": _recipe_fields(found.b),
        "level": LEVEL,
        "correction": f"Holm, over {family}",
        "benchmarks": [asdict(row) for row in found.rows],
        "average": None if found.average is None else asdict(found.average),
        "obstacles": [change._asdict() for change in found.mismatches],
        "changes": [change._asdict() for change in found.changes],
        "notes": [*doubts(found), *found.notes],
    }


def _recipe_fields(recipe: Recipe) -> dict[str, Any]:
    trainings = [
        {"name": label, "run": result.id, "average": result.average}
        for label, result in zip(recipe.labels, recipe.results, strict=True)
    ]
    return {"name": recipe.name, "trainings": trainings}
