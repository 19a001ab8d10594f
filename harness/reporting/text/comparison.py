"""Writes a comparison as text and as JSON. Pure: nothing is read and nothing is printed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Literal

from harness.analysis.comparability import told_mismatches
from harness.analysis.compare import (
    AverageDifference,
    BenchmarkDifference,
    ChangedProblem,
    Comparison,
)
from harness.analysis.failures import FailureCheck
from harness.analysis.gate import AVERAGE, Gate
from harness.common.schema import Change
from harness.common.text import counted, one_line
from harness.reporting.text.layout import text_table
from harness.reporting.text.notes import result_notes
from harness.reporting.text.numbers import (
    LOOPING,
    contradiction,
    correct_of,
    count,
    difference_and_interval,
    distance,
    margin_points,
    p_value,
    percent,
    points,
    probability,
)
from harness.reporting.text.sentence import (
    about_checkpoints,
    claim_text,
    gate_text,
    named_rows,
    sentence,
)
from harness.runs.results import Result
from harness.runs.scores import BenchmarkScore
from harness.stats.power import LEVEL, POWER

LISTED = 40
"""The most settings that are listed as differing; `--json` lists all."""
RECIPE = "trained.recipe."
"""How the name of a training's setting begins."""
RECIPE_LISTED = 9
"""The most of those that are listed: the recipes of two trainers share hardly any setting."""
DECISIVE = (
    "custom_reward_function.name", "adv_estimator", "rollout.n", "lr", "train_batch_size",
    "total_epochs", "total_training_steps", "max_response_length", "max_length", "temperature",
    "kl_loss_coef", "use_kl_loss", "ppo_mini_batch_size", "ppo_epochs", "lr_warmup_steps",
    "lr_warmup_steps_ratio", "min_lr_ratio", "max_prompt_length", "seed",
)  # fmt: skip
"""How the names of the settings end that decide most about a training, the first ones most."""


def comparison_text(found: Comparison) -> str:
    """Return the whole comparison: scores, tests, what the data could show, what else differs."""
    parts = [
        "\n".join(filter(None, [sentence(found), about_checkpoints(found)])),
        _heading("A", found.a) + "\n" + _heading("B", found.b),
        _table(found),
        "\n".join(_tests(found)),
        *_section("", _margins(found)),
        *_section("", failure_lines(found)),
        *_section("no evidence is not evidence of no difference:", _sizes(found)),
        *_section("", _behaviour(found)),
        *_section("", [*_doubts(found), *found.notes]),
        "\n".join(_setup(found)),
    ]
    return "\n\n".join(part for part in parts if part)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    indent = "  " if title else ""
    return ["\n".join([*([title] if title else []), *(indent + line for line in lines)])] * bool(
        lines
    )


def _heading(letter: str, result: Result) -> str:
    if result.source is not None and result.row is not None:
        about = f"published: {one_line(result.source.title, limit=100)}"
    else:
        about = result.id
    return f"{letter}  {one_line(result.name)}  {about}"


def _table(found: Comparison) -> str:
    headers = [
        "benchmark", "A", "A %", "B", "B %", "B - A", "95 % interval", "p", "p Holm", "P(B > A)",
        "B is",
    ]  # fmt: skip
    rows = [
        [
            row.benchmark,
            correct_of(row.a.correct, row.a.samples),
            percent(row.a.accuracy, decimals=2),
            correct_of(row.b.correct, row.b.samples),
            percent(row.b.accuracy, decimals=2),
            *difference_and_interval(row.difference),
            p_value(row.difference.p_value),
            p_value(row.adjusted_p),
            probability(row.probability),
            row.verdict,
        ]
        for row in found.rows
    ]
    if found.average is not None:
        average = found.average
        shares = [percent(average.a, decimals=3), "", percent(average.b, decimals=3)]
        p = p_value(average.difference.p_value)
        rows.append(
            [
                "average",
                "",
                *shares,
                *difference_and_interval(average.difference),
                p,
                p_value(average.adjusted_p),
                probability(average.probability),
                average.verdict,
            ]
        )
    return text_table(rows, headers, "lrrrrrrrrrl")


