"""Build training data: a source's rows in a style, with a card, in one folder.

Order and split are made by `datasets` on purpose: the data of "v1" and "v4" were made so, and
a split of our own would hold out other rows.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks import Problem, UserError, WrongValueError
from benchmarks.hints import hint
from benchmarks.source import problems_sum
from harness.common.files import file_sum, new_folder
from harness.common.schema import differences
from harness.common.text import printable
from harness.grading import grader_version
from trainers.data import contamination
from trainers.data.arranging import SPLITS, SplitAssignment, arrange, locate, write_split
from trainers.data.card import CARD, CARD_FOR_PEOPLE, BuildRequest, DataCard, RowCounts
from trainers.data.columns import AskedColumns
from trainers.data.contamination import Contamination
from trainers.data.describe import markdown
from trainers.data.folder import TrainingData, is_built, open_data
from trainers.data.quiet import silent
from trainers.data.sources import DataSource, open_source
from trainers.data.styles import DataStyle, find_data_style
from trainers.data.survey import Scratch, Survey, Surveyor, refuse_if_too_few, survey
from trainers.data.templates import Templates

NGRAM = 13
"""Words in a row that count as overlap, as in GPT-3's appendix C and lm-evaluation-harness."""
BAD_ROWS, CONTAMINATED = "bad_rows.jsonl", "contaminated.jsonl"
_PACKAGES = ("datasets", "pyarrow")
Report = Callable[[str], None]


def build(
    source: str,
    style: str,
    output: Path,
    *,
    split: str = "train",
    revision: str | None = None,
    limit: int | None = None,
    ngram: int = NGRAM,
    drop_contaminated: bool = False,
    columns: AskedColumns | None = None,
    data_dir: Path | None = None,
    report: Report | None = None,
) -> TrainingData:
    """Build a folder of training data, or open it if the same build is there already.

    Args:
        source: a benchmark with a train split, a file or folder, or a Hugging Face id.
        style: a name in `DATA_STYLES`.
        output: the folder to make; it appears only when it is complete.
        split: the split of a Hugging Face data set.
        revision: the revision of a Hugging Face data set; a commit pins it.
        limit: how many rows of the source are read; None reads all.
        ngram: how many shared words in a row count as contamination.
        drop_contaminated: leave contaminated rows out.
        columns: the columns with question, answer and solution, where they are named.
        data_dir: the folder with the benchmarks' files; see `benchmarks.source`.
        report: called with a line for each stage of the build.

    Raises:
        UserError: there is no such source or style, too few rows can be used, or ``output`` is
            another folder.
    """
    say = report or (lambda line: None)
    chosen = find_data_style(style)
    _refuse_nonsense(ngram, limit)
    _require_utf8(output)
    say(f"opening {source}")
    opened = open_source(source, split=split, revision=revision, data_dir=data_dir, asked=columns)
    problems, unchecked = _watched_problems(source, data_dir, say)
    asked = BuildRequest(
        source=opened.card,
        style=style,
        limit=limit,
        ngram=ngram,
        drop_contaminated=drop_contaminated,
        columns=opened.columns,
        benchmarks={name: problems_sum(several) for name, several in problems.items()},
    )
    if (existing := _existing(output, asked)) is not None:
        say(f"{output} is the same build already")
        return existing
    made = _Build(
        source=opened, style=chosen, asked=asked, problems=problems, unchecked=unchecked, say=say
    )
    try:
        with new_folder(output) as folder:
            made.write(folder)
    except OSError as error:
        raise UserError(f"{output} cannot be written: {error.strerror or error}") from error
    return open_data(output)


def _watched_problems(
    source: str, data_dir: Path | None, say: Report
) -> tuple[dict[str, list[Problem]], tuple[str, ...]]:
    """Return the problems to compare with, and the benchmarks that could not be loaded."""
    problems, missing = contamination.load(contamination.watched(source), data_dir)
    if missing:
        say(
            "not checked for contamination, their problems cannot be loaded: "
            f"{', '.join(missing)}; "
            f"`{hint('data fetch')}` gets files that are missing"
        )
    return problems, tuple(missing)


