"""A comparison in a sentence that a person can repeat to a colleague. Pure: nothing is printed."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.hints import hint
from harness.analysis.comparability import told_mismatches, weight_sums
from harness.analysis.compare import AverageDifference, BenchmarkDifference, Comparison
from harness.analysis.gate import AVERAGE, Gate
from harness.analysis.recipes import recipe_changes, training_seeds
from harness.common.text import counted, one_line
from harness.reporting.text.notes import result_notes
from harness.reporting.text.numbers import (
    margin_points,
    p_value,
    percent,
    points,
)
from harness.runs.results import Result
from harness.runs.scores import BenchmarkScore

STANDING_OUT = ("better", "worse", "withheld")
"""The verdicts on a benchmark for which it is named; of the others only the number is told."""


def sentence(found: Comparison) -> str:
    """Return what the comparison says, of several benchmarks about their average first."""
    parts = [f"{_claim(found)}: {_numbers(found)}; {_data(found)}{_unseen(found)}."]
    if found.average is not None:
        parts.append(_standing_out(found.rows))
    row = _row(found)
    if row.verdict == "withheld" and row.margin is not None and row.margin.verdict != "withheld":
        parts.append(
            "Whether it is better or worse depends on samples on which the engine or the grader "
            "failed."
        )
    if told_mismatches(found.mismatches, paired=found.paired):
        parts.append("They were not measured alike, so the difference need not be the models'.")
    if any(note.startswith("NOT TO BE TRUSTED") for note in _notes(found)):
        parts.append("A score is not to be trusted, as is said below.")
    return " ".join(parts)


def about_checkpoints(found: Comparison) -> str:
    """Say of two checkpoints that were each trained once that their recipes are not compared."""
    if not found.of_single_trainings:
        return ""
    for start, trained in ((found.a, found.b), (found.b, found.a)):
        if _starts(start, trained):
            return (
                f"{one_line(trained.name)} was trained from {one_line(start.name)}, and this is "
                "about that one training: with another seed it could come out otherwise."
            )
    recorded = all(one.lineage is not None and one.lineage.recipe for one in (found.a, found.b))
    if recorded and not recipe_changes(found.a, found.b):
        seeds = training_seeds(found.a) != training_seeds(found.b)
        return f"These are two trainings of one recipe{': they differ by their seeds' * seeds}."
    return (
        "This compares two checkpoints, each of them one training of its recipe, and not the "
        "recipes: trained again with another seed, either could come out otherwise. To compare "
        "recipes, name several trainings of each, as in: "
        f"{hint('diff A-SEED1,A-SEED2 B-SEED1,B-SEED2')}"
    )


def _starts(start: Result, trained: Result) -> bool:
    """Say whether the lineage of one names the weights of the other as those it began with."""
    files = {} if trained.lineage is None else trained.lineage.base_model.get("files")
    known = set(files.values()) if isinstance(files, dict) else set()
    weights = set(weight_sums(start))
    return bool(weights) and weights <= known


def named_rows(found: Comparison) -> list[tuple[str, BenchmarkDifference | AverageDifference]]:
    """Return every benchmark's row under its name, and then the average's if there is one."""
    rows: list[tuple[str, BenchmarkDifference | AverageDifference]] = [
        (row.benchmark, row) for row in found.rows
    ]
    return rows if found.average is None else [*rows, (AVERAGE, found.average)]


def claim_text(row: BenchmarkDifference | AverageDifference, margin: float) -> str:
    """Return in words what is shown of a margin."""
    found = row.margin
    if found is None:
        return ""
    if found.verdict in ("better", "worse"):
        return found.verdict + f", by less than {margin_points(margin)}" * bool(found.same)
    words = {"same": f"the same within {margin_points(margin)}"}
    words["not worse"] = f"not worse by {margin_points(margin)}"
    if found.verdict == "undecided" and not found.same_problems:
        return "undecided: not the same problems"
    return words.get(found.verdict, found.verdict)


def _row(found: Comparison) -> BenchmarkDifference | AverageDifference:
    return found.rows[0] if found.average is None else found.average


def _where(found: Comparison) -> str:
    if found.average is None:
        return f"on {found.rows[0].benchmark}"
    return f"on average over {counted(len(found.rows), 'benchmark')}"


def _claim(found: Comparison) -> str:
    a, b, row, where = one_line(found.a.name), one_line(found.b.name), _row(found), _where(found)
    margin = margin_points(found.margin) if found.margin is not None else ""
    word = row.verdict if row.margin is None else row.margin.verdict
    claims = {
        "better": f"{b} is better than {a} {where}",
        "worse": f"{b} is worse than {a} {where}",
        "same": f"{b} is the same as {a} within {margin} {where}",
        "not worse": f"{b} is not worse than {a} by {margin} or more {where}",
        "no evidence": f"{b} and {a} cannot be told apart {where}",
        "undecided": f"{b} and {a} cannot be told apart {where}, and are not shown to be the "
        f"same within {margin}",
        "withheld": f"nothing is concluded about {b} against {a} {where}, because the verdict "
        "depends on samples on which the engine or the grader failed",
    }
    # Names may begin with a small letter; our own words do not.
    text = claims[word]
    return text[:1].upper() + text[1:] if word == "withheld" else text


def _numbers(found: Comparison) -> str:
    row = _row(found)
    a, b = (
        (row.a, row.b) if isinstance(row, AverageDifference) else (row.a.accuracy, row.b.accuracy)
    )
    difference, margin = row.difference, row.margin
    level, low, high, p = 95, difference.low, difference.high, row.adjusted_p
    if margin is not None and margin.verdict in ("same", "not worse"):
        same = margin.verdict == "same"
        p = margin.adjusted_p_same if same else margin.adjusted_p_not_worse
        level, low, high = 90, margin.test.low, margin.test.high
    return (
        f"{percent(b)} % against {percent(a)} %, {points(difference.difference)} points "
        f"({level} % interval {points(low)} to {points(high)}), "
        f"{'corrected ' * (found.average is not None)}p {_equals(p)}"
    )


def _equals(p: float) -> str:
    text = p_value(p)
    return f"{text[0]} {text[1:]}" if text.startswith("<") else f"= {text}"


def _data(found: Comparison) -> str:
    a, b = _each([row.a for row in found.rows]), _each([row.b for row in found.rows])
    problems = counted(sum(row.a.problems for row in found.rows), "problem")
    if not found.paired:
        theirs = counted(sum(row.b.problems for row in found.rows), "problem")
        sizes = problems if problems == theirs else f"{problems} against {theirs}"
        return f"from counts, {sizes}"
    if a == b:
        return f"{problems}, {a} each"
    return f"{problems}, {a} each of A and {b} of B"


def _each(scores: Sequence[BenchmarkScore]) -> str:
    """Return how many samples a problem has."""
    counts = sorted({score.samples / score.problems for score in scores})
    few, many = counts[0], counts[-1]
    if few == many and few.is_integer():
        return counted(int(few), "sample")
    return f"{few:.3g} to {many:.3g} samples" if few != many else f"{few:.3g} samples"


def _unseen(found: Comparison) -> str:
    """Say which true differences the data do not exclude, where they show none."""
    row = _row(found)
    word = row.verdict if row.margin is None else row.margin.verdict
    if word not in ("no evidence", "undecided"):
        return ""
    low, high = row.difference.low, row.difference.high
    return (
        f"; true differences from {points(low)} to {points(high)} points are compatible with the "
        "data"
    )


def _standing_out(rows: Sequence[BenchmarkDifference]) -> str:
    parts = []
    for word in STANDING_OUT:
        named = [
            f"{row.benchmark} ({points(row.difference.difference)})"
            for row in rows
            if row.verdict == word
        ]
        if named:
            parts.append(f"{word} on {', '.join(named)}")
    if not parts:
        return "No benchmark stands out."
    rest = sum(row.verdict not in STANDING_OUT for row in rows)
    if rest:
        parts.append(f"no evidence on the other {rest}" if rest > 1 else "no evidence on the other")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def _notes(found: Comparison) -> list[str]:
    return [note for result in (found.a, found.b) for note in result_notes(result)]


def gate_text(found: Gate) -> str:
    """Say in a line whether the gate holds, and why."""
    margin = margin_points(found.margin) if found.margin is not None else ""
    asked = {
        "better": "better than A",
        "not-worse": f"not worse than A by {margin} or more",
        "same": f"the same as A within {margin}",
    }[found.asked]
    where = "on average" if found.about == AVERAGE else f"on {found.about}"
    if found.withheld:
        why = (
            f"whether B is {asked} {where} depends on samples on which the engine or the grader "
            "failed, so the verdict is withheld"
        )
    else:
        why = (
            f"{where} B is {asked} " if found.holds else f"that B is {asked} {where} is not shown "
        )
        why += f"(p {_equals(found.p_value)})"
        if not found.holds and not found.same_problems:
            why += "; the two did not have the same problems, so their counts cannot show it"
    return f"gate {found.asked}: {'holds' if found.holds else 'DOES NOT HOLD'}: {why}"
