"""Writes a comparison of many runs as text and as JSON. Pure: nothing is read or printed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from harness.analysis.comparability import told_mismatches
from harness.analysis.many import AgainstBase, ManyComparison, Standing, Winner
from harness.common.schema import Change
from harness.common.text import counted, one_line
from harness.reporting.text.layout import text_table
from harness.reporting.text.notes import result_notes
from harness.reporting.text.numbers import interval, p_value, percent, points
from harness.runs.results import Result
from harness.stats.many import DRAWS, SPLITS
from harness.stats.power import LEVEL

LISTED = 8
"""The most names that a sentence lists."""
MOST_MISMATCHES = 10
"""The most pairs not measured alike that are listed; `--json` lists all."""


def many_text(found: ManyComparison) -> str:
    """Return the whole comparison: the finding in a sentence, the table, how it was tested."""
    parts = [
        "\n".join(many_sentences(found)),
        many_table(found),
        "\n".join(_tests(found)),
        "\n".join([*_doubts(found), *found.notes]),
        "\n".join(many_mismatches(found)),
    ]
    return "\n\n".join(part for part in parts if part)


# --- in words -------------------------------------------------------------------------------


def many_sentences(found: ManyComparison) -> Iterator[str]:
    """Yield what was found: the verdicts in a sentence, and what the highest average is worth."""
    if found.base is None:
        yield _best(found)
    else:
        yield _verdicts(found, found.base)
    if _chosen(found):
        yield _winner(found)


def _chosen(found: ManyComparison) -> bool:
    """Say whether the highest was chosen of several: the only run besides a base was not."""
    return len(found.runs) > 1


def _best(found: ManyComparison) -> str:
    possible = found.winner.possible
    if found.winner.certain:
        best = one_line(possible[0].name)
        others = len(found.runs) - 1
        rest = "the other run" if others == 1 else f"each of the {others:,} other runs"
        return f"{best} is the best: it is better than {rest}"
    names = _listed([one.name for one in _by_average(found, possible)])
    return (
        f"which run is the best cannot be said: nothing is found better than any of these "
        f"{len(possible)}: {names}"
    )


def _by_average(found: ManyComparison, results: Sequence[Result]) -> list[Result]:
    ids = {one.id for one in results}
    return [one.result for one in found.runs if one.result.id in ids]


def _verdicts(found: ManyComparison, base: Standing) -> str:
    parts = []
    for word in ("better", "worse", "withheld", "no evidence"):
        names = [
            one.result.name
            for one in found.runs
            if one.against_base is not None and one.against_base.verdict == word
        ]
        if names:
            parts.append(f"{word}: {_listed(names)}")
    return f"against {one_line(base.result.name)}: {'; '.join(parts)}"


def _winner(found: ManyComparison) -> str:
    """Say what the highest average is worth where it did not choose itself."""
    winner, base = found.winner, found.base
    names = _listed([one.name for one in _by_average(found, winner.results)])
    verb = "have" if len(winner.results) > 1 else "has"
    if base is None:
        naive, what = f"{percent(winner.naive, decimals=2)} %", "average"
        written = None if winner.corrected is None else f"{percent(winner.corrected, decimals=2)} %"
    else:
        naive = f"{points(winner.naive)} points against {one_line(base.result.name)}"
        what = "difference"
        written = None if winner.corrected is None else f"{points(winner.corrected)} points"
    text = f"{names} {verb} the highest {what}, {naive}"
    if written is None or winner.chosen is None:
        return f"{text}; how much of it is luck is not known: a benchmark has a single problem"
    return (
        f"{text}; {written} where the highest is chosen on one half of the problems and scored on "
        f"the other (it is chosen on {percent(winner.chosen, decimals=0)} % of the halves)"
    )


def _listed(names: Sequence[str]) -> str:
    shown = [one_line(name) for name in names[:LISTED]]
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(shown) + more


# --- the table ------------------------------------------------------------------------------


def many_table(found: ManyComparison) -> str:
    """Return one row a run, the highest average first."""
    return text_table(many_rows(found), many_headers(found), _ALIGN[found.base is not None])


_ALIGN = {True: "lrrrrrrll", False: "rlrrll"}


def many_headers(found: ManyComparison) -> list[str]:
    """Return the heads of the table's columns."""
    if found.base is None:
        return ["rank", "run", f"{_measure(found)} %", "95 % interval", "better than", "id"]
    return [
        "run", f"{_measure(found)} %", "95 % interval", "- base", "joint 95 %", "p", "p adjusted",
        "run is", "id",
    ]  # fmt: skip


def _measure(found: ManyComparison) -> str:
    return "average" if len(found.benchmarks) > 1 else "accuracy"


def many_rows(found: ManyComparison) -> list[list[str]]:
    """Return the cells of the table; with a base it is the first row."""
    if found.base is None:
        return [_ranked_row(one, len(found.runs)) for one in found.runs]
    base = [*_alone(found.base), *[""] * 4, "the base", found.base.result.id]
    return [base, *(_against_row(one, one.against_base) for one in found.runs)]


def _alone(one: Standing) -> list[str]:
    return [one.result.name, percent(one.average, decimals=2), interval(one.interval)]


def _ranked_row(one: Standing, runs: int) -> list[str]:
    fewer = f"{len(one.better_than)} of {runs - 1}" if one.better_than else "none"
    return [rank_interval(one), *_alone(one), fewer, one.result.id]


