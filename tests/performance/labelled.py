"""Labelled rows: a response or a bare answer, its gold, and whether somebody calls it right."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from benchmarks import BENCHMARKS, Conventions
from harness.grading import Grader, Verdict
from harness.grading.answers.rules import MATHEMATICS

OWN_CASES = Path(__file__).parents[1] / "grading" / "corpus"
SPOKEN = "real_outputs"
"""The file whose labels are a source's scores: an opinion, and not the truth."""
LABELLED = ("suites", "written", "negatives")
"""The files of a collection that say what is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One answer or whole response to grade."""

    id: str
    kind: str
    gold: str
    response: str
    bare: bool
    """Whether the response is the answer itself, with nothing to extract it from."""
    label: bool | None
    """Whether it is right; None if nobody says."""
    convention: bool
    """Whether the label follows a habit of its source alone."""
    benchmark: str | None
    """The benchmark whose conventions hold, if any is named."""
    truncated: bool
    """Whether the token limit cut the response off."""

    @property
    def conventions(self) -> Conventions:
        """What counts as right beside mathematical equality."""
        return BENCHMARKS[self.benchmark].conventions if self.benchmark else MATHEMATICS

    def submit(self, grader: Grader) -> Future[Verdict]:
        """Start to grade the row."""
        if self.bare:
            return grader.submit_answer(self.response, self.gold, conventions=self.conventions)
        return grader.submit(
            self.response, self.gold, truncated=self.truncated, conventions=self.conventions
        )

    @property
    def boxed(self) -> str:
        r"""The response for a grader that looks for an answer: a bare one is put in a box."""
        boxed = r"\boxed" in self.response
        return self.response if boxed or not self.bare else rf"\boxed{{{self.response}}}"


def read(path: Path) -> list[Row]:
    """Read the rows of a file, ours included."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_row(number, json.loads(line)) for number, line in enumerate(lines, start=1)]


def _row(number: int, raw: dict[str, object]) -> Row:
    labels = [raw[key] for key in ("correct", "expected", "source_score") if key in raw]
    benchmark = raw.get("benchmark")
    return Row(
        id=str(raw.get("id", number)),
        kind=str(raw.get("kind", "")),
        gold=str(raw["gold"]),
        response=str(raw.get("answer", raw.get("response"))),
        bare="answer" in raw or raw.get("level") == "pair",
        label=None if not labels or labels[0] is None else bool(labels[0]),
        convention=bool(raw.get("convention")),
        benchmark=str(benchmark) if benchmark in BENCHMARKS else None,
        truncated=bool(raw.get("truncated")),
    )


def files(corpus: Path | None) -> dict[str, list[Row]]:
    """Return the rows of each file that a folder has, the one that is timed first."""
    if corpus is None:
        return {
            "own cases": [row for path in sorted(OWN_CASES.glob("*.jsonl")) for row in read(path)]
        }
    paths = {name: corpus / f"{name}.jsonl" for name in (SPOKEN, *LABELLED)}
    return {name: read(path) for name, path in paths.items() if path.exists()}
