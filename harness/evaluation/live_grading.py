"""Grades responses while the engine makes more."""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import Protocol

from harness.evaluation.grade_sample import grade_sample_by_rules
from harness.evaluation.grading_process import BATCH, GradingProcess
from harness.evaluation.plan import Plan
from harness.grading import Grader, Undecided, Verdict
from harness.runs.folder import RunFolder
from harness.runs.sample import Sample, SampleKey

MANY_SAMPLES = 10_000
"""From this number of samples on a second process grades too; fewer are not worth its start."""


LONGEST_KEPT = 1.0
"""Seconds that a sample may wait until its batch is handed over."""


class Watcher(Protocol):
    """Is told how a run goes on; the command line shows it."""

    def begin(self, plan: Plan, folder: RunFolder) -> None:
        """The run's folder is open: there is so much to do, and an earlier attempt left this."""

    def say(self, text: str) -> None:
        """Show one line that stays."""

    def stage(self, text: str) -> None:
        """Say what is being waited for."""

    def stored(self, sample: Sample) -> None:
        """A new sample is in the journal."""

    def graded(self, key: SampleKey, verdict: Verdict) -> None:
        """A sample, old or new, has its verdict. Called from any thread."""


class Silent:
    """A watcher that shows nothing; a base for one that shows little."""

    def begin(self, plan: Plan, folder: RunFolder) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Show nothing."""

    def stage(self, text: str) -> None:
        """Show nothing."""

    def stored(self, sample: Sample) -> None:
        """Show nothing."""

    def graded(self, key: SampleKey, verdict: Verdict) -> None:
        """Show nothing."""


class LiveGrading:
    """Grades samples as they come, so that the engine never waits, and keeps the verdicts."""

    def __init__(self, plan: Plan, folder: RunFolder, grader: Grader, watcher: Watcher) -> None:
        self._read, self._asked = plan.style.read, plan.asked()
        self._grader, self._watcher = grader, watcher
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
            self._watcher.graded(key, verdict)
        else:
            verdict.add_done_callback(lambda done: self._settle(key, done))

    def _settle(self, key: SampleKey, done: Future[Verdict]) -> None:
        if done.exception() is None:  # an exception is raised where the verdict is asked for
            self._verdicts[key.problem_id][key.index] = done.result()
            self._watcher.graded(key, done.result())

    def verdict(self, key: SampleKey) -> Verdict:
        """Return a sample's verdict, waiting for it if need be."""
        verdict = self._verdicts[key.problem_id][key.index]
        if verdict is None:
            raise KeyError(key)
        return verdict if isinstance(verdict, Verdict) else verdict.result()
