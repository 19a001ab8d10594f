"""Writes the top of a report: headlines, tables and notes, all of them plain text.

The script of the page shows them. Scores come from the results, and differences from
`harness.analysis.compare`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from harness.analysis.compare import AverageDifference, BenchmarkDifference, Comparison
from harness.analysis.many import ManyComparison
from harness.common.text import counted, one_line
from harness.reporting.html.comparing import RankedVersions, VersionPair, deciding_row
from harness.reporting.html.facts import ReportedResult
from harness.reporting.text.comparison import failure_lines, family, puzzles
from harness.reporting.text.many import (
    many_explained,
    many_sentences,
    many_test,
    rank_interval,
)
from harness.reporting.text.notes import score_notes
from harness.reporting.text.numbers import (
    LOOPING,
    difference_interval,
    interval,
    looping_count,
    margin_points,
    outcome_count,
    p_value,
    percent,
    points,
    probability,
    smallest_shown,
)
from harness.reporting.text.sentence import (
    about_checkpoints,
    claim_text,
    named_rows,
    sentence,
)
from harness.runs.scores import BenchmarkScore, count_outcomes
from harness.stats.intervals import mean_interval
from harness.stats.paired import Difference

SHOWN_OUTCOMES = ("correct", "wrong", "truncated", "no answer")
"""Outcomes that have a column of their own."""
ALWAYS_DIFFER = ("run", "fingerprint", "evaluated", "graded again from", "cost", "time")
"""Facts that are not marked as differing, because they differ between any two runs."""
TONES = {
    "better": "better", "worse": "worse", "same": "same", "not worse": "not-worse",
    "withheld": "withheld",
}  # fmt: skip
"""The tone of each verdict; the others, which conclude nothing, have ``none``."""
MOST_CHANGES = 60
"""The most changed settings that are listed; lists of packages can be long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell: a value, and a detail in smaller letters."""

    text: str
    detail: str = ""
    tone: str = ""
    """The colour and symbol: one of `TONES`, ``none`` (no evidence, undecided) or ``differs``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of the page; the first cell of each row is its heading."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: bool = True
    """Whether the columns after the first are right-aligned."""
    total: bool = False
    """Whether the last row is an average over the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """One comparison in a sentence, and its verdict in a word that is coloured."""

    subject: str
    word: str
    """The verdict, with a margin what is shown of it; or ``not compared``."""
    sentence: str
    tone: str = "none"
    """As of a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One comparison in full."""

    title: str
    tables: tuple[Table, ...]
    anchor: str = ""
    """The name by which the menu links to it, if it does: ``ranks`` or ``recipes``."""
    paragraphs: tuple[str, ...] = ()
    """They may have several lines."""
    changes: Table | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Everything above the plots and samples."""

    title: str
    made: str
    verdicts: tuple[Headline, ...]
    remarks: tuple[str, ...]
    """What must be read with the verdicts, and is said once."""
    facts: Table
    sections: tuple[Section, ...]
    outcomes: Table | None
    notes: tuple[str, ...]


def overview(
    versions: Sequence[ReportedResult],
    pairs: Sequence[VersionPair],
    made: str,
    ranked: RankedVersions | None = None,
) -> Overview:
    """Return the overview of the versions and of their comparisons with the first."""
    return Overview(
        title=_title(versions),
        made=made,
        verdicts=tuple(_verdict(pair) for pair in pairs),
        remarks=tuple(_remarks(pairs)),
        facts=_facts(versions),
        sections=(*_ranking(ranked), *_sections(versions, pairs)),
        outcomes=_outcomes(versions),
        notes=tuple(_notes(versions)),
    )


def _title(versions: Sequence[ReportedResult]) -> str:
    names = [version.label for version in versions]
    if len(names) <= 4:
        return " → ".join(names) if len(names) <= 2 else ", ".join(names)
    return f"{len(names)} versions, {names[0]} to {names[-1]}"


def _facts(versions: Sequence[ReportedResult]) -> Table:
    names = list(dict.fromkeys(name for version in versions for name in version.facts))
    rows = []
    for name in names:
        values = [version.facts.get(name, "") for version in versions]
        differs = len(set(values)) > 1 and name not in ALWAYS_DIFFER
        cells = (Cell(text=v, tone="differs" if v and differs else "") for v in values)
        rows.append((Cell(text=name), *cells))
    heads = ("", *(version.label for version in versions))
    return Table(caption="What was evaluated", heads=heads, rows=tuple(rows), numeric=False)


