"""Lists what each version is and how it was measured, so that every number can be traced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.reporting.text.cost import cost_facts
from harness.runs.cost import cost_of
from harness.runs.record import Run
from harness.runs.results import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedResult:
    """A result, with its label in the report and the facts that are listed about it."""

    label: str
    result: Result
    facts: Mapping[str, str]


def labelled(results: Sequence[Result]) -> list[ReportedResult]:
    """Return the results without duplicates, under labels that differ."""
    distinct = list({(result.id, result.name): result for result in results}.values())
    names = [result.name for result in distinct]
    return [
        ReportedResult(
            label=result.name if names.count(result.name) == 1 else f"{result.name} ({result.id})",
            result=result,
            facts=dict(_facts(result)),
        )
        for result in distinct
    ]


def _facts(result: Result) -> Iterator[tuple[str, str]]:
    if result.run is not None:
        yield from _run_facts(result.run)
        yield from _training_facts(result)
        return
    if result.source is not None:
        yield "source", result.source.title
        yield "address", result.source.url
    if result.row is not None:
        yield "model", result.row.model
        yield from result.settings.items()


def _run_facts(run: Run) -> Iterator[tuple[str, str]]:
    yield "run", run.id
    yield "fingerprint", run.fingerprint[:12]
    if run.tags:
        yield "tags", ", ".join(run.tags)
    yield "evaluated", _when(run.created, run.finished)
    yield "model", run.spec.model + (f" @ {run.spec.revision}" if run.spec.revision else "")
    if run.saved is None:
        yield "prompt", _prompt(run)
        yield "sampling", _sampling(run)
    else:
        yield "samples from", f"saved generations ({run.saved.format})"
    if run.regraded_from is not None:
        yield "graded again from", run.regraded_from
    if run.spec.limit is not None:
        yield "limit", f"the first {run.spec.limit} problems of each benchmark"
    versions = [f"{name} {version}" for name, version in run.identity.engine.versions.items()]
    yield "engine", ", ".join(versions) or run.identity.engine.name
    yield "grader", run.identity.grader
    yield "harness", run.harness_version
    yield from cost_facts(cost_of(run))


def _training_facts(result: Result) -> Iterator[tuple[str, str]]:
    lineage = result.lineage
    if lineage is None:
        return
    parts = [lineage.trainer, f"{lineage.steps:,} steps" if lineage.steps else None]
    yield "trained", ", ".join(part for part in parts if part) or "see lineage.json"


def _when(created: datetime, finished: datetime | None) -> str:
    began = f"{created:%Y-%m-%d %H:%M}"
    if finished is None:
        return f"{began} UTC"
    same_day = created.date() == finished.date()
    return (
        f"{began} to {finished:%H:%M} UTC"
        if same_day
        else f"{began} to {finished:%Y-%m-%d %H:%M} UTC"
    )


def _prompt(run: Run) -> str:
    prompt = run.spec.prompt
    return f"{prompt.style}, {prompt.shots} shots" if prompt.shots else prompt.style


def _sampling(run: Run) -> str:
    sampling = run.spec.sampling
    parts = ["greedy" if sampling.temperature == 0 else f"temperature {sampling.temperature:g}"]
    if sampling.top_p < 1:
        parts.append(f"top_p {sampling.top_p:g}")
    if sampling.top_k:
        parts.append(f"top_k {sampling.top_k}")
    counts = [f"{count} of {name}" for name, count in sampling.n_by_benchmark.items()]
    parts.append(f"{sampling.n} sample{'s' if sampling.n > 1 else ''} per problem")
    parts += [f"({', '.join(counts)})"] if counts else []
    parts += [f"{sampling.max_tokens:,} tokens at most", f"seed {sampling.seed}"]
    return ", ".join(parts)
