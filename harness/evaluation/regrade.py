"""An old run's samples, graded again: by today's grader, or by a reward of old.

A regraded run is a new run that says what it came from; the old one is not
touched, so that a score which moved can be traced to the verdicts that moved it.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Protocol

from benchmarks import BENCHMARKS, Problem, UserError
from benchmarks.hints import setting
from benchmarks.source import conventions_sum, load_problems, problems_sum
from harness.common.files import file_sum
from harness.common.text import counted, one_line
from harness.evaluation.grade_sample import Reference, grade_sample
from harness.grading import Grader, Outcome, Verdict, grader_version
from harness.grading.compat.rewards import REWARDS, VERSIONS, Reward
from harness.models.lineage import lineage_bytes
from harness.prompts.styles import find_prompt_style
from harness.runs.completion import finish_run
from harness.runs.folder import RunFolder
from harness.runs.graded import Graded
from harness.runs.identity import REWARD_GRADER, UNKNOWN_STYLE, Identity
from harness.runs.record import Phases, Run
from harness.runs.sample import Sample, SampleKey
from harness.runs.samples_table import finished_samples, read_parquet

LaterVerdict = Verdict | Future[Verdict]
"""A verdict, or the promise of one."""


_log = logging.getLogger(__name__)


class Grading(Protocol):
    """Who gives the verdicts: the grader, or a reward."""

    identity: str
    """What the run records as its grader."""

    def grade(self, sample: Sample, asked: Reference, read: Callable[[str], str]) -> LaterVerdict:
        """Return the verdict of one sample, perhaps later."""

    def require_worked(self) -> None:
        """Refuse verdicts that say nothing, once all samples are graded."""


class HarnessGrading:
    """The grader of an evaluation."""

    def __init__(self, grader: Grader) -> None:
        self.identity = grader_version()
        self._grader = grader

    def grade(self, sample: Sample, asked: Reference, read: Callable[[str], str]) -> LaterVerdict:
        """Grade as an evaluation does."""
        return grade_sample(sample, asked, read=read, grader=self._grader)

    def require_worked(self) -> None:
        """Do nothing: the grader raises nothing, and its failures are outcomes."""


class RewardGrading:
    """A training reward: correct if and only if it gives the whole point."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reward: Reward = REWARDS[name]
        # A reward of another package states no version, so the sum of its file stands for one.
        version = VERSIONS.get(name) or _source_sum(name, self._reward)
        self._asked = self._failed = 0
        self._told = ""
        self.identity = f"{REWARD_GRADER}{name}+{version}"

    def grade(self, sample: Sample, asked: Reference, read: Callable[[str], str]) -> LaterVerdict:
        """Ask the reward, which knows no outcome but right and wrong."""
        if sample.finish_reason in ("overflow", "error"):
            overflow = sample.finish_reason == "overflow"
            return Verdict(outcome=Outcome.OVERFLOW if overflow else Outcome.ENGINE_ERROR)
        self._asked += 1
        try:
            value: object = self._reward(read(sample.response), asked.gold)
            if not isinstance(value, Real):
                raise TypeError(f"it returned {type(value).__name__}, and not a number")
        except Exception as error:  # noqa: BLE001 - code of another package: it may raise anything
            self._failed += 1
            self._told = self._told or one_line(f"{type(error).__name__}: {error}", limit=200)
            return Verdict(outcome=Outcome.GRADER_ERROR, rule=self._name)
        full = value == 1
        return Verdict(outcome=Outcome.CORRECT if full else Outcome.WRONG, rule=self._name)

    def require_worked(self) -> None:
        """Warn where the reward failed on samples, which are grader errors then.

        Raises:
            UserError: it failed on every one, so that there is no verdict to store.
        """
        if not self._failed:
            return
        found = (
            f"the reward {self._name} failed on {self._failed:,} of "
            f"{counted(self._asked, 'sample')}, first with {self._told}"
        )
        if self._failed == self._asked:
            raise UserError(f"{found}; nothing was stored: mend the reward's package")
        _log.warning("%s; they are grader errors", found)


