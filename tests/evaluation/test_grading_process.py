"""The process that grades beside the driver: whatever becomes of it, the verdicts are the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from replayed import Recorded, replay_spec, write_responses

from harness.engines import Completion, EngineSetup, Request
from harness.engines.scripted import ScriptedEngine
from harness.evaluation import grading_process, live_grading
from harness.evaluation.grading_process import BATCH, Answer, GradingProcess
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import Plan, prepare
from harness.grading import Grader, Undecided, Verdict
from harness.runs.file_names import PARQUET
from harness.runs.folder import RunFolder
from harness.runs.journal import Journal
from harness.runs.sample import Sample
from harness.runs.verdicts import VERDICTS

pytestmark = pytest.mark.slow
PROBLEMS, EACH = 60, 10
Ran = tuple[bytes, bytes, Recorded]
"""The verdicts, the table and the counts of a run."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    folder = tmp_path_factory.mktemp("responses")
    responses = write_responses(folder / "r.jsonl", limit=PROBLEMS, n=EACH)
    return prepare(replay_spec(responses, limit=PROBLEMS, n=EACH))


def run(plan: Plan, root: Path) -> Ran:
    """Return the verdicts, the table and the counts of a run of all kinds of responses."""
    golds = {key: asked.gold for key, asked in plan.asked().items()}

    def script(request: Request) -> Completion:
        number, index = int(request.key.problem_id[-3:]), request.key.index
        text, reason = (
            (f"\\boxed{{{golds[request.key.problem_id]}}}", "stop"),
            (f"\\boxed{{-7{number}}}", "stop"),
            ("I cannot say.", "stop"),
            ("First we take 17 and", "length"),
            (rf"\boxed{{\sum_{{k=1}}^{{{2 + number % 3}}} {3 + index} k}}", "stop"),
            ("", "error"),
        )[(number + index) % 6]
        return Completion(key=request.key, text=text, finish_reason=reason)  # type: ignore[arg-type]

    setup = EngineSetup(
        spec=plan.spec.engine, sampling=plan.spec.sampling, checkpoint=None, longest=1
    )
    progress = Recorded()
    with RunFolder.create(root, plan.new_run("scripted")) as folder, Grader() as grader:
        engine = ScriptedEngine(setup, script)
        evaluate(plan, folder, grader=grader, progress=progress, engine=engine)
        verdicts, table = (folder.path / VERDICTS), (folder.path / PARQUET)
        return verdicts.read_bytes(), table.read_bytes(), progress


@pytest.fixture(scope="module")
def alone(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """The run without a second process."""
    return run(plan, tmp_path_factory.mktemp("alone"))


def asked_beside(
    plan: Plan,
    alone: Ran,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    before: Callable[[GradingProcess], object] = lambda process: None,
) -> list[Verdict | Undecided | None]:
    """Check a run with a second process against one without; return what it answered."""
    answered: list[Verdict | Undecided | None] = []
    processes: list[GradingProcess] = []

    class Watched(GradingProcess):
        def ask(self, samples: Sequence[Sample], begin: int, end: int) -> None:
            processes.append(self)
            before(self)
            super().ask(samples, begin, end)

        def answers(
            self, *, wait: bool = False
        ) -> Iterator[tuple[Sample, Verdict | Undecided | None]]:
            for sample, graded in super().answers(wait=wait):
                answered.append(graded)
                yield sample, graded

    monkeypatch.setattr(live_grading, "GradingProcess", Watched)
    monkeypatch.setattr(live_grading, "MANY_SAMPLES", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    beside = run(plan, root / "beside")
    assert beside[:2] == alone[:2]
    assert beside[2].counts["demo"] == alone[2].counts["demo"]
    assert beside[2].counts["demo"][:2] == (PROBLEMS * EACH, PROBLEMS * EACH)
    assert not any(psutil.pid_exists(process.pid) for process in processes)
    return answered


def test_two_processes_say_what_one_says(
    plan: Plan, alone: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = asked_beside(plan, alone, tmp_path, monkeypatch)
    assert len(answered) == PROBLEMS * EACH > 2 * BATCH
    kinds = {type(graded) for graded in answered}
    assert kinds == {Verdict, Undecided}


def test_one_that_is_killed_costs_no_verdict(
    plan: Plan, alone: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(process: GradingProcess) -> None:
        os.kill(process.pid, signal.SIGKILL)

    answered = asked_beside(plan, alone, tmp_path, monkeypatch, before=kill)
    assert answered
    assert not any(answered), "what it was asked is graded by the driver"


def test_one_that_hangs_is_given_up(
    plan: Plan, alone: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(process: GradingProcess) -> None:
        os.kill(process.pid, signal.SIGSTOP)

    monkeypatch.setattr(grading_process, "PATIENCE", 0.5)
    answered = asked_beside(plan, alone, tmp_path, monkeypatch, before=stop)
    assert answered
    assert not any(answered)


def test_where_it_is_slower_than_the_samples_come_the_driver_grades(
    plan: Plan, alone: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading_process, "MOST_UNDER_WAY", 0)
    assert asked_beside(plan, alone, tmp_path, monkeypatch) == []


def test_a_verdict_that_is_forgotten_is_sent_again(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grading_process, "REMEMBERED", 1)
    journal = Journal(tmp_path / "journal")  # no file before the first sample
    grader = grading_process._BatchGrader(journal.path, plan.asked(), plan.style.name)
    known: list[Verdict | Undecided] = []
    for answers in (["1", "2", "1"], ["2", "3"], ["1", r"\int_0^3 x dx"]):
        begin = journal.end
        for answer in answers:
            journal.append(sample(next(iter(plan.asked())), f"\\boxed{{{answer}}}"))
        said: Answer = grader.grade(begin, journal.end)
        known += [*said.verdicts, *said.undecided]
        found = [known[number] for number in said.numbers]
        given = [one.extracted if isinstance(one, Verdict) else one.answer for one in found]
        assert given == answers


def sample(problem_id: str, response: str) -> Sample:
    return Sample(
        problem_id=problem_id, index=0, response=response, finish_reason="stop", seed=0,
        prompt_sum="",
    )  # fmt: skip
