"""A result as a person holds it: in a notebook, or printed by a script.

The class is here and not in `harness.runs`, where the result itself is, since looking at one
takes tables and HTML, and that room is below this one. It adds no field, so every function that
takes a stored result takes this one too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from benchmarks import UserError
from harness.common.text import one_line, printable
from harness.grading.verdict import Outcome, Verdict
from harness.reporting.text.numbers import correct_of, count, interval, percent
from harness.runs import results as stored
from harness.runs.sample import Sample
from harness.runs.sample_rows import (
    SampleFilter,
    has_responses,
    outcome_named,
    require_benchmark,
    sample_and_verdict,
    sample_rows,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pandas import DataFrame

    from harness.runs.record import Run
    from harness.runs.scores import BenchmarkScore

HEADERS = ("benchmark", "correct", "accuracy %", "95 % interval", "tokens")


class Result(stored.Result):
    """A stored run or a published result: its scores, its samples, and how to look at them.

    `evaluate`, `load_run`, `list_runs`, `regrade` and `import_generations` return it. Printed it is
    the table that `eval` prints, and a notebook shows it as a table. Accuracies are fractions.

    Example:
        run = load_run("v4")
        print(run.average, run.scores["gsm8k"].interval)
        for sample, verdict in run.samples(benchmark="gsm8k", wrong=True):
            print(sample.response, verdict.extracted)
    """

    @classmethod
    def of(cls, result: stored.Result) -> Result:
        """Return the same result as one that can be looked at."""
        return cls(**{field.name: getattr(result, field.name) for field in fields(stored.Result)})

    @property
    def stored(self) -> tuple[Run, Path]:
        """The run's record and its folder.

        Raises:
            UserError: the result is a published one.
        """
        if self.run is None or self.path is None:
            raise UserError(f"{self.name} was published as counts, and no run of it is stored")
        return self.run, self.path

    @property
    def complete(self) -> bool:
        """Whether every sample is drawn and graded; a published result is always complete."""
        return self.run is None or self.run.status == "complete"

    def samples(
        self,
        benchmark: str | None = None,
        *,
        problem: str | None = None,
        wrong: bool = False,
        outcome: str | Outcome | None = None,
    ) -> Samples:
        """Return the run's samples, each with its verdict.

        Args:
            benchmark: only samples of this benchmark.
            problem: only samples of the problem with this id, such as ``gsm8k/7``.
            wrong: only samples that are not correct, whatever their outcome.
            outcome: only samples with this outcome, such as ``truncated``.

        Raises:
            UserError: the run has no such benchmark, or there is no such outcome.
        """
        if benchmark is not None:
            require_benchmark(self, benchmark)
        asked = SampleFilter(
            benchmark=benchmark,
            problem=problem,
            wrong=wrong,
            outcome=None if outcome is None else outcome_named(outcome),
        )
        return Samples(self, asked)

    def to_pandas(self) -> DataFrame:
        """Return one row a benchmark: its counts, accuracy, interval and mean tokens.

        ``accuracy``, ``low`` and ``high`` are fractions; what is not known is missing.
        """
        import pandas as pd

        columns = (
            "benchmark", "problems", "samples", "correct", "accuracy", "low", "high",
            "mean_tokens",
        )  # fmt: skip
        rows = [
            (
                score.benchmark, score.problems, score.samples, score.correct, score.accuracy,
                score.interval.low, score.interval.high, score.mean_tokens,
            )
            for score in self.scores.values()
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(columns))

    def __str__(self) -> str:
        from harness.reporting.text.run_details import published_blocks
        from harness.reporting.text.runs import score_table

        if self.run is None:
            return printable("\n\n".join(published_blocks(self)))
        if not self.run.scores:
            return f"{self._heading}\nno scores yet: the run is not complete"
        return printable(f"{self._heading}\n{score_table(*self.stored)}")

    def __repr__(self) -> str:
        scores = [f"{name} {percent(score.accuracy)} %" for name, score in self.scores.items()]
        if self.average is not None and len(scores) > 1:
            scores.append(f"average {percent(self.average)} %")
        said = f"{one_line(self.name)} {self.id}: {', '.join(scores) or 'no scores yet'}"
        return f"<Result {printable(said)}>"

    def _repr_html_(self) -> str:
        from harness.reporting.notebook import html_table

        rows = [_shown(score) for score in self.scores.values()]
        if self.average is not None:
            found = self.average_interval
            spread = "" if found is None else interval(found)
            rows.append(["average", "", percent(self.average), spread, ""])
        return html_table(self._heading, HEADERS, rows, self._notes())

    @property
    def _heading(self) -> str:
        if self.run is None:
            return printable(f"{one_line(self.name, limit=None)}  {self.id}")
        name = one_line(self.name, limit=None)
        return printable(f"{name}  {self.id}  {self.run.status}  {self.path}")

    def _notes(self) -> list[str]:
        from harness.reporting.text.notes import score_notes

        if self.run is None:
            return [] if self.source is None else [self.source.title, self.source.url]
        if not self.run.scores:
            return ["no scores yet: it is not complete"]
        return score_notes(*self.stored)


def _shown(score: BenchmarkScore) -> list[str]:
    return [
        score.benchmark,
        correct_of(score.correct, score.samples),
        percent(score.accuracy),
        interval(score.interval),
        count(score.mean_tokens),
    ]


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of a run with their verdicts, read from its files as they are asked for.

    A loop over it gives pairs of a sample (``problem_id``, ``index``, ``response``,
    ``finish_reason``, ``completion_tokens``, …) and its `Verdict`. Each loop reads anew.
    """

    result: Result
    """The result that the samples are of."""
    asked: SampleFilter
    """Which of them are asked for."""

    def __iter__(self) -> Iterator[tuple[Sample, Verdict]]:
        rows = sample_rows(self.result, self.asked)
        if not has_responses(self.result):
            raise UserError(
                f"{self.result.name} came without its responses; what its verdicts know of them "
                "is in samples(...).to_pandas()"
            )
        return map(sample_and_verdict, rows)

    def to_pandas(self) -> DataFrame:
        """Return one row a sample: its ids, gold, outcome, answer, tokens and response.

        A run that came without its responses has the rows too, with what its verdicts know.

        Raises:
            UserError: the result is published as counts, is incomplete, or has no verdicts.
        """
        import pandas as pd

        from harness.runs.samples_table import COLUMNS, REASONING

        rows: list[dict[str, Any]] = list(map(dict, sample_rows(self.result, self.asked)))
        found = [name for name in REASONING if any(name in row for row in rows)]
        return pd.DataFrame(rows, columns=[*COLUMNS, *found])