def _notes(versions: Sequence[ReportedResult]) -> Iterator[str]:
    """Yield the notes on the scores; a note on several versions is said once."""
    owners: dict[str, list[str]] = {}
    for version in versions:
        run, source, path = version.result.run, version.result.source, version.result.path
        notes = [] if run is None or path is None else score_notes(run, path)
        notes += [source.note] if source is not None and source.note else []
        for note in notes:
            owners.setdefault(note, []).append(version.label)
    for note, labels in owners.items():
        yield f"{', '.join(labels)}: {note}" if len(versions) > 1 else note


# --- verdicts -------------------------------------------------------------------------------


def _verdict(pair: VersionPair) -> Headline:
    subject = f"{pair.b.label} against {pair.a.label}"
    found = pair.comparison
    if found is None:
        return Headline(subject=subject, word="not compared", sentence=pair.refusal)
    row = deciding_row(found)
    word = row.verdict if row.margin is None else row.margin.verdict
    return Headline(
        subject=subject,
        word=word,
        sentence=" ".join(filter(None, [sentence(found), _corrected_for(pair, found)])),
        tone=TONES.get(word, "none"),
    )


def _corrected_for(pair: VersionPair, found: Comparison) -> str:
    """Say what is corrected for the number of runs, if several are compared with the first."""
    if pair.runs < 2:
        return ""
    if found.average is None:
        return f"Verdict and p are corrected for {pair.runs} runs."
    return (
        f"Verdict and p of the average are corrected for {pair.runs} runs; the verdicts on single "
        "benchmarks are not."
    )


def _remarks(pairs: Sequence[VersionPair]) -> Iterator[str]:
    """Yield what is true of several pairs, each remark once."""
    owners: dict[str, list[str]] = {}
    for pair in pairs:
        if pair.comparison is not None and (text := about_checkpoints(pair.comparison)):
            owners.setdefault(text, []).append(pair.b.label)
    for text, labels in owners.items():
        yield text if len(pairs) == 1 else f"{', '.join(labels)} against {pairs[0].a.label}: {text}"


# --- scores ---------------------------------------------------------------------------------


def _sections(
    versions: Sequence[ReportedResult], pairs: Sequence[VersionPair]
) -> Iterator[Section]:
    if len(versions) != 2 or not pairs or pairs[0].comparison is None:
        yield Section(title="Scores", tables=(_scores(versions),))
    for pair in pairs:
        if pair.comparison is not None:
            title = "Scores" if len(versions) == 2 else f"{pair.b.label} against {pair.a.label}"
            yield _section(title, pair, pair.comparison)


def _ranking(ranked: RankedVersions | None) -> Iterator[Section]:
    """Yield the ranking of three versions or more, or why there is none."""
    if ranked is None:
        return
    found = ranked.ranking
    if found is None:
        refusal = f"Not ranked: {ranked.refusal}"
        yield Section(title="Ranks", tables=(), anchor="ranks", paragraphs=(refusal,))
        return
    rows = tuple(
        (
            Cell(text=ranked.labels[one.result.id]),
            Cell(text=rank_interval(one)),
            Cell(text=percent(one.average), detail=interval(one.interval)),
            Cell(text=", ".join(ranked.labels[other] for other in one.better_than) or "–"),
        )
        for one in found.runs
    )
    yield Section(
        title="Ranks",
        tables=(
            Table(
                caption="Which ranks each version may have",
                heads=("version", "ranks", "average %", "better than"),
                rows=rows,
            ),
        ),
        anchor="ranks",
        paragraphs=(
            *many_sentences(found),
            f"Compared: {_measured(found)}, {counted(found.problems, 'problem')}, problem by "
            "problem.",
            f"Test: {many_test(found)}.",
            f"The ranks are corrected for all {len(found.pairs)} pairs of versions. That is a "
            "larger family than the comparisons with the first version: so the ranks can leave "
            "undecided what one of those decides.",
            *many_explained(found),
            *_unlike(found, ranked.labels),
            *found.notes,
        ),
    )


def _measured(found: ManyComparison) -> str:
    if len(found.benchmarks) == 1:
        return found.benchmarks[0]
    return f"the plain mean of {len(found.benchmarks)} benchmarks"


def _unlike(found: ManyComparison, labels: Mapping[str, str]) -> Iterator[str]:
    """Yield all pairs that were not measured alike, one a line."""
    lines = [
        one_line(f"{labels[a.id]} and {labels[b.id]}: {'; '.join(map(str, changes))}", limit=None)
        for a, b, changes in found.mismatches
    ]
    if lines:
        head = "NOT MEASURED ALIKE: a difference may come from these settings, not from the models:"
        yield "\n".join([head, *lines])


