"""Figures of one comparison and of several versions, for a report and for a paper.

Every version has one colour, one marker and one kind of line, by its place in the list,
so that figures can be laid side by side and read without colour. A figure that asks for
what no version has is None. Matplotlib is imported when a figure is drawn.
"""

from __future__ import annotations

from harness.reporting.plots.accuracies import accuracy_figure, groups_figure
from harness.reporting.plots.difference import difference_figure
from harness.reporting.plots.drawing import save_png, svg
from harness.reporting.plots.ranks import ranks_figure
from harness.reporting.plots.recipes import recipes_figure
from harness.reporting.plots.tokens import budget_figure, lengths_figure
from harness.reporting.plots.training import curves_figure

__all__ = [
    "accuracy_figure",
    "budget_figure",
    "curves_figure",
    "difference_figure",
    "groups_figure",
    "lengths_figure",
    "ranks_figure",
    "recipes_figure",
    "save_png",
    "svg",
]  # fmt: skip
