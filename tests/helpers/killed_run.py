"""A process that evaluates and kills itself (SIGKILL) at a point named on the command line."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from replayed import replay_spec

from harness.engines import Completion, Request
from harness.engines.replay import ReplayEngine
from harness.evaluation.drawing import open_engine
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import Plan, prepare
from harness.grading import Grader
from harness.runs.catalogue import Catalogue
from harness.runs.file_names import JOURNAL
from harness.runs.folder import RunFolder
from harness.runs.record import Run


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DyingEngine(ReplayEngine):
    """Replays responses, and kills its process before completion number ``after``."""

    after = -1

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        for number, completion in enumerate(super().generate(requests)):
            if number == self.after:
                die()
            yield completion


class DyingFolder(RunFolder):
    """Kill this process at the point where the run would be declared complete."""

    def update(self, run: Run) -> None:
        if run.status == "complete":
            die()
        super().update(run)


def main(point: str, results: Path, responses: Path) -> None:
    plan = prepare(replay_spec(responses, limit=12))
    run = plan.new_run("replayed")
    kind = DyingFolder if point == "before the record" else RunFolder
    if point == "before the name":
        Path.rename = die  # type: ignore[assignment,method-assign]
    catalogue = Catalogue(results)
    stored = catalogue.same_as(run)
    opened = kind(stored) if stored else kind.create(catalogue.root, run)
    with opened as folder, Grader() as grader:
        engine = dying_engine(plan, point, folder)
        evaluate(plan, folder, grader=grader, engine=engine)


def dying_engine(plan: Plan, point: str, folder: RunFolder) -> DyingEngine:
    engine = open_engine(plan)
    dying = DyingEngine(engine.setup)
    word, _, number = point.partition(" ")
    if word == "sample":
        dying.after = int(number)
    elif point == "last sample":
        dying.after = 11 - len(folder.samples)
    elif point == "half a line":
        with (folder.path / JOURNAL).open("ab") as journal:
            journal.write(b'{"problem_id": "demo/test-0003", "index": 0, "resp')
        die()
    return dying


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