def _margins(found: Comparison) -> list[str]:
    """Return a table of what is shown of the margin, if one was given."""
    margin = found.margin
    if margin is None:
        return []
    named = named_rows(found)
    rows = [
        [
            name,
            points(row.difference.difference),
            f"[{points(test.test.low)}, {points(test.test.high)}]",
            p_value(test.test.p_not_worse),
            p_value(test.adjusted_p_not_worse),
            p_value(test.test.p_same),
            p_value(test.adjusted_p_same),
            claim_text(row, margin),
        ]
        for name, row in named
        if (test := row.margin) is not None
    ]
    headers = [
        "benchmark", "B - A", "90 % interval", "p not worse", "p Holm", "p same", "p Holm",
        f"at a margin of {margin_points(margin)} B is",
    ]  # fmt: skip
    methods = dict.fromkeys(row.margin.test.method for _, row in named if row.margin is not None)
    return [
        *text_table(rows, headers, "lrrrrrrl").splitlines(),
        "",
        f"two one-sided tests at 5 % each: {'; '.join(methods)}; Holm's correction over all rows",
    ]


def failure_lines(found: Comparison) -> list[str]:
    """Say what the samples do to the verdicts on which the engine or the grader failed."""
    checks = [(name, row.failures) for name, row in named_rows(found) if row.failures is not None]
    lines = [
        f"VERDICT WITHHELD: {name}: {_failed(check)}: {'; '.join(_otherwise(check))}"
        for name, check in checks
        if check.decide
    ]
    unsettled = [
        f"{name}: {_failed(row.failures)}"
        for name, row in named_rows(found)
        if row.failures is not None
        and not row.failures.decide
        and row.margin is not None
        and None in (row.margin.same, row.margin.not_worse)
    ]
    lines += [
        f"MARGIN WITHHELD: {text}: what is shown of the margin depends on how these are counted"
        for text in unsettled
    ]
    harmless = [
        text
        for name, check in checks
        if not check.decide and name != AVERAGE
        if (text := f"{name}: {_failed(check)}") not in unsettled
    ]
    if harmless:
        lines.append(
            f"{'; '.join(harmless)}: the verdict is the same however these samples are counted"
        )
    return lines


def _failed(check: FailureCheck) -> str:
    sides = [f"{n:,} of {side}'s" for side, n in (("A", check.a), ("B", check.b)) if n]
    # A verdict can also turn by the correction for other benchmarks, on which samples failed.
    where = " and ".join(sides) + " samples" if sides else "samples of other benchmarks"
    return f"the engine or the grader failed on {where}"


def _otherwise(check: FailureCheck) -> Iterator[str]:
    """Yield the verdict for each way of counting the samples that failed."""
    ways = {"counted as not correct": check.as_counted, "left out": check.left_out}
    if check.a and not check.b:
        ways["counted as correct"] = check.best_for_a
    elif check.b and not check.a:
        ways["counted as correct"] = check.best_for_b
    else:
        ways["with only A's counted as correct"] = check.best_for_a
        ways["with only B's counted as correct"] = check.best_for_b
    for way, verdict in ways.items():
        yield f"{way}, {verdict or 'nothing is left to compare'}"


def _tests(found: Comparison) -> Iterator[str]:
    tests = dict.fromkeys(row.difference.test for row in found.rows)
    how = "paired, problem by problem" if found.paired else "unpaired, from counts"
    yield (
        f"{how}: {'; '.join(tests)}; Holm's correction over {family(found)}; "
        "differences are in percentage points, and their intervals are not corrected"
    )
    if found.average is not None:
        average = found.average.difference
        yield (
            f"average: the plain mean of the benchmarks; {average.test}; interval: "
            f"{average.interval_method}"
        )
    yield from puzzles(found)


def family(found: Comparison) -> str:
    """Return what the correction for several tests is over.

    Together with the average, if there is one: so no verdict of the comparison is outside.
    """
    benchmarks = counted(len(found.rows), "benchmark")
    return benchmarks if found.average is None else f"{benchmarks} and their average"