def _scores(versions: Sequence[ReportedResult]) -> Table:
    """Return the accuracies side by side, with no comparison."""
    benchmarks = list(dict.fromkeys(name for v in versions for name in v.result.scores))
    rows = [
        (Cell(text=name), *(_accuracy(version.result.scores.get(name)) for version in versions))
        for name in benchmarks
    ]
    averages = [_average_cell(version, benchmarks) for version in versions]
    total = len(benchmarks) > 1 and any(cell.text for cell in averages)
    if total:
        rows.append((Cell(text="average", detail="plain mean"), *averages))
    heads = ("benchmark", *(version.label for version in versions))
    return Table(
        caption="Accuracy in per cent, with 95 % intervals",
        heads=heads,
        rows=tuple(rows),
        total=total,
    )


def _average_cell(version: ReportedResult, benchmarks: Sequence[str]) -> Cell:
    """Return the average of a version that has every benchmark shown; an empty cell for others."""
    scores = version.result.scores
    if any(name not in scores for name in benchmarks):
        return Cell(text="")
    return _mean([scores[name] for name in benchmarks])


def _mean(sides: Sequence[BenchmarkScore]) -> Cell:
    values = [side.accuracy for side in sides]
    found = mean_interval(values, [side.interval for side in sides])
    return Cell(text=percent(fmean(values)), detail=interval(found))


def _accuracy(side: BenchmarkScore | None) -> Cell:
    if side is None:
        return Cell(text="–")
    count = _count(side.correct, side.samples)
    return Cell(text=percent(side.accuracy), detail=f"{interval(side.interval)} · {count}")


def _count(correct: int | None, samples: int) -> str:
    return f"of {samples:,}" if correct is None else f"{correct:,}/{samples:,}"


def _section(title: str, pair: VersionPair, found: Comparison) -> Section:
    changes = found.changes
    rows = tuple(
        (Cell(text=change.field), Cell(text=change.a), Cell(text=change.b))
        for change in changes[:MOST_CHANGES]
    )
    caption = f"Settings that differ between {pair.a.label} and {pair.b.label}"
    heads = ("setting", pair.a.label, pair.b.label)
    return Section(
        title=title,
        tables=(_differences(pair, found), *_margins(pair, found)),
        paragraphs=tuple(_paragraphs(pair, found)),
        changes=Table(caption=caption, heads=heads, rows=rows, numeric=False) if rows else None,
    )


def _differences(pair: VersionPair, found: Comparison) -> Table:
    alone = found.average is None
    rows = [_difference_row(row, pair.runs if alone else 1) for row in found.rows]
    if found.average is not None:
        rows.append(_average_row(found, found.average, pair.runs))
    heads = (
        "benchmark", pair.a.label, pair.b.label, "difference", "p",
        "p (Holm)" if pair.runs == 1 else "p corrected", "P(B > A)",
        f"verdict on {pair.b.label}",
    )  # fmt: skip
    return Table(
        caption="Accuracy in per cent, differences in percentage points, 95 % intervals",
        heads=heads,
        rows=tuple(rows),
        total=found.average is not None,
    )


def _difference_row(row: BenchmarkDifference, runs: int) -> tuple[Cell, ...]:
    sides = [_accuracy(side) for side in (row.a, row.b)]
    return (
        Cell(text=row.benchmark, detail=counted(row.a.problems, "problem")),
        *sides,
        _difference(row.difference),
        *_tested(row, runs),
    )


def _average_row(found: Comparison, average: AverageDifference, runs: int) -> tuple[Cell, ...]:
    return (
        Cell(text="average", detail="plain mean"),
        _mean([row.a for row in found.rows]),
        _mean([row.b for row in found.rows]),
        _difference(average.difference),
        *_tested(average, runs),
    )


def _tested(row: BenchmarkDifference | AverageDifference, runs: int) -> tuple[Cell, ...]:
    """Return what is tested of a row, which may be corrected for several runs."""
    return (
        Cell(text=p_value(row.difference.p_value)),
        Cell(text=p_value(row.adjusted_p), detail=f"for {runs} runs" if runs > 1 else ""),
        Cell(text=probability(row.probability)),
        # The smallest difference that could be shown is known only without that correction.
        _word(row.verdict, row.detectable if runs == 1 else None),
    )


