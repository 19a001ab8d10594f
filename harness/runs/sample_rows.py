"""A stored run's samples as rows: from its table, or else as far as its verdicts know them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from benchmarks import UserError, WrongValueError
from benchmarks.registry import suggest
from harness.grading.verdict import Outcome, Verdict
from harness.runs.file_names import PARQUET
from harness.runs.sample import Sample

if TYPE_CHECKING:
    from harness.runs.results import Result
    from harness.runs.verdicts import ProblemVerdicts

Row = Mapping[str, Any]
"""One sample, as in a run's table of samples; what is not known is None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFilter:
    """Which samples are asked for; what is None or off is not asked about."""

    benchmark: str | None = None
    """Only samples of this benchmark."""
    problem: str | None = None
    """Only samples of the problem with this id."""
    outcome: str | None = None
    """Only samples with this outcome, see `outcome_named`."""
    wrong: bool = False
    """Only samples that are not correct."""

    def __bool__(self) -> bool:
        return bool(self.benchmark or self.problem or self.outcome or self.wrong)

    def matches(self, row: Row) -> bool:
        """Say whether a sample is one of these."""
        return (
            self.benchmark in (None, row["benchmark"])
            and self.problem in (None, row["problem_id"])
            and self.outcome in (None, row["outcome"])
            and not (self.wrong and row["outcome"] == "correct")
        )


def outcome_named(name: str) -> Outcome:
    """Return the outcome that a person names: ``no answer``, ``no-answer`` or ``NO_ANSWER``.

    Raises:
        UserError: there is no such outcome.
    """
    plain = name.strip().lower().replace("-", " ").replace("_", " ")
    known = list(map(str, Outcome))
    if plain not in known:
        raise WrongValueError(suggest("outcome", plain, known))
    return Outcome(plain)


def require_benchmark(result: Result, name: str) -> None:
    """Refuse a benchmark that a result has no score of.

    Raises:
        UserError: the result has scores, and none of this benchmark.
    """
    if result.scores and name not in result.scores:
        raise WrongValueError(suggest("benchmark in this run", name, list(result.scores)))


def sample_rows(result: Result, asked: SampleFilter) -> Iterator[Row]:
    """Return the samples that are asked for: from the run's table, or else from its verdicts.

    Raises:
        UserError: the result is published as counts, incomplete, or stored without its samples.
    """
    from harness.runs.samples_table import read_parquet

    if result.path is None:
        raise UserError(f"{result.name} was published as counts, without samples")
    if has_responses(result):
        rows: Iterable[Row] = read_parquet(result.path)
    elif _has_verdicts(result):
        verdicts = result.verdicts or {}
        rows = (row for problems in verdicts.values() for one in problems for row in _rows_of(one))
    else:
        raise UserError(
            f"{result.path / PARQUET} is not there: the run is incomplete, or came without its "
            "samples"
        )
    return filter(asked.matches, rows)


def has_responses(result: Result) -> bool:
    """Say whether a run has its table of samples, and with it its responses and golds."""
    return result.path is not None and (result.path / PARQUET).is_file()


def _has_verdicts(result: Result) -> bool:
    complete = result.run is not None and result.run.status == "complete"
    return complete and result.verdicts is not None


_ENDED = {True: "length", False: None, None: "unknown"}
"""How a response ended, as far as its verdict knows it."""


def _rows_of(problem: ProblemVerdicts) -> Iterator[Row]:
    """Yield a problem's samples as far as its verdicts know them."""
    unknown = dict.fromkeys(
        ("gold", "extraction", "rule", "prompt_tokens", "seed", "response", "error")
    )
    for place, index in enumerate(problem.indices):
        yield {
            **unknown,
            "benchmark": problem.benchmark,
            "problem_id": problem.problem_id,
            "index": index,
            "outcome": problem.outcomes[place],
            "extracted": problem.answers[place],
            "finish_reason": _ENDED[problem.at_limit[place]],
            "completion_tokens": problem.tokens[place],
        }


def sample_in(row: Row) -> Sample:
    """Return the sample that a row of a run's table was made of.

    The table does not say which prompt was answered, so the sample's ``prompt_sum`` is empty.
    """
    return Sample(
        problem_id=row["problem_id"],
        index=row["index"],
        response=row["response"],
        finish_reason=row["finish_reason"],
        seed=row["seed"],
        prompt_sum="",
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        error=row["error"],
        reasoning=row.get("reasoning") or UNSET,
        reasoning_tokens=row.get("reasoning_tokens") or UNSET,
    )


def sample_and_verdict(row: Row) -> tuple[Sample, Verdict]:
    """Return a row of a run's table as the sample and the verdict that it was made of."""
    verdict = Verdict(
        outcome=Outcome(row["outcome"]),
        extracted=row["extracted"],
        extraction=row["extraction"],
        rule=row["rule"],
    )
    return sample_in(row), verdict