def puzzles(found: Comparison) -> Iterator[str]:
    """Yield an explanation where a verdict and the interval beside it seem to disagree."""
    seen = {contradiction(row.difference, row.verdict) for row in found.rows}
    if found.average is not None:
        seen.add(contradiction(found.average.difference, found.average.verdict))
    if "outside" in seen:
        yield (
            "an interval can exclude 0 where the test, which is corrected for the number of tests, "
            "finds no evidence"
        )
    if "inside" in seen:
        yield (
            "an interval can hold 0 where the test says better or worse: the test asks whether the "
            "two differ on these problems, and the interval is about all problems of this kind"
        )


def _sizes(found: Comparison) -> list[str]:
    """Say how large a difference the data could have shown where they show none."""
    lines = [_size(row) for row in found.rows if row.verdict == "no evidence"]
    average = found.average
    if average is not None and average.verdict == "no evidence":
        lines.append(
            f"average: these problems can show a true difference of {distance(average.detectable)}"
            if average.detectable < 1
            else "average: these problems are too few to show any difference"
        )
    return lines


def _size(row: BenchmarkDifference) -> str:
    unequal = row.a.problems != row.b.problems
    few = counted(row.a.problems, "problem")
    if unequal:  # from counts
        few = f"{row.a.problems:,} against {counted(row.b.problems, 'problem')}"
    if row.detectable >= 1:
        verb = "is" if row.a.problems == 1 and not unequal else "are"
        return f"{row.benchmark}: {few} {verb} too few to show any difference"
    text = f"{row.benchmark}: {few} can show a true difference of {distance(row.detectable)}"
    if row.problems_needed is None:
        return text
    text += (
        f"; to show one of {distance(abs(row.difference.difference))} takes "
        f"{row.problems_needed:,} problems{' on both sides' * unequal}"
    )
    if row.samples_needed is not None:
        text += f", or {row.samples_needed:,} samples of each of these problems"
    return text


def _behaviour(found: Comparison) -> list[str]:
    """Return a table of how the responses changed, of benchmarks with samples on both sides."""
    shown = [row for row in found.rows if row.a.outcomes is not None and row.b.outcomes is not None]
    cut = any((side.outcomes or {}).get("truncated") for row in shown for side in (row.a, row.b))
    rows = [
        [
            row.benchmark,
            f"{len(row.fixed)} / {len(row.broken)}",
            _move(row.a.share_at_limit, row.b.share_at_limit, percent, " %"),
            *([_move(row.a.share_looping, row.b.share_looping, percent, " %")] if cut else []),
            _move(row.a.share_without_answer, row.b.share_without_answer, percent, " %"),
            _move(row.a.mean_tokens, row.b.mean_tokens, count, ""),
        ]
        for row in shown
    ]
    if not rows:
        return []
    headers = [
        "benchmark", "fixed / broken", "at token limit", *([LOOPING] * cut), "no answer",
        "mean tokens",
    ]  # fmt: skip
    return text_table(rows, headers, "lrrrr" + "r" * cut).splitlines()


def _move(a: float | None, b: float | None, written: Callable[[float], str], unit: str) -> str:
    if a is None and b is None:
        return "-"
    return f"{_or_unknown(a, written)} -> {_or_unknown(b, written)}{unit}"


def _or_unknown(value: float | None, written: Callable[[float], str]) -> str:
    return "-" if value is None else written(value)


def _setup(found: Comparison) -> Iterator[str]:
    """Yield what differs besides the scores: first the settings that make the two incomparable."""
    told = told_mismatches(found.mismatches, paired=found.paired)
    if told:
        yield "NOT MEASURED ALIKE: a difference may come from these settings, not from the model:"
        yield from (f"  {line}" for line in _changes(told))
    rest = [change for change in found.changes if change not in found.mismatches]
    if found.a.run is None or found.b.run is None:
        yield "settings that were not published (prompt, sampling, grader) may differ too"
    if rest:
        yield "what differs between the two:"
        shown = _decisive(rest)
        yield from (f"  {line}" for line in _changes(shown[:LISTED]))
        if len(rest) > len(shown):
            yield f"  … and {len(rest) - len(shown)} more settings of the recipes (--json)"
        if len(shown) > LISTED:
            yield f"  … and {len(shown) - LISTED} more (--json)"
    elif not told and found.a.run is not None and found.b.run is not None:
        yield "no setting is known to differ between the two"


