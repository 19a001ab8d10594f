"""Grades responses while the engine makes more."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from concurrent.futures import Future
from contextlib import suppress

from harness.common.progress import Progress
from harness.evaluation.grade_sample import grade_sample_by_rules
from harness.evaluation.grading_process import BATCH, GradingProcess
from harness.evaluation.plan import Plan
from harness.grading import Grader, Outcome, Undecided, Verdict
from harness.runs.folder import RunFolder
from harness.runs.sample import Sample, SampleKey

MANY_SAMPLES = 10_000
"""From this number of samples on a second process grades too; fewer are not worth its start."""


LONGEST_KEPT = 1.0
"""Seconds that a sample may wait until its batch is handed over."""


class _Counts:
    """Counts the graded samples of each benchmark, and how many of them are correct."""

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._benchmark = {
            problem.id: name for name, problems in plan.problems.items() for problem in problems
        }
        self._wanted = {
            name: len(problems) * plan.spec.sampling.samples_for(name)
            for name, problems in plan.problems.items()
        }
        self._graded: Counter[str] = Counter()
        self._correct: Counter[str] = Counter()
        self._truncated: Counter[str] = Counter()

    def add(self, key: SampleKey, verdict: Verdict) -> None:
        """Count a verdict and tell the progress of it. Any thread may call it."""
        name = self._benchmark[key.problem_id]
        with self._lock:
            self._graded[name] += 1
            self._correct[name] += verdict.correct
            self._truncated[name] += verdict.outcome is Outcome.TRUNCATED
            graded, correct = self._graded[name], self._correct[name]
            note = f"graded, {100 * correct / graded:.1f} % correct"
            if self._truncated[name]:
                note += f", {self._truncated[name]} truncated"
            self._progress.advance(graded, self._wanted[name], part=name, note=note)


class LiveGrading:
    """Grades samples as they come, so that the engine never waits, and keeps the verdicts."""

    def __init__(self, plan: Plan, folder: RunFolder, grader: Grader, progress: Progress) -> None:
        self._read, self._asked = plan.style.read, plan.asked()
        self._grader, self._counts = grader, _Counts(plan, progress)
        self._journal = folder.samples
        self._second = None
        if plan.samples - len(folder.samples) >= MANY_SAMPLES and len(os.sched_getaffinity(0)) > 1:
            with suppress(OSError):  # without it this process grades alone, as with fewer samples
                self._second = GradingProcess(folder.samples.path, self._asked, plan.style.name)
        self._batch: list[Sample] = []
        self._batch_begins = self._journal.end
        self._batch_began = time.monotonic()
        self._verdicts: dict[str, list[Verdict | Future[Verdict] | None]] = {
            problem.id: [None] * plan.spec.sampling.samples_for(name)
            for name, problems in plan.problems.items()
            for problem in problems
        }

    def warm_up(self) -> None:
        """Start a worker now, while the engine does: later it would take the processor from it."""
        self._grader.warm_up()

    def submit(self, sample: Sample) -> None:
        """Have the sample graded that was appended to the journal last."""
        if self._second is None:
            self.grade(sample)
            return
        self._batch.append(sample)
        waited = time.monotonic() - self._batch_began
        if len(self._batch) == BATCH or waited > LONGEST_KEPT:
            self._hand_over(self._second)

    def grade(self, sample: Sample) -> None:
        """Grade a sample here and now, as far as it needs no worker."""
        asked = self._asked[sample.problem_id]
        self._note(sample, grade_sample_by_rules(sample, asked, read=self._read))

    def finish(self) -> None:
        """Hand over the last samples: then each has its verdict or is with a worker."""
        if self._second is not None:
            self._hand_over(self._second)
            self._take(self._second, wait=True)

    def close(self) -> None:
        """End the second process."""
        if self._second is not None:
            self._second.close()

    def _hand_over(self, second: GradingProcess) -> None:
        """Have the batch graded by the second process, or here if that one is busy."""
        self._take(second)
        if self._batch and second.has_room:
            second.ask(self._batch, self._batch_begins, self._journal.end)
        else:
            for sample in self._batch:
                self.grade(sample)
        self._batch = []
        self._batch_begins, self._batch_began = self._journal.end, time.monotonic()

    def _take(self, second: GradingProcess, *, wait: bool = False) -> None:
        for sample, graded in second.answers(wait=wait):
            if graded is None:
                self.grade(sample)
            else:
                self._note(sample, graded)

    def _note(self, sample: Sample, judged: Verdict | Undecided) -> None:
        key, verdict = sample.key, self._grader.grade_undecided(judged)
        self._verdicts[key.problem_id][key.index] = verdict
        if isinstance(verdict, Verdict):
            self._counts.add(key, verdict)
        else:
            verdict.add_done_callback(lambda done: self._settle(key, done))

    def _settle(self, key: SampleKey, done: Future[Verdict]) -> None:
        if done.exception() is None:  # an exception is raised where the verdict is asked for
            self._verdicts[key.problem_id][key.index] = done.result()
            self._counts.add(key, done.result())

    def verdict(self, key: SampleKey) -> Verdict:
        """Return a sample's verdict, waiting for it if need be."""
        verdict = self._verdicts[key.problem_id][key.index]
        if verdict is None:
            raise KeyError(key)
        return verdict if isinstance(verdict, Verdict) else verdict.result()
