"""Is B better than A? Two results, benchmark by benchmark and on average.

Where both have verdicts they are paired, problem by problem; where one has only
counts they are not, and the comparison says so. What would make the difference
something else than the model's is refused unless asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal, NamedTuple

from benchmarks import UserError, WrongValueError
from benchmarks.hints import setting
from harness.analysis import planning
from harness.analysis.comparability import mismatches, what_changed
from harness.analysis.failures import (
    WAYS,
    FailureCheck,
    Way,
    affected,
    recounted,
    recounted_score,
)
from harness.analysis.margin import MarginVerdict, margin_verdicts, settled
from harness.analysis.pairing import Pair, pair_up
from harness.common.schema import Change
from harness.runs.results import Result
from harness.runs.scores import BenchmarkScore
from harness.runs.verdicts import ProblemVerdicts
from harness.stats import equivalence
from harness.stats.paired import Difference, average_paired, holm, paired_difference
from harness.stats.power import LEVEL
from harness.stats.unpaired import average_unpaired, unpaired

Conclusion = Literal["better", "worse", "no evidence", "withheld"]
"""What is concluded about B against A; withheld is what failures of engine or grader decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedProblem:
    """A problem that one of the two gets right (in half of its samples or more), the other not."""

    benchmark: str
    problem_id: str
    before: float
    """A's accuracy on it, from 0 to 1."""
    after: float
    answer_a: str | None
    """A's most frequent answer."""
    answer_b: str | None
    """B's most frequent answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkDifference:
    """Both sides of one benchmark, and what their difference is worth."""

    benchmark: str
    a: BenchmarkScore
    """A's score over the problems that are compared."""
    b: BenchmarkScore
    """B's score over them."""
    difference: Difference
    adjusted_p: float
    """The p-value after Holm's correction over the benchmarks and their average."""
    verdict: Conclusion
    detectable: float
    """The smallest true difference that these data show with a power of 80 %."""
    problems_needed: int | None
    """How many problems, on both sides, would show the observed difference; None if none was
    observed, or it cannot be said."""
    samples_needed: int | None
    """How many samples a problem would show it; None if no number would, or it is not known."""
    fixed: tuple[ChangedProblem, ...] = ()
    broken: tuple[ChangedProblem, ...] = ()
    probability: float | None = None
    """The posterior probability that B is better; None where the verdict is withheld."""
    margin: MarginVerdict | None = None
    """What is shown of the margin; None if none was given."""
    failures: FailureCheck | None = None
    """What failures of engine and grader do to the verdict; None if there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AverageDifference:
    """The plain mean over the benchmarks, on both sides."""

    a: float
    b: float
    difference: Difference
    adjusted_p: float
    """The p-value after Holm's correction over the benchmarks and their average."""
    verdict: Conclusion
    detectable: float
    probability: float | None = None
    """As of a benchmark, like all that follows."""
    margin: MarginVerdict | None = None
    failures: FailureCheck | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything that can be said of B against A."""

    a: Result
    b: Result
    paired: bool
    """Whether problems were compared one by one."""
    rows: tuple[BenchmarkDifference, ...]
    average: AverageDifference | None
    """None if only one benchmark is compared."""
    changes: tuple[Change, ...]
    """What differs in how the two were made and measured."""
    mismatches: tuple[Change, ...]
    """Those of the changes for which a comparison is refused, unless it is wanted anyway."""
    notes: tuple[str, ...]
    margin: float | None = None
    """Within it a difference does not matter: a fraction, or None if none was given."""

    @property
    def of_single_trainings(self) -> bool:
        """Whether both are trained checkpoints, each of them one training of its recipe."""
        one, other = self.a.lineage, self.b.lineage
        return (
            one is not None
            and other is not None
            and None not in (one.trainer, other.trainer)
            and self.a.run is not None
            and self.b.run is not None
            and self.a.run.identity.model != self.b.run.identity.model
        )


def compare(
    a: Result, b: Result, *, anyway: bool = False, margin: float | None = None
) -> Comparison:
    """Compare two results; with ``anyway`` also such as were measured in another way.

    With a ``margin``, a fraction, it is also tested whether the difference lies within it.

    Raises:
        UserError: they are one run; they share no benchmark or no problem; the margin is not
            between 0 and 1; or, without ``anyway``, something but the model decides the difference.
    """
    if margin is not None and not 0 < margin < 1:
        raise WrongValueError(
            f"margin: expected a fraction between 0 and 1, such as 0.01 for one percentage point, "
            f"and found {margin:g}"
        )
    if a.id == b.id and a.path == b.path:
        raise WrongValueError(
            f"{a.name} ({a.id}) was named twice: one run tells nothing of a difference to itself; "
            "name two runs"
        )
    pairs, notes = pair_up(a, b)  # what shares nothing cannot be compared in any way
    found = mismatches(a, b)
    if found and not anyway:
        raise UserError(
            f"{a.name} and {b.name} were not measured alike, so that a difference would not be "
            f"the model's: {'; '.join(map(str, found))}. Evaluate one as the other was, or "
            f"compare what they share all the same: {setting('allow_mismatch')}"
        )
    tested = _tested(pairs, margin)
    scores = {name: pair.scores for name, pair in pairs.items()}
    failed = any(affected(side) for sides in scores.values() for side in sides)
    recount = _recounts(pairs, scores, tested, margin) if failed else {}
    level = LEVEL / len(tested.adjusted)
    rows = tuple(
        _row(name, pair, scores[name], tested, recount, level=level) for name, pair in pairs.items()
    )
    return Comparison(
        a=a,
        b=b,
        paired=all(pair.by_problem for pair in pairs.values()),
        rows=rows,
        average=(
            None
            if tested.average is None
            else _average(rows, scores, tested.average, tested, recount, pairs, level=level)
        ),
        changes=tuple(what_changed(a, b)),
        mismatches=tuple(found),
        notes=tuple(notes),
        margin=margin,
    )


# --- what the tests find ----------------------------------------------------------------------

AVERAGE = ""
"""The key of the average where benchmarks are keys by their names."""


class _Tested(NamedTuple):
    """What the tests find in the data of both sides, by benchmark, and for the average."""

    differences: Mapping[str, Difference]
    adjusted: Mapping[str, float]
    """The p-values after the correction, with that of the average."""
    average: Difference | None
    verdicts: Mapping[str, Conclusion]
    margins: Mapping[str, MarginVerdict]
    """Empty if no margin was given."""


def _tested(
    pairs: Mapping[str, Pair],
    margin: float | None,
    known: Mapping[str, Difference] | None = None,
) -> _Tested:
    """Test all; ``known`` are the differences that need not be found again."""
    paired = all(pair.by_problem for pair in pairs.values())
    kept = known or {}
    differences = {
        name: kept[name] if name in kept else _difference(pair) for name, pair in pairs.items()
    }
    average = _average_difference(pairs, paired=paired) if len(pairs) > 1 else None
    # One family: whatever is true, the chance of any false "better" or "worse" is 5 % at most.
    family = differences if average is None else {**differences, AVERAGE: average}
    corrected = holm([found.p_value for found in family.values()])
    adjusted = dict(zip(family, corrected, strict=True))
    verdicts = {name: verdict(family[name].difference, p) for name, p in adjusted.items()}
    margins: dict[str, MarginVerdict] = {}
    if margin is not None:
        tests = _margin_tests(pairs, margin)
        unlike = {name for name, pair in pairs.items() if not pair.same_problems}
        if unlike:
            unlike.add(AVERAGE)
        found = margin_verdicts(
            [*tests.values()],
            [verdicts[name] for name in tests],
            same_problems=[name not in unlike for name in tests],
        )
        margins = dict(zip(tests, found, strict=True))
    return _Tested(differences, adjusted, average, verdicts, margins)


def _margin_tests(pairs: Mapping[str, Pair], margin: float) -> dict[str, equivalence.Equivalence]:
    tests = {name: _margin_test(pair, margin) for name, pair in pairs.items()}
    if len(pairs) > 1:
        ordered = [pairs[name] for name in sorted(pairs)]  # sums depend on the order by rounding
        means = [
            fmean(pair.differences) if pair.by_problem else pair.b.accuracy - pair.a.accuracy
            for pair in ordered
        ]
        limits = [_limits(pair) for pair in ordered]
        tests[AVERAGE] = equivalence.average(means, limits, margin=margin)
    return tests


def _margin_test(pair: Pair, margin: float) -> equivalence.Equivalence:
    if not pair.by_problem:
        return equivalence.of_counts(*pair.tallies, margin=margin)
    means = pair.differences
    if pair.single:
        return equivalence.tango(*pair.changed, len(means), margin=margin)
    return equivalence.clustered(means, margin=margin)


def _limits(pair: Pair) -> equivalence.Limits:
    if not pair.by_problem:
        return equivalence.newcombe_limits(*pair.tallies)
    return equivalence.paired_limits(pair.differences, single=pair.single)


# --- where the engine or the grader failed --------------------------------------------------


def _recounts(
    pairs: Mapping[str, Pair],
    scores: Mapping[str, tuple[BenchmarkScore, BenchmarkScore]],
    tested: _Tested,
    margin: float | None,
) -> dict[Way, _Tested | None]:
    """Test again with failures counted in each other way; None where nothing is left to test."""
    found: dict[Way, _Tested | None] = {}
    unaffected = [name for name, sides in scores.items() if not any(map(affected, sides))]
    known = {name: tested.differences[name] for name in unaffected}
    for way in WAYS:
        left = {name: _recounted(pair, way) for name, pair in pairs.items()}
        whole = {name: pair for name, pair in left.items() if pair is not None}
        again = _tested(whole, margin, known) if whole else None
        if again is not None and len(whole) < len(pairs):  # the average is over all or it is none
            words = {name: word for name, word in again.verdicts.items() if name != AVERAGE}
            within = {name: said for name, said in again.margins.items() if name != AVERAGE}
            again = again._replace(verdicts=words, margins=within)
        found[way] = again
    return found


def _recounted(pair: Pair, way: Way) -> Pair | None:
    if pair.by_problem:
        rows_a, rows_b = recounted(pair.rows_a, pair.rows_b, way)
        return replace(pair, rows_a=rows_a, rows_b=rows_b) if rows_a else None
    right_a, right_b = {
        "left out": (None, None),
        "best for A": (True, False),
        "best for B": (False, True),
    }[way]
    a, b = recounted_score(pair.a, right=right_a), recounted_score(pair.b, right=right_b)
    return None if a is None or b is None else replace(pair, a=a, b=b)


def _failure_check(
    name: str, failed: tuple[int, int], tested: _Tested, recount: Mapping[Way, _Tested | None]
) -> FailureCheck | None:
    """Return what failures do to a verdict; None if there are none, or none that touch it."""
    if not recount:
        return None
    words = {way: found and found.verdicts.get(name) for way, found in recount.items()}
    check = FailureCheck(
        a=failed[0],
        b=failed[1],
        as_counted=tested.verdicts[name],
        left_out=words["left out"],
        best_for_a=words["best for A"],
        best_for_b=words["best for B"],
    )
    return check if any(failed) or check.decide else None


def _settled_margin(
    name: str, word: Conclusion, tested: _Tested, recount: Mapping[Way, _Tested | None]
) -> MarginVerdict | None:
    if name not in tested.margins:
        return None
    others = [found and found.margins.get(name) for found in recount.values()]
    return settled(tested.margins[name], others, word)


# --- one benchmark --------------------------------------------------------------------------


def _difference(pair: Pair) -> Difference:
    if not pair.by_problem:
        return unpaired(*pair.tallies)
    return paired_difference(pair.counts)


def _row(
    name: str,
    pair: Pair,
    scores: tuple[BenchmarkScore, BenchmarkScore],
    tested: _Tested,
    recount: Mapping[Way, _Tested | None],
    *,
    level: float,
) -> BenchmarkDifference:
    score_a, score_b = scores
    both = list(zip(pair.rows_a, pair.rows_b, strict=True))
    difference = tested.differences[name]
    check = _failure_check(name, (affected(score_a), affected(score_b)), tested, recount)
    word = _settled_word(tested.verdicts[name], check)
    return BenchmarkDifference(
        benchmark=name,
        a=_compared(pair, score_a),
        b=_compared(pair, score_b),
        difference=difference,
        adjusted_p=tested.adjusted[name],
        verdict=word,
        detectable=planning.detectable(pair, level),
        problems_needed=planning.problems_needed(pair, difference.difference, level),
        samples_needed=planning.samples_needed(pair, level),
        fixed=tuple(_changed_problem(a, b) for a, b in both if a.accuracy < 0.5 <= b.accuracy),
        broken=tuple(_changed_problem(a, b) for a, b in both if b.accuracy < 0.5 <= a.accuracy),
        probability=None if word == "withheld" else planning.probability(pair),
        margin=_settled_margin(name, word, tested, recount),
        failures=check,
    )


def _settled_word(word: Conclusion, check: FailureCheck | None) -> Conclusion:
    return "withheld" if check is not None and check.decide else word


def verdict(difference: float, p_value: float) -> Conclusion:
    """Return the one plain word, given a p-value that is corrected already."""
    if p_value >= LEVEL or not difference:
        return "no evidence"
    return "better" if difference > 0 else "worse"


def _compared(pair: Pair, score: BenchmarkScore) -> BenchmarkScore:
    """Return a score as the comparison shows it: without verdicts on both sides only counts."""
    if pair.by_problem:
        return score
    return replace(score, outcomes=None, hit_token_limit=None, looping=None)


def _changed_problem(a: ProblemVerdicts, b: ProblemVerdicts) -> ChangedProblem:
    return ChangedProblem(
        benchmark=a.benchmark,
        problem_id=a.problem_id,
        before=a.accuracy,
        after=b.accuracy,
        answer_a=most_frequent_answer(a),
        answer_b=most_frequent_answer(b),
    )


def most_frequent_answer(row: ProblemVerdicts) -> str | None:
    """Return the answer that most samples give, in its first spelling; None if none gives one."""
    given = dict.fromkeys(number for number in row.classes if number is not None)
    if not given:
        return None
    winner = max(given, key=row.classes.count)  # of equals, the one that was given first
    return row.answers[row.classes.index(winner)]


# --- the average ----------------------------------------------------------------------------


def _average_difference(pairs: Mapping[str, Pair], *, paired: bool) -> Difference:
    if paired:
        return average_paired({name: pair.counts for name, pair in pairs.items()})
    return average_unpaired({name: pair.tallies for name, pair in pairs.items()})


def _average(
    rows: Sequence[BenchmarkDifference],
    scores: Mapping[str, tuple[BenchmarkScore, BenchmarkScore]],
    found: Difference,
    tested: _Tested,
    recount: Mapping[Way, _Tested | None],
    pairs: Mapping[str, Pair],
    *,
    level: float,
) -> AverageDifference:
    failed = (
        sum(affected(a) for a, _ in scores.values()),
        sum(affected(b) for _, b in scores.values()),
    )
    check = _failure_check(AVERAGE, failed, tested, recount)
    word = _settled_word(tested.verdicts[AVERAGE], check)
    return AverageDifference(
        a=fmean(row.a.accuracy for row in rows),
        b=fmean(row.b.accuracy for row in rows),
        difference=found,
        adjusted_p=tested.adjusted[AVERAGE],
        verdict=word,
        detectable=planning.detectable_in_average(pairs, level),
        probability=None if word == "withheld" else planning.probability_of_average(pairs),
        margin=_settled_margin(AVERAGE, word, tested, recount),
        failures=check,
    )