def _decisive(changes: Sequence[Change]) -> list[Change]:
    """Return all changes but the recipes', and of those the few that decide most."""
    recipe = [change for change in changes if change.field.startswith(RECIPE)]
    if len(recipe) <= RECIPE_LISTED:
        return list(changes)
    kept = sorted(recipe, key=_rank)[:RECIPE_LISTED]
    return [change for change in changes if change not in recipe] + kept


def _rank(change: Change) -> int:
    """Return the place of a setting among those that decide much."""
    ends = [place for place, end in enumerate(DECISIVE) if change.field.endswith(f".{end}")]
    return min(ends, default=len(DECISIVE))


def _doubts(found: Comparison) -> list[str]:
    """Return what must be said of each side wherever its scores are shown."""
    sides = (("A", found.a), ("B", found.b))
    return [f"{letter}: {note}" for letter, result in sides for note in result_notes(result)]


def _changes(changes: Sequence[Change]) -> Iterator[str]:
    for change in changes:
        yield one_line(str(change), limit=160)


def flips_text(found: Comparison, which: Literal["fixed", "broken"], limit: int) -> str:
    """Return the problems that B gets right and A does not, or the reverse, with both answers."""
    flips = [flip for row in found.rows for flip in getattr(row, which)]
    if not flips:
        return f"no problem is {which}"
    rows = [_flip_row(flip) for flip in flips[:limit]]
    headers = ["problem", "A", "A's answer", "B", "B's answer"]
    table = text_table(rows, headers)
    more = f"\n… and {len(flips) - limit} more (--rows)" if len(flips) > limit else ""
    return f"{counted(len(flips), 'problem')} {which}:\n{table}{more}"


def _flip_row(flip: ChangedProblem) -> list[str]:
    return [
        one_line(flip.problem_id),
        f"{flip.before:.2g}",
        one_line(flip.answer_a, limit=36) or "-",
        f"{flip.after:.2g}",
        one_line(flip.answer_b, limit=36) or "-",
    ]


def comparison_fields(found: Comparison) -> dict[str, Any]:
    """Return the comparison for JSON; shares and differences are fractions."""
    return {
        "sentence": sentence(found),
        "about_checkpoints": about_checkpoints(found) or None,
        "a": _result_fields(found.a),
        "b": _result_fields(found.b),
        "paired": found.paired,
        "level": LEVEL,
        "correction": f"Holm, over {family(found)}",
        "power": POWER,
        "margin": found.margin,
        "benchmarks": [_row_fields(row) for row in found.rows],
        "average": None if found.average is None else _verdict_fields(found.average),
        "obstacles": [change._asdict() for change in found.mismatches],
        "changes": [change._asdict() for change in found.changes],
        "notes": [*_doubts(found), *found.notes],
    }


def gate_fields(found: Gate | None) -> dict[str, Any] | None:
    """Return a gate for JSON, with the reason in words."""
    return None if found is None else {**asdict(found), "reason": gate_text(found)}


def _row_fields(row: BenchmarkDifference) -> dict[str, Any]:
    return {
        **_verdict_fields(row),
        "a": _score_fields(row.a),
        "b": _score_fields(row.b),
    }


def _verdict_fields(row: BenchmarkDifference | AverageDifference) -> dict[str, Any]:
    fields = asdict(row)
    if row.failures is not None:
        fields["failures"]["decide"] = row.failures.decide
    return fields


def _score_fields(score: BenchmarkScore) -> dict[str, Any]:
    return {
        "problems": score.problems,
        "samples": score.samples,
        "correct": score.correct,
        "accuracy": score.accuracy,
        "interval": asdict(score.interval),
        "at_limit": score.share_at_limit,
        "looping": score.share_looping,
        "no_answer": score.share_without_answer,
        "mean_tokens": score.mean_tokens,
    }


def _result_fields(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "id": result.id,
        "source": None if result.source is None else result.source.title,
        "average": result.average,
    }
