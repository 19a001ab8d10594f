"""How a run ends: its verdicts and scores are written, then its record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from harness.runs.folder import RunFolder
from harness.runs.record import Phases, Run
from harness.runs.scores import average, score
from harness.runs.verdicts import ProblemVerdicts, to_lines
from harness.runs.versions import grader_versions


def declare_complete(
    folder: RunFolder, verdicts: Mapping[str, Sequence[ProblemVerdicts]], spent: Phases
) -> Run:
    """Score a run whose table is written; store its verdicts, and its record as complete."""
    scores = tuple(score(name, rows) for name, rows in verdicts.items())
    content = to_lines(row for rows in verdicts.values() for row in rows)
    folder.write_verdicts(content)
    run = folder.run.model_copy(
        update={
            "status": "complete",
            "finished": datetime.now(UTC),
            # Whoever began the run may have had an earlier grader, of the same verdicts.
            "packages": {**folder.run.packages, **grader_versions()},
            "phases": folder.run.phases.plus(spent),
            "scores": scores,
            "average": average(scores),
            "verdicts_sum": hashlib.sha256(content).hexdigest(),
        }
    )
    folder.update(run)
    return run