def rank_interval(one: Standing) -> str:
    """Return the ranks that a run may have, as ``1`` or ``1-3``; empty where there is a base."""
    if one.ranks is None:
        return ""
    low, high = one.ranks
    return f"{low}" if low == high else f"{low}-{high}"


def _against_row(one: Standing, against: AgainstBase | None) -> list[str]:
    if against is None:
        return [*_alone(one), *[""] * 5, one.result.id]
    return [
        *_alone(one),
        points(against.difference),
        joint_interval(against),
        p_value(against.p_value),
        p_value(against.adjusted_p),
        against.verdict,
        one.result.id,
    ]


def joint_interval(against: AgainstBase) -> str:
    """Return the interval of a difference in percentage points, as ``[low, high]``."""
    return f"[{points(against.low)}, {points(against.high)}]"


# --- how it was tested ----------------------------------------------------------------------


def _tests(found: ManyComparison) -> Iterator[str]:
    what = (
        f"the plain mean of {len(found.benchmarks)} benchmarks"
        if len(found.benchmarks) > 1
        else one_line(found.benchmarks[0])
    )
    yield f"compared: {what}, {counted(found.problems, 'problem')}, problem by problem"
    yield f"test: {many_test(found)}"
    yield from many_explained(found)


def many_test(found: ManyComparison) -> str:
    """Return how the runs were tested, and on how many sign vectors."""
    if "sign flips" not in found.test:
        return found.test
    how = "all outcomes counted" if found.exact else f"{DRAWS:,} seeded draws"
    return f"{found.test}; {how}"


def many_explained(found: ManyComparison) -> Iterator[str]:
    """Yield what the columns and the corrected average mean."""
    if found.base is None:
        yield (
            "rank: the ranks that a run may have; with 95 % all these intervals hold at once. "
            "The interval of each average is that run's alone"
        )
    else:
        yield (
            "joint 95 %: all these intervals of the differences hold at once; the interval of "
            "each average is that run's alone; `p adjusted` is corrected for the number of runs, "
            "and decides the verdict at 5 %"
        )
        if any(_puzzling(one.against_base) for one in found.runs):
            yield "a joint interval can hold 0 where the sharper test finds a difference"
    if _chosen(found) and found.winner.corrected is not None:
        yield (
            "the highest of many is partly luck: its value is also told for the choice on one "
            f"half of the problems, scored on the other half ({SPLITS:,} seeded splits)"
        )


def _puzzling(against: AgainstBase | None) -> bool:
    return (
        against is not None
        and against.verdict != "no evidence"
        and against.low <= 0 <= against.high
    )


def _doubts(found: ManyComparison) -> list[str]:
    """Return what must be said of each run wherever its average is shown."""
    members = [*([found.base] if found.base else []), *found.runs]
    return [
        f"{one_line(one.result.name)}: {note}"
        for one in members
        for note in result_notes(one.result)
    ]


def many_mismatches(found: ManyComparison) -> Iterator[str]:
    """Yield the pairs of runs that were not measured alike."""
    pairs = [
        (a, b, told)
        for a, b, changes in found.mismatches
        if (told := told_mismatches(changes, paired=True))
    ]
    if not pairs:
        return
    yield "NOT MEASURED ALIKE: a difference may come from these settings, not from the models:"
    for a, b, changes in pairs[:MOST_MISMATCHES]:
        names = f"{one_line(a.name)} and {one_line(b.name)}"
        yield f"  {names}: {one_line('; '.join(map(str, changes)), limit=160)}"
    if len(pairs) > MOST_MISMATCHES:
        yield f"  … and {len(pairs) - MOST_MISMATCHES} more pairs (--json)"


# --- JSON -----------------------------------------------------------------------------------


def many_fields(found: ManyComparison) -> dict[str, Any]:
    """Return the comparison for JSON; averages and differences are fractions."""
    return {
        "base": None if found.base is None else _standing_fields(found.base),
        "benchmarks": list(found.benchmarks),
        "problems": found.problems,
        "level": LEVEL,
        "test": found.test,
        "exact": found.exact,
        "runs": [_standing_fields(one) for one in found.runs],
        "pairs": [pair._asdict() for pair in found.pairs],
        "winner": _winner_fields(found.winner) if _chosen(found) else None,
        "obstacles": [
            {"a": a.id, "b": b.id, "changes": _changes(changes)}
            for a, b, changes in found.mismatches
        ],
        "notes": [*_doubts(found), *found.notes],
    }


def _winner_fields(winner: Winner) -> dict[str, Any]:
    return {
        "ids": [one.id for one in winner.results],
        "names": [one.name for one in winner.results],
        "naive": winner.naive,
        "corrected": winner.corrected,
        "chosen": winner.chosen,
        "certain": winner.certain,
        "possible": [one.id for one in winner.possible],
    }


def _changes(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [change._asdict() for change in changes]


def _standing_fields(one: Standing) -> dict[str, Any]:
    return {
        "name": one.result.name,
        "id": one.result.id,
        "average": one.average,
        "interval": asdict(one.interval),
        "against_base": None if one.against_base is None else asdict(one.against_base),
        "ranks": None if one.ranks is None else list(one.ranks),
        "better_than": list(one.better_than),
    }
