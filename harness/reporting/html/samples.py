"""Writes the samples of all versions for the page's list of problems.

The index holds what is filtered and listed, and is read when the page opens. Responses and
questions are stored in pieces that are unpacked when somebody opens a problem, so that a page of
forty thousand samples opens as fast as one of forty.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import BENCHMARKS, Problem, UserError
from benchmarks.source import load_problems
from harness.common.progress import Progress
from harness.reporting.html.embedding import Records, Write, visible
from harness.reporting.html.facts import ReportedResult
from harness.runs.file_names import PARQUET
from harness.runs.samples_table import read_parquet
from harness.runs.scores import ended_by_context, token_limit
from harness.runs.verdicts import ProblemVerdicts, problem_sum

LONGEST_RESPONSE = 200_000
"""The most characters of a response that are kept; a note says how many more there were."""
LONGEST_ANSWER = 2_000
"""The most characters of an answer or an error beside a response."""
LONGEST_LISTED = 200
"""The most characters of a gold or an answer in the index."""
LONGEST_QUESTION = 20_000
"""The most characters of a question."""


@dataclass(slots=True, kw_only=True)
class _ReportedProblem:
    """A problem that at least one version was asked."""

    number: int
    benchmark: str
    sum: str
    gold: str | None = None
    question: int | None = None
    """The place of its text among the questions; None where the text is not available."""


@dataclass(slots=True, kw_only=True)
class _ReportedVersion:
    """One version's verdicts, and where its responses are in the page."""

    label: str
    rows: dict[str, ProblemVerdicts]
    """The verdicts by problem id."""
    places: dict[str, list[int | None]] = field(default_factory=dict)
    """By problem id, the place of each sample's response among the records; empty for a run that
    came without its responses."""
    stream: dict[str, Any] | None = None


def write_samples(
    write: Write, versions: Sequence[ReportedResult], *, data_dir: Path | None, progress: Progress
) -> dict[str, Any]:
    """Write questions and responses in pieces; return the index of what was written."""
    problems: dict[str, _ReportedProblem] = {}
    shown = [
        _ReportedVersion(label=version.label, rows=_by_problem(version, problems))
        for version in versions
    ]
    for number, version in enumerate(versions):
        folder = version.result.path
        if folder is not None and shown[number].rows and (folder / PARQUET).is_file():
            records = Records(f"responses-{number}", write)
            run = version.result.run
            limit = None if run is None else token_limit(run)
            _write_responses(records, shown[number], folder, problems, progress, limit=limit)
            shown[number].stream = records.close()
    questions = Records("questions", write)
    for benchmark in dict.fromkeys(asked.benchmark for asked in problems.values()):
        progress.stage(f"adding the questions of {benchmark}")
        _write_questions(questions, benchmark, problems, data_dir)
    return _index(problems, shown, questions.close())


def _by_problem(
    version: ReportedResult, problems: dict[str, _ReportedProblem]
) -> dict[str, ProblemVerdicts]:
    rows: dict[str, ProblemVerdicts] = {}
    for benchmark, verdicts in (version.result.verdicts or {}).items():
        for row in verdicts:
            rows[row.problem_id] = row
            if row.problem_id not in problems:
                problems[row.problem_id] = _ReportedProblem(
                    number=len(problems), benchmark=benchmark, sum=row.sum
                )
    return rows


# --- responses ------------------------------------------------------------------------------


def _write_responses(
    records: Records,
    version: _ReportedVersion,
    folder: Path,
    problems: Mapping[str, _ReportedProblem],
    progress: Progress,
    *,
    limit: int | None,
) -> None:
    progress.stage(f"adding the responses of {version.label}")
    total = sum(row.samples for row in version.rows.values())
    for count, row in enumerate(read_parquet(folder)):
        if count % 512 == 0:
            progress.advance(count, total, note="responses")
        verdicts = version.rows.get(row["problem_id"])
        if verdicts is None or row["index"] not in verdicts.indices:
            continue
        problem = problems[row["problem_id"]]
        if problem.gold is None:
            problem.gold = row["gold"]
        places = version.places.setdefault(row["problem_id"], [None] * verdicts.samples)
        places[verdicts.indices.index(row["index"])] = records.add(_record(row, limit))


