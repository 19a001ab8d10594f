"""How long responses are expected to be, by the stored run that is most alike.

It decides in what order a run's requests are asked, and no number.
"""

from __future__ import annotations

from contextlib import suppress
from statistics import fmean

from benchmarks import UserError
from harness.evaluation.forecast import most_alike
from harness.evaluation.plan import Plan
from harness.runs.catalogue import Catalogue
from harness.runs.verdicts import read_verdicts


def expected_lengths(plan: Plan, catalogue: Catalogue) -> dict[str, float]:
    """Return the mean tokens of a response by problem id, as far as a stored run tells."""
    with suppress(UserError):  # a run that cannot be read is no reason not to evaluate
        stored = {run.id: (path, run) for path, run in catalogue.runs}
        like = most_alike(plan, (run for _, run in stored.values()))
        rows = None if like is None else read_verdicts(stored[like.id][0])
        counted = {
            row.problem_id: [tokens for tokens in row.tokens if tokens is not None]
            for row in rows or ()
        }
        return {problem_id: fmean(tokens) for problem_id, tokens in counted.items() if tokens}
    return {}