def _refuse_nonsense(ngram: int, limit: int | None) -> None:
    if ngram < 1:
        raise WrongValueError(
            f"an overlap of {ngram} words is impossible; give 1 or more (13 is usual)"
        )
    if limit is not None and limit < 2:
        raise WrongValueError(f"a limit of {limit} leaves no row to hold out; give 2 or more")


# --- the folder -----------------------------------------------------------------------------


def _require_utf8(output: Path) -> None:
    """Refuse a folder that `datasets` and Arrow cannot open: they take paths in UTF-8 alone."""
    try:
        str(output.absolute()).encode()
    except UnicodeEncodeError as error:
        raise WrongValueError(
            f"{printable(str(output))} cannot hold training data: its path is not UTF-8, and the "
            "libraries that write and read such data take no other; name a folder that is"
        ) from error


def _existing(output: Path, asked: BuildRequest) -> TrainingData | None:
    """Return the data that are there if they are the same build; None if nothing is there."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    if not is_built(output):
        raise UserError(f"{output} is there already and is not training data; name another folder")
    data = open_data(output)
    differing = differences(data.card.asked.content(), asked.content())
    if differing:
        raise UserError(
            f"{output} holds another build ({'; '.join(differing[:3])}); "
            "name another folder, or remove that one"
        )
    return data


# --- what is written in it ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Build:
    """One build, with everything about it decided."""

    source: DataSource
    style: DataStyle
    asked: BuildRequest
    problems: Mapping[str, Sequence[Problem]]
    unchecked: tuple[str, ...]
    say: Report

    def write(self, folder: Path) -> None:
        """Write every file of the build, the card last."""
        scratch = Scratch(folder=folder / "scratch")
        scratch.folder.mkdir()
        found = self._survey(scratch, folder / BAD_ROWS)
        refuse_if_too_few(found, self.source.card.name, self.asked.columns)
        self.say(f"writing {len(found.questions):,} rows")
        with silent():
            counts = self._write_rows(scratch, found, folder)
        shutil.rmtree(scratch.folder)
        self._write_card(found, counts, folder)

    def _survey(self, scratch: Scratch, bad_rows: Path) -> Survey:
        with Surveyor(
            self.style,
            Contamination(self.problems, self.asked.ngram),
            Templates(self.problems, self.asked.ngram),
            columns=self.asked.columns,
            scratch=scratch,
            bad_rows=bad_rows,
            drop_contaminated=self.asked.drop_contaminated,
        ) as surveyor:
            return survey(self.source.rows(), surveyor, self.asked.limit, self.say)

    def _write_rows(self, scratch: Scratch, found: Survey, folder: Path) -> RowCounts:
        import datasets

        assignment = SplitAssignment(len(found.questions), self.style)
        locate(scratch.matches, assignment, folder / CONTAMINATED)
        parts = arrange(datasets.Dataset.from_file(str(scratch.rows)), self.style)
        rows = {name: write_split(parts[name], name, self.style, folder) for name in SPLITS}
        return found.counts(
            train=rows["train"],
            test=rows["test"],
            test_also_in_train=assignment.also_in_train(found.questions),
        )

    def _write_card(self, found: Survey, counts: RowCounts, folder: Path) -> None:
        card = DataCard(
            asked=self.asked,
            instruction=self.style.instruction,
            rows=counts,
            rewards=found.rewards,
            overlap=found.overlap,
            unchecked=self.unchecked,
            made_with={"grader": grader_version()}
            | {package: metadata.version(package) for package in _PACKAGES},
            files={path.name: file_sum(path) for path in sorted(folder.iterdir())},
        )
        (folder / CARD_FOR_PEOPLE).write_text(markdown(card), encoding="utf-8")
        (folder / CARD).write_text(card.model_dump_json(indent=2) + "\n", encoding="utf-8")