def _record(row: Mapping[str, Any], limit: int | None) -> dict[str, Any]:
    """Return what the page shows of a sample; ``limit`` is its run's limit of tokens."""
    response, reasoning = row["response"] or "", row.get("reasoning")
    cut = row["finish_reason"] == "length"
    full = ended_by_context(row["completion_tokens"], at_limit=cut, limit=limit)
    return {
        "response": visible(response[:LONGEST_RESPONSE]),
        "cut": max(0, len(response) - LONGEST_RESPONSE),
        "answer": _cut(row["extracted"], LONGEST_ANSWER),
        "extraction": _cut(row["extraction"], LONGEST_LISTED),
        "rule": _cut(row["rule"], LONGEST_LISTED),
        "finish": "context" if full else _cut(row["finish_reason"], LONGEST_LISTED),
        "error": _cut(row["error"], LONGEST_ANSWER),
        **({"reasoning": _cut(reasoning, LONGEST_RESPONSE)} if reasoning else {}),
    }


def _cut(text: str | None, limit: int) -> str | None:
    return None if text is None else visible(text, limit=limit)


# --- questions ------------------------------------------------------------------------------


def _write_questions(
    questions: Records,
    benchmark: str,
    problems: Mapping[str, _ReportedProblem],
    data_dir: Path | None,
) -> None:
    """Write the questions that are at hand, and only such as are those that were asked."""
    for problem in _load(benchmark, data_dir):
        asked = problems.get(problem.id)
        if asked is None or asked.sum != problem_sum(problem.question, problem.answer):
            continue
        asked.gold = problem.answer
        text = visible(problem.question, limit=LONGEST_QUESTION)
        asked.question = questions.add({"question": text})


def _load(benchmark: str, data_dir: Path | None) -> list[Problem]:
    if benchmark not in BENCHMARKS:
        return []
    try:
        return load_problems(BENCHMARKS[benchmark], data_dir=data_dir)
    except UserError:  # the page says of each problem that its question is not at hand
        return []


# --- the index ------------------------------------------------------------------------------


def _index(
    problems: Mapping[str, _ReportedProblem],
    versions: Sequence[_ReportedVersion],
    questions: dict[str, Any],
) -> dict[str, Any]:
    """Return columns of one value a problem: they are smaller and read faster than rows."""
    benchmarks = list(dict.fromkeys(asked.benchmark for asked in problems.values()))
    outcomes = list(
        dict.fromkeys(
            outcome
            for version in versions
            for row in version.rows.values()
            for outcome in row.outcomes
        )
    )
    return {
        "benchmarks": [visible(name) for name in benchmarks],
        "outcomes": [visible(name) for name in outcomes],
        "problems": {
            "id": [visible(name) for name in problems],
            "benchmark": [benchmarks.index(asked.benchmark) for asked in problems.values()],
            "gold": [_cut(asked.gold, LONGEST_LISTED) for asked in problems.values()],
            "question": [asked.question for asked in problems.values()],
        },
        "questions": questions,
        "versions": [_columns(version, problems, outcomes) for version in versions if version.rows],
    }


def _columns(
    version: _ReportedVersion, problems: Mapping[str, _ReportedProblem], outcomes: list[str]
) -> dict[str, Any]:
    """Return one version's columns; a problem that it was not asked has null."""
    codes = {outcome: code for code, outcome in enumerate(outcomes)}
    rows = [version.rows.get(name) for name in problems]
    return {
        "label": visible(version.label),
        "stream": version.stream,
        "outcomes": [row and [codes[outcome] for outcome in row.outcomes] for row in rows],
        "answers": [row and [_cut(a, LONGEST_LISTED) for a in row.answers] for row in rows],
        "classes": [row and row.classes for row in rows],
        "tokens": [row and row.tokens for row in rows],
        "indices": [row and row.indices for row in rows],
        "places": [version.places.get(name) for name in problems],
        "reworded": [
            asked.number
            for name, asked in problems.items()
            if name in version.rows and version.rows[name].sum != asked.sum
        ],
    }
