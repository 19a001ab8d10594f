"""Ask other graders and a judge about a stored run, and keep what a judge says beside it.

Nothing that is stored of the run is changed, so its verdicts and its scores stay what they are.
What a judge says costs time or money. So it is kept in a file that is named after judge and
prompt, and the same judge is asked only what it has not said yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from benchmarks import UserError
from benchmarks.bounded_json import LONGEST_LINE, bounded_lines, parse_json
from harness.common.files import replacing
from harness.common.progress import Progress, silent
from harness.evaluation.grade_pairs import Begun, in_order
from harness.evaluation.judging.judge import Judge, Question, Reply
from harness.evaluation.judging.question import LONGEST, Opinion
from harness.evaluation.second_opinions import Asked, SecondOpinions
from harness.grading import Verdict
from harness.prompts.styles import find_prompt_style
from harness.runs.file_names import opinions_file
from harness.runs.identity import UNKNOWN_STYLE
from harness.runs.record import Run
from harness.runs.sample_rows import Row, sample_and_verdict
from harness.runs.samples_table import read_parquet

MOST_KNOWN = 100_000
"""How many earlier replies are taken over at most, as a file may be of any size."""


def audit_run(
    path: Path, run: Run, second: SecondOpinions, *, progress: Progress = silent
) -> Path | None:
    """Ask about every sample of the run in ``path``; return the file of the judge's opinions.

    Raises:
        UserError: the run's samples cannot be read, or the file cannot be written.
    """
    progress.stage("asking other graders")
    rows = second.with_judge(in_order(_begun(path, run, second)), progress=progress)
    if second.judge is None:
        for _ in rows:
            pass  # each of them is counted
        return None
    place = path / opinions_file(second.judge.judge.sum)
    try:
        with replacing(place) as file:
            for row in rows:
                file.write(f"{json.dumps(row)}\n".encode("ascii"))
    except OSError as error:
        raise UserError(f"cannot write {place}: {error.strerror or error}") from error
    return place


def _begun(path: Path, run: Run, second: SecondOpinions) -> Iterator[Begun]:
    style = run.spec.prompt.style
    read = str if run.saved and style == UNKNOWN_STYLE else find_prompt_style(style).read
    for row in read_parquet(path):
        sample, verdict = sample_and_verdict(row)
        asked: Asked = {}
        if sample.finish_reason not in ("overflow", "error"):  # else there is no response
            response = read(sample.response)
            asked = second.ask(response, row["gold"], benchmark=row["benchmark"])
        yield Begun(size=len(sample.response), end=partial(_end, second, row, verdict, asked))


def _end(second: SecondOpinions, row: Row, verdict: Verdict, asked: Asked) -> dict[str, Any]:
    identity = f"{row['problem_id']} sample {row['index']}"
    copied = ("benchmark", "problem_id", "index", "gold", "extracted", "outcome")
    return {
        **{name: row[name] for name in copied},
        **second.fields(identity, row["gold"], verdict, asked),
    }


class _Said(BaseModel):
    """What a row tells of the judge."""

    mark: str
    served: str | None = None
    date: str
    sum: str


class _Earlier(BaseModel):
    """A row of an earlier file that has an opinion of the judge."""

    gold: str = Field(max_length=LONGEST)
    extracted: str = Field(max_length=LONGEST)
    opinions: dict[str, str]
    judge: _Said


def earlier_replies(path: Path, judge: Judge) -> dict[Question, Reply]:
    """Return what this judge said before of the run in ``path``, with the same prompt and settings.

    Only opinions are taken over: where there was none, the judge is asked again. A row that cannot
    be read is as good as none.

    Raises:
        UserError: there is such a file, and it cannot be read.
    """
    place = path / opinions_file(judge.sum)
    found: dict[Question, Reply] = {}
    try:
        with place.open("rb") as file:
            for line, _ in bounded_lines(file, LONGEST_LINE):
                known = _earlier(line or b"", judge)
                if known and len(found) < MOST_KNOWN:
                    found.update([known])
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UserError(f"cannot read {place}: {error.strerror or error}") from error
    return found


def _earlier(line: bytes, judge: Judge) -> tuple[Question, Reply] | None:
    try:
        row = _Earlier.model_validate(parse_json(line))
        opinion = Opinion(row.opinions["judge"])
    except (ValidationError, ValueError, LookupError):
        return None
    if opinion is Opinion.NONE or row.judge.sum != judge.sum:
        return None
    said = row.judge
    question = Question(gold=row.gold, answer=row.extracted)
    return question, Reply(
        opinion=opinion, mark=said.mark, served=said.served, date=said.date, earlier=True
    )
