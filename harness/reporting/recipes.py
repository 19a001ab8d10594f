"""A comparison of two recipes as a person holds it: printed, in a notebook, or in pandas.

It is apart from `harness.analysis` for the same reason as `harness.reporting.comparison`.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from harness.analysis import recipes as analysis
from harness.common.text import one_line, printable
from harness.reporting.text.recipes import (
    HEADERS,
    all_rows,
    difference_rows,
    doubts,
    recipes_text,
    sentence,
)

if TYPE_CHECKING:
    from pandas import DataFrame


class RecipeComparison(analysis.RecipeComparison):
    """Is recipe B better than recipe A? What `compare_recipes` found over several trainings.

    Printed it is what `diff` prints of groups of runs, and a notebook shows it as a table.
    Accuracies, differences and standard errors are fractions.

    Example:
        found = compare_recipes(["v1-seed1", "v1-seed2"], ["v4-seed1", "v4-seed2"])
        print(found.rows[0].verdict, found.rows[0].found.variances.seed)
    """

    @classmethod
    def of(cls, found: analysis.RecipeComparison) -> RecipeComparison:
        """Return the same comparison as one that can be looked at."""
        names = [field.name for field in fields(analysis.RecipeComparison)]
        return cls(**{name: getattr(found, name) for name in names})

    def to_pandas(self) -> DataFrame:
        """Return one row a benchmark, and the average: means, difference, verdict, variances.

        ``difference`` is B - A, ``low`` and ``high`` are its 95 % interval, and ``adjusted_p`` is
        corrected over the benchmarks and their average by Holm's method.
        """
        import pandas as pd

        rows = [
            {
                "benchmark": row.benchmark,
                "problems": row.problems,
                "a": row.found.a,
                "b": row.found.b,
                "difference": row.found.difference.difference,
                "low": row.found.difference.low,
                "high": row.found.difference.high,
                "standard_error": row.found.difference.standard_error,
                "freedom": row.found.freedom,
                "p_value": row.found.difference.p_value,
                "adjusted_p": row.adjusted_p,
                "verdict": row.verdict,
                "v_seed": row.found.variances.seed,
                "v_problem": row.found.variances.problem,
                "v_interaction": row.found.variances.interaction,
            }
            for row in all_rows(self)
        ]
        return pd.DataFrame(rows)

    def __str__(self) -> str:
        return printable(recipes_text(self))

    def __repr__(self) -> str:
        verdicts = [f"{row.benchmark} {row.verdict}" for row in all_rows(self)]
        names = f"{one_line(self.a.name)} -> {one_line(self.b.name)}"
        return f"<RecipeComparison {names}: {printable(', '.join(verdicts))}>"

    def _repr_html_(self) -> str:
        from harness.reporting.notebook import folded, html_table

        warnings = list(map(str, self.mismatches))
        if warnings:
            warnings.insert(0, "NOT MEASURED ALIKE, so that a difference need not be the recipes':")
        notes = [*warnings, *doubts(self), *self.notes]
        table = html_table(sentence(self), HEADERS, difference_rows(self), notes)
        return table + folded("all that `diff` prints", recipes_text(self))