def _source_sum(name: str, reward: Reward) -> str:
    try:
        return file_sum(Path(inspect.getfile(reward)))[:8]
    except (TypeError, OSError) as error:
        raise UserError(
            f"the reward {name}: the file that defines it cannot be read ({error}), and its sum "
            "is the reward's version; give a function of a Python file as the entry point"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedVerdict:
    """One sample whose verdict went from correct to not, or from not to correct."""

    benchmark: str
    problem_id: str
    index: int
    gold: str
    before: str
    """The old outcome."""
    after: str
    answer_before: str | None
    answer_after: str | None
    rule_before: str | None
    rule_after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Regraded:
    """A new run beside the one that its samples are from."""

    old: Run
    new: Run
    path: Path
    changes: tuple[ChangedVerdict, ...] | None
    """None if the old run was stored without its verdicts."""


def regrade(
    path: Path, old: Run, *, grading: Grading, root: Path, data_dir: Path | None = None
) -> Regraded:
    """Grade the samples of the run in ``path`` again and store them as a new run under ``root``.

    Raises:
        UserError: the run is incomplete or has lost its samples, or the problems
            at hand are not those that it was asked.
    """
    if old.status != "complete":
        raise UserError(
            f"{path} is incomplete, and its score would be of a part only; "
            "finish it first, with the command that began it"
        )
    began = time.monotonic()
    samples = finished_samples(path)
    problems = asked_problems(old, samples, data_dir)
    graded = _grade(old, problems, samples, grading)
    grading.require_worked()
    with RunFolder.create(
        root, _new_run(old, problems, grading), lineage=lineage_bytes(path)
    ) as folder:
        for sample in samples.values():
            folder.append(sample)
        new = finish_run(folder, graded, Phases(finish=time.monotonic() - began))
    changes = tuple(_changes(path, graded)) if _has_verdicts(path) else None
    return Regraded(old=old, new=new, path=folder.path, changes=changes)


def regrade_by(
    reward: str | None, path: Path, old: Run, *, root: Path, data_dir: Path | None = None
) -> Regraded:
    """Grade a run again, as `regrade` does, by the reward of that name or else by the grader."""
    if reward is not None:
        return regrade(path, old, grading=RewardGrading(reward), root=root, data_dir=data_dir)
    with Grader() as grader:
        return regrade(path, old, grading=HarnessGrading(grader), root=root, data_dir=data_dir)


def asked_problems(
    run: Run, samples: Mapping[SampleKey, Sample], data_dir: Path | None
) -> dict[str, list[Problem]]:
    """Load the problems that a run was asked, and make sure that they are the same ones."""
    sampled = {key.problem_id for key in samples}
    found = {}
    for name, identity in run.identity.benchmarks.items():
        problems = load_problems(BENCHMARKS[name], data_dir=data_dir, limit=run.spec.limit)
        if run.saved is not None:  # what was read from files may have any of the problems
            problems = [problem for problem in problems if problem.id in sampled]
        now = problems_sum(problems)
        if now != identity.sum:
            raise UserError(
                f"{run.id} was asked other problems of {name} than there are here: their sum was "
                f"{identity.sum[:12]}… and is {now[:12]}…; grade it with the problems of its "
                f"time ({setting('data_dir')}), or evaluate anew"
            )
        found[name] = problems
    return found


def _new_run(old: Run, problems: Mapping[str, list[Problem]], grading: Grading) -> Run:
    identity = _identity(old, problems, grading)
    base = old.name.removesuffix(f"@{old.identity.reward}")
    return Run.begin(
        old.spec,
        identity,
        # A reward's verdicts must not stand under the name of the harness's own.
        name=f"{base}@{identity.reward}" if identity.reward else base,
        tags=old.tags,
        # What drew the samples stays; what grades them is today's.
        packages=old.packages,
        hardware=old.hardware,
        regraded_from=old.id,
        reused=old.reused,
        saved=old.saved,
        usage=old.usage,
    )


def _identity(old: Run, problems: Mapping[str, list[Problem]], grading: Grading) -> Identity:
    benchmarks = {
        name: identity.model_copy(
            update={"conventions": conventions_sum(BENCHMARKS[name], problems[name])}
        )
        for name, identity in old.identity.benchmarks.items()
    }
    return old.identity.model_copy(update={"grader": grading.identity, "benchmarks": benchmarks})


def _grade(
    run: Run,
    problems: Mapping[str, list[Problem]],
    samples: Mapping[SampleKey, Sample],
    grading: Grading,
) -> dict[str, list[Graded]]:
    style = run.spec.prompt.style
    read = str if run.saved and style == UNKNOWN_STYLE else find_prompt_style(style).read
    verdicts: list[tuple[str, Problem, Sample, LaterVerdict]] = []
    for name, asked in problems.items():
        for problem, sample in _in_order(run, name, asked, samples):
            what = Reference(
                problem.answer,
                BENCHMARKS[name].conventions_for(problem),
                thinking_opened=run.identity.thinking_opened,
            )
            verdicts.append((name, problem, sample, grading.grade(sample, what, read)))
    graded: dict[str, list[Graded]] = {name: [] for name in problems}
    for name, problem, sample, verdict in verdicts:
        known = verdict if isinstance(verdict, Verdict) else verdict.result()
        graded[name].append(Graded(problem=problem, sample=sample, verdict=known))
    return graded


def _in_order(
    run: Run, name: str, problems: list[Problem], samples: Mapping[SampleKey, Sample]
) -> Iterator[tuple[Problem, Sample]]:
    of_problem: dict[str, list[Sample]] = {problem.id: [] for problem in problems}
    for key in sorted(samples):
        of_problem.get(key.problem_id, []).append(samples[key])
    wanted = run.identity.benchmarks[name].samples
    for problem in problems:
        found = of_problem[problem.id]
        # Saved generations may have fewer samples of one problem than of another.
        if len(found) != wanted and run.saved is None:
            raise UserError(
                f"{run.id} has {len(found)} of the {wanted} samples of {problem.id}: its files "
                "were changed after it was complete; take them from where they were copied"
            )
        yield from ((problem, sample) for sample in found)


def _has_verdicts(path: Path) -> bool:
    return next(read_parquet(path), None) is not None


def _changes(path: Path, graded: Mapping[str, list[Graded]]) -> Iterator[ChangedVerdict]:
    now = {row.sample.key: row for rows in graded.values() for row in rows}
    for was in read_parquet(path):
        row = now.get(SampleKey(was["problem_id"], was["index"]))
        if row is None or (was["outcome"] == Outcome.CORRECT) == row.verdict.correct:
            continue
        yield ChangedVerdict(
            benchmark=was["benchmark"],
            problem_id=was["problem_id"],
            index=was["index"],
            gold=row.problem.answer,
            before=was["outcome"],
            after=row.verdict.outcome.value,
            answer_before=was["extracted"],
            answer_after=row.verdict.extracted,
            rule_before=was["rule"],
            rule_after=row.verdict.rule,
        )
