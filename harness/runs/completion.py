"""How a run ends: its table, its verdicts and scores, and then its record are written."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from harness.runs.folder import RunFolder
from harness.runs.graded import Graded, by_problem
from harness.runs.record import Phases, Run
from harness.runs.samples_table import table_batches
from harness.runs.scores import average, score, token_limit
from harness.runs.verdicts import ProblemVerdicts, problem_verdicts, to_lines
from harness.runs.versions import grader_versions


def finish_run(folder: RunFolder, graded: Mapping[str, Iterable[Graded]], spent: Phases) -> Run:
    """Write everything that a complete run has beside its journal, and return its record.

    The record is written last: until then the run is incomplete, and can be finished again.

    Args:
        folder: the run's folder; its journal holds every sample.
        graded: by benchmark, the samples of its problems, those of one problem side by side.
            They are read once and one problem at a time, so that they need not all be in memory.
        spent: what the attempt took until now; the time that this function takes is added.

    Raises:
        UserError: a file cannot be written.
    """
    began = time.monotonic()
    verdicts: dict[str, list[ProblemVerdicts]] = {name: [] for name in graded}
    empty: Counter[str] = Counter()

    def rows() -> Iterator[tuple[str, Graded]]:
        """Yield the rows of the table, and keep the verdicts on each problem on the way."""
        for name, samples in graded.items():
            for problem in by_problem(samples):
                verdicts[name].append(problem_verdicts(name, problem))
                empty[name] += sum(row.sample.is_empty for row in problem)
                yield from ((name, row) for row in problem)

    folder.write_parquet(table_batches(rows()))
    spent = spent.plus(Phases(finish=time.monotonic() - began))
    limit = token_limit(folder.run)
    scores = tuple(
        score(name, problems, limit=limit, empty=empty[name]) for name, problems in verdicts.items()
    )
    content = to_lines(row for problems in verdicts.values() for row in problems)
    folder.write_verdicts(content)
    run = folder.run.model_copy(
        update={
            "status": "complete",
            "finished": datetime.now(UTC),
            # An earlier grader that gives the same verdicts may have begun the run.
            "packages": {**folder.run.packages, **grader_versions()},
            "phases": folder.run.phases.plus(spent),
            "scores": scores,
            "average": average(scores),
            "verdicts_sum": hashlib.sha256(content).hexdigest(),
        }
    )
    folder.update(run)
    return run
