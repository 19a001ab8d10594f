"""A comparison as a person holds it: printed, in a notebook, or as a table of pandas.

It is apart from `harness.analysis`, where the comparison is made, for the same reason as
`harness.reporting.result`: looking at it takes tables and HTML, and that room is below this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

from harness.analysis import compare as analysis
from harness.analysis.gate import Asked, Gate, gate
from harness.analysis.margin import MarginVerdict
from harness.common.text import one_line, printable
from harness.reporting.text.comparison import comparison_text, failure_lines
from harness.reporting.text.notes import result_notes
from harness.reporting.text.numbers import difference_and_interval, p_value, percent, probability
from harness.reporting.text.sentence import about_checkpoints, claim_text, sentence

if TYPE_CHECKING:
    from pandas import DataFrame

HEADERS = ("benchmark", "A %", "B %", "B - A", "95 % interval", "p Holm", "P(B > A)", "B is")


class Comparison(analysis.Comparison):
    """Is B better than A? What `compare` found, benchmark by benchmark and on average.

    Printed it is what `diff` prints, and a notebook shows it as a table. Accuracies and
    differences are fractions.

    Example:
        found = compare("v1", "v4")
        print(found.rows[0].verdict, found.average.difference.low)
    """

    @classmethod
    def of(cls, found: analysis.Comparison) -> Comparison:
        """Return the same comparison as one that can be looked at."""
        values = {field.name: getattr(found, field.name) for field in fields(analysis.Comparison)}
        return cls(**values)

    def to_pandas(self) -> DataFrame:
        """Return one row a benchmark: both accuracies, their difference, and the verdict.

        ``difference`` is B - A, ``low`` and ``high`` are its 95 % interval, and ``adjusted_p`` is
        corrected over the benchmarks and their average by Holm's method. ``probability`` is the
        posterior one that B is better. With a margin, ``margin_low`` and ``margin_high`` are the
        90 % interval, and ``margin_verdict`` is what it shows.
        """
        import pandas as pd

        rows = [
            {
                "benchmark": row.benchmark,
                "problems": row.a.problems,
                "a": row.a.accuracy,
                "b": row.b.accuracy,
                "difference": row.difference.difference,
                "low": row.difference.low,
                "high": row.difference.high,
                "p_value": row.difference.p_value,
                "adjusted_p": row.adjusted_p,
                "probability": row.probability,
                "verdict": row.verdict,
                **_margin_columns(row.margin),
            }
            for row in self.rows
        ]
        return pd.DataFrame(rows)

    def sentence(self) -> str:
        """Return what was found as a sentence that a person can repeat to a colleague."""
        return sentence(self)

    def gate(self, asked: Asked) -> Gate:
        """Say whether B is shown to be ``better``, ``not-worse`` or the ``same``.

        It is about the average, or about the only benchmark. The last two need a margin.

        Raises:
            UserError: there is no such gate, or it needs a margin and none was given.

        Example:
            compare("v1", "v4", margin=0.01).gate("not-worse").holds
        """
        return gate(self, asked)

    def __str__(self) -> str:
        return printable(comparison_text(self))

    def __repr__(self) -> str:
        verdicts = [f"{row.benchmark} {row.verdict}" for row in self.rows]
        if self.average is not None:
            verdicts.append(f"average {self.average.verdict}")
        names = f"{one_line(self.a.name)} -> {one_line(self.b.name)}"
        return f"<Comparison {names}: {printable(', '.join(verdicts))}>"

    def _repr_html_(self) -> str:
        from harness.reporting.notebook import folded, html_table

        title = f"A {self.a.name}  {self.a.id}   B {self.b.name}  {self.b.id}"
        table = html_table(title, HEADERS, self._shown(), self._warnings())
        return table + folded("all that `diff` prints", comparison_text(self))

    def _shown(self) -> Iterator[list[str]]:
        for row in self.rows:
            accuracies = [percent(side.accuracy, decimals=2) for side in (row.a, row.b)]
            numbers = [*difference_and_interval(row.difference), p_value(row.adjusted_p)]
            yield [row.benchmark, *accuracies, *numbers, probability(row.probability), _word(row)]
        if self.average is not None:
            mean = self.average
            accuracies = [percent(share, decimals=3) for share in (mean.a, mean.b)]
            numbers = [*difference_and_interval(mean.difference), p_value(mean.adjusted_p)]
            yield ["average", *accuracies, *numbers, probability(mean.probability), _word(mean)]

    def _warnings(self) -> Iterator[str]:
        """Yield what must be read with the verdicts."""
        yield sentence(self)
        yield from filter(None, [about_checkpoints(self)])
        yield from failure_lines(self)
        if self.mismatches:
            yield "NOT MEASURED ALIKE, so that a difference need not be the model's:"
            yield from map(str, self.mismatches)
        for letter, result in (("A", self.a), ("B", self.b)):
            yield from (f"{letter}: {note}" for note in result_notes(result))
        yield from self.notes


def _word(row: analysis.BenchmarkDifference | analysis.AverageDifference) -> str:
    """Return the verdict, and what is shown of the margin if one was given."""
    if row.margin is None:
        return row.verdict
    claim = claim_text(row, row.margin.test.margin)
    return claim if claim.startswith(row.verdict) else f"{row.verdict}; {claim}"


def _margin_columns(found: MarginVerdict | None) -> dict[str, object]:
    if found is None:
        return {}
    return {
        "margin_low": found.test.low,
        "margin_high": found.test.high,
        "margin_verdict": found.verdict,
    }
