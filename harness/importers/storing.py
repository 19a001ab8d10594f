"""Store graded generations as a run like any other; its record says that they were imported."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from benchmarks import BENCHMARKS
from benchmarks.source import conventions_sum, problems_sum
from harness.common.text import told_apart
from harness.grading import grader_version
from harness.importers.files import SavedFile
from harness.importers.matching import ProblemIndex
from harness.importers.scoring import Placed, Scored, place_all
from harness.runs.catalogue import Catalogue
from harness.runs.completion import finish_run
from harness.runs.folder import RunFolder
from harness.runs.graded import Graded
from harness.runs.identity import UNKNOWN_STYLE, BenchmarkIdentity, EngineIdentity, Identity
from harness.runs.record import Phases, Run, SavedSource
from harness.runs.spec import EngineSpec, EvalSpec, PromptSpec, Sampling


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The files of one run, and the index that found their problems."""

    name: str
    """The name of the run."""
    files: Sequence[SavedFile]
    index: ProblemIndex


def store_scored(scored: Scored, source: Source, catalogue: Catalogue) -> tuple[Path, Run]:
    """Store the matched responses as a run; the same files scored again give the same run."""
    began = time.monotonic()
    run = _new_run(scored, source)
    stored = catalogue.same_as(run)
    if stored is not None:
        with RunFolder(stored) as folder:
            if folder.run.status == "complete":
                return stored, folder.run
    with RunFolder.create(catalogue.root, run) as folder:
        for placed in _matched(source):
            folder.append(placed.sample)
        graded = {name: _with_responses(rows, folder) for name, rows in scored.graded.items()}
        spent = Phases(finish=time.monotonic() - began)
        return folder.path, finish_run(folder, graded, spent)


def _matched(source: Source) -> Iterator[Placed]:
    for placed in place_all(source.files, source.index, Scored()):
        if isinstance(placed, Placed) and placed.ours:
            yield placed


def _with_responses(rows: Sequence[Graded], folder: RunFolder) -> Iterator[Graded]:
    for row in rows:
        yield replace(row, sample=folder.samples[row.sample.key])


def _new_run(scored: Scored, source: Source) -> Run:
    engine = f"saved:{'+'.join(sorted({file.format.name for file in source.files}))}"
    spec = EvalSpec(
        model=source.name,
        benchmarks=tuple(scored.graded),
        prompt=PromptSpec(style=_style(source.files)),
        sampling=_sampling(scored),
        engine=EngineSpec(name=engine),
    )
    identity = _identity(scored, source, spec)
    return Run.begin(spec, identity, name=source.name, saved=_source(scored, source))


def _style(files: Sequence[SavedFile]) -> str:
    styles = {file.style for file in files}
    return styles.pop() if len(styles) == 1 else UNKNOWN_STYLE


def _sampling(scored: Scored) -> Sampling:
    """Return a placeholder, since only the number of samples is known, not their sampling."""
    counts = {name: _most_samples(rows) for name, rows in scored.graded.items()}
    several = max(counts.values()) > 1
    return Sampling(temperature=1.0 if several else 0.0, n_by_benchmark=counts if several else {})


def _most_samples(rows: Sequence[Graded]) -> int:
    return max(row.sample.index for row in rows) + 1


def _source(scored: Scored, source: Source) -> SavedSource:
    names = [f"{file.path.parent.name}/{file.path.name}" for file in source.files]
    return SavedSource(
        format="+".join(sorted({file.format.name for file in source.files})),
        files=dict(zip(told_apart(names), (file.sum for file in source.files), strict=True)),
        responses=scored.responses,
        unmatched=len(scored.unmatched) + sum(one.samples for one in scored.foreign),
        unreadable=len(scored.unreadable),
        problems_of={name: len(source.index.problems(name)) for name in scored.graded},
    )


def _identity(scored: Scored, source: Source, spec: EvalSpec) -> Identity:
    benchmarks = {}
    for name, rows in scored.graded.items():
        problems = list({row.problem.id: row.problem for row in rows}.values())
        benchmarks[name] = BenchmarkIdentity(
            problems=len(problems),
            sum=problems_sum(problems),
            samples=_most_samples(rows),
            conventions=conventions_sum(BENCHMARKS[name], problems),
        )
    settings: dict[str, Any] = {
        "files": {str(number): file.sum for number, file in enumerate(source.files)}
    }
    if unknown := _unknown_ends(scored):
        settings["unknown_ends"] = unknown  # earlier versions took these responses for finished
    return Identity(
        model={},
        benchmarks=benchmarks,
        prompt=spec.prompt,
        prompts_sum="",
        stop_token_ids=(),
        sampling=spec.sampling,
        engine=EngineIdentity(name=spec.engine.name, versions={}, settings=settings),
        grader=grader_version(),
    )


def _unknown_ends(scored: Scored) -> int:
    """Count the stored responses of which the files do not say how they ended."""
    rows = (row for graded in scored.graded.values() for row in graded)
    return sum(row.sample.finish_reason == "unknown" for row in rows)
