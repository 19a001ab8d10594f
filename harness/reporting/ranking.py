"""A comparison of many runs as a person holds it: printed, in a notebook, or as a table of pandas.

It is apart from `harness.analysis` for the same reason as `harness.reporting.comparison`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

from harness.analysis import many as analysis
from harness.common.text import one_line, printable
from harness.reporting.text.many import (
    many_headers,
    many_mismatches,
    many_rows,
    many_sentences,
    many_text,
)
from harness.reporting.text.notes import result_notes

if TYPE_CHECKING:
    from pandas import DataFrame


class Ranking(analysis.ManyComparison):
    """Which of many runs is the best, or which are better than a base? What `rank` found.

    Printed it is what the command `rank` prints, and a notebook shows it as a table. Averages and
    differences are fractions.

    Example:
        found = rank(["v1", "v2", "v3"])
        print(found.runs[0].result.name, found.runs[0].ranks, found.winner.certain)
    """

    @classmethod
    def of(cls, found: analysis.ManyComparison) -> Ranking:
        """Return the same comparison as one that can be looked at."""
        names = [field.name for field in fields(analysis.ManyComparison)]
        return cls(**{name: getattr(found, name) for name in names})

    def to_pandas(self) -> DataFrame:
        """Return one row a run, the highest average first.

        Without a base ``best_rank`` and ``worst_rank`` are the limits of its rank. With a base
        ``difference`` is the run's average minus the base's, ``low`` and ``high`` are its joint
        95 % interval, and ``adjusted_p`` is corrected for the number of runs.
        """
        import pandas as pd

        rows = []
        for one in self.runs:
            row = {
                "name": one.result.name,
                "id": one.result.id,
                "average": one.average,
                "average_low": one.interval.low,
                "average_high": one.interval.high,
            }
            if one.ranks is not None:
                row |= {"best_rank": one.ranks[0], "worst_rank": one.ranks[1]}
            if one.against_base is not None:
                against = one.against_base
                row |= {key: getattr(against, key) for key in against.__dataclass_fields__}
            rows.append(row)
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        return printable(many_text(self))

    def __repr__(self) -> str:
        names = ", ".join(one_line(one.result.name) for one in self.runs)
        against = "" if self.base is None else f" against {one_line(self.base.result.name)}"
        return f"<Ranking of {printable(names)}{printable(against)}>"

    def _repr_html_(self) -> str:
        from harness.reporting.notebook import folded, html_table

        title = "; ".join(many_sentences(self))
        table = html_table(title, many_headers(self), many_rows(self), self._warnings())
        return table + folded("all that `rank` prints", many_text(self))

    def _warnings(self) -> Iterator[str]:
        """Yield what must be read with the table."""
        yield from many_mismatches(self)
        for one in (*([self.base] if self.base else []), *self.runs):
            yield from (f"{one.result.name}: {note}" for note in result_notes(one.result))
        yield from self.notes