def _margins(pair: VersionPair, found: Comparison) -> Iterator[Table]:
    """Yield a table of what is shown of the margin, if one was given."""
    margin = found.margin
    if margin is None:
        return
    rows = [
        (
            Cell(text=name),
            Cell(text=points(row.difference.difference)),
            Cell(text=f"[{points(test.test.low)}, {points(test.test.high)}]"),
            Cell(text=p_value(test.test.p_not_worse), detail=p_value(test.adjusted_p_not_worse)),
            Cell(text=p_value(test.test.p_same), detail=p_value(test.adjusted_p_same)),
            Cell(text=claim_text(row, margin), tone=TONES.get(test.verdict, "none")),
        )
        for name, row in named_rows(found)
        if (test := row.margin) is not None
    ]
    heads = (
        "benchmark", "difference", "90 % interval", "p not worse (Holm below)",
        "p same (Holm below)", f"{pair.b.label} is",
    )  # fmt: skip
    yield Table(
        caption=f"At a margin of {margin_points(margin)}: two one-sided tests at 5 % each",
        heads=heads,
        rows=tuple(rows),
        total=found.average is not None,
    )


def _difference(found: Difference) -> Cell:
    return Cell(text=points(found.difference), detail=difference_interval(found))


def _word(verdict: str, detectable: float | None) -> Cell:
    if verdict == "no evidence":
        detail = "" if detectable is None else f"could show {smallest_shown(detectable)}"
        return Cell(text=verdict, detail=detail, tone="none")
    return Cell(text=verdict, tone=verdict)


def _paragraphs(pair: VersionPair, found: Comparison) -> Iterator[str]:
    if found.mismatches:
        what = "; ".join(map(str, found.mismatches))
        yield (
            "NOT MEASURED ALIKE: a difference may come from these settings, not from the model: "
            f"{what}"
        )
    how = "paired, problem by problem" if found.paired else "unpaired, from counts"
    tests = "; ".join(dict.fromkeys(row.difference.test for row in found.rows))
    yield (
        f"Compared {how}: {tests}; Holm's correction over {family(found)}; the intervals are not "
        "corrected."
    )
    if pair.runs > 1:
        yield f"{_corrected_for(pair, found)} How: {pair.correction}."
    yield from (f"{text[:1].upper()}{text[1:]}." for text in puzzles(found))
    yield (
        "P(B > A) is the probability that the second is better, after the data and a weak prior; "
        "it is not evidence by itself."
    )
    yield from failure_lines(found)
    shown = found.rows if pair.runs == 1 or found.average is not None else ()
    if any(row.verdict == "no evidence" for row in shown):
        yield (
            "No evidence is not evidence of no difference: “could show” names the smallest true "
            "difference that such data show four times in five."
        )
    if len(found.changes) > MOST_CHANGES:
        more = len(found.changes) - MOST_CHANGES
        yield f"{more} more settings differ; python -m harness diff --json lists them"
    yield from found.notes


# --- outcomes -------------------------------------------------------------------------------


def _outcomes(versions: Sequence[ReportedResult]) -> Table | None:
    """Return how many samples had each outcome, for versions of which that is known."""
    counts = [(version, score) for version in versions for score in _counts(version)]
    if not counts:
        return None
    every = [score.outcomes or {} for _, score in counts]
    names = list(dict.fromkeys([*SHOWN_OUTCOMES, *(name for one in every for name in one)]))
    if any(one.get("truncated") for one in every):
        names.insert(names.index("truncated") + 1, LOOPING)
    several = len(versions) > 1
    rows = [
        (
            Cell(text=score.benchmark, detail=version.label if several else ""),
            Cell(text=f"{sum((score.outcomes or {}).values()):,}"),
            *(_outcome(score, name) for name in names),
            Cell(text="–" if score.mean_tokens is None else f"{score.mean_tokens:,.0f}"),
        )
        for version, score in _grouped(counts)
    ]
    heads = ("benchmark", "samples", *names, "mean tokens")
    return Table(caption="Outcomes of all samples", heads=heads, rows=tuple(rows))


_Count = tuple[ReportedResult, BenchmarkScore]


def _grouped(counts: Sequence[_Count]) -> list[_Count]:
    """Put the versions of each benchmark side by side."""
    order = list(dict.fromkeys(score.benchmark for _, score in counts))
    return sorted(counts, key=lambda count: order.index(count[1].benchmark))


def _counts(version: ReportedResult) -> Iterable[BenchmarkScore]:
    verdicts = version.result.verdicts or {}
    for name, score in version.result.scores.items():
        if score.outcomes is not None:
            yield score
        elif verdicts.get(name):
            yield replace(score, outcomes=count_outcomes(verdicts[name]))


def _outcome(score: BenchmarkScore, name: str) -> Cell:
    known, ends_known = score.outcomes or {}, score.hit_token_limit is not None
    if name == LOOPING:
        number = score.looping
        text = looping_count(known, number, ends_known=ends_known, unknown="–")
    else:
        number = known.get(name)
        text = outcome_count(known, name, ends_known=ends_known, unknown="–")
    if not number:
        return Cell(text=text)
    return Cell(text=text, detail=f"{percent(number / sum(known.values()))} %")
