"""Read results that others published, from `results/published/*.json`, one file for each source.

    {"schema_version": 1, "title": "…", "url": "https://…",
     "results": [{"name": "their-model", "model": "…", "settings": {"temperature": 0.6},
                  "scores": {"math500": {"problems": 500, "accuracy": "84.2"},
                             "aime24": {"problems": 30, "samples": 1920, "accuracy": "21.7"}}}]}

A percentage is kept as it was printed, because its number of digits says how precise it is. If a
count of correct answers is given too, the two have to agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from benchmarks import UserError
from harness.common.schema import Count, Frozen, read_value

PUBLISHED = "published"
"""The name of the folder with these files, which is beside `runs`."""


class PublishedScore(Frozen):
    """One benchmark's score, as a count, as a printed percentage, or both."""

    problems: Annotated[Count, Field(ge=1)]
    """The number of problems that the source evaluated."""
    samples: Annotated[Count, Field(ge=1)] = 0
    """The number of samples of all problems together; by default one for each problem."""
    correct: Count | None = None
    """The number of correct samples."""
    accuracy: str | None = None
    """The accuracy in per cent, as printed."""

    @model_validator(mode="before")
    @classmethod
    def _one_sample_unless_said(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping) and "samples" not in fields:
            return {**fields, "samples": fields.get("problems")}
        return fields

    @field_validator("accuracy")
    @classmethod
    def _is_a_percentage(cls, printed: str | None) -> str | None:
        if printed is not None and not 0 <= _decimal(printed) <= 100:
            raise ValueError(f"'{printed}' is not a percentage")
        return printed

    @model_validator(mode="after")
    def _count_and_percentage_agree(self) -> PublishedScore:
        if self.samples % self.problems:
            raise ValueError(
                f"{self.samples} samples are not the same number for each of "
                f"{self.problems} problems"
            )
        if self.correct is not None:
            if self.correct > self.samples:
                raise ValueError(f"{self.correct} of {self.samples} samples cannot be correct")
            require_agreement(self.accuracy, 100 * self.correct / self.samples)
        elif self.accuracy is None:
            raise ValueError("neither 'correct' nor 'accuracy' is given")
        return self

    @property
    def share(self) -> float:
        """The accuracy as a fraction, computed from the count if there is one."""
        if self.correct is not None:
            return self.correct / self.samples
        return float(_decimal(self.accuracy or "0")) / 100

    @property
    def is_whole(self) -> bool:
        """Whether some number of correct samples has the printed percentage, rounded or cut off.

        "21.7" of 30 samples has none: it is the mean of several samples a problem, say, of which
        the source does not tell how many there are.
        """
        if self.correct is not None or self.accuracy is None:
            return True
        nearest = round(self.share * self.samples)
        try:
            require_agreement(self.accuracy, 100 * nearest / self.samples)
        except ValueError:
            return False
        return True


class PublishedResult(Frozen):
    """One model's scores. A setting that the source does not state is left out."""

    name: Annotated[str, Field(min_length=1)]
    """The name to use in `diff` and `table`."""
    model: str = ""
    """The source's name for the model."""
    settings: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """The settings that the source states: prompt, temperature, max_tokens, …"""
    scores: dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9._+-]+$")], PublishedScore]
    """Benchmark to its score."""
    average: str | None = None
    """The plain mean of the scores in per cent, as printed."""

    @model_validator(mode="after")
    def _average_is_of_the_scores(self) -> PublishedResult:
        if not self.scores:
            raise ValueError(f"{self.name} has no scores")
        # The printed percentages are averaged, because the source averaged its rounded ones.
        percents = [float(score.accuracy or 100 * score.share) for score in self.scores.values()]
        require_agreement(self.average, sum(percents) / len(percents))
        return self


class Published(Frozen):
    """One source and the results that it states."""

    schema_version: Literal[1] = 1
    """The version of this file format."""
    title: str
    """The title of the source."""
    url: str = ""
    """The address where the source can be read."""
    note: str = ""
    """A note for readers, such as how the counts were determined."""
    results: tuple[PublishedResult, ...]
    """The rows of the source's table."""


def require_agreement(printed: str | None, percent: float) -> None:
    """Check that a printed percentage is ``percent``, rounded or cut off at its last digit.

    Raises:
        ValueError: it is not.

    >>> require_agreement("4.77941", 100 * 13 / 272)
    """
    if printed is None:
        return
    unit = 10.0 ** min(0, int(_decimal(printed).as_tuple().exponent))
    if abs(float(printed) - percent) > unit * (1 + 1e-9):
        raise ValueError(f"{printed} is printed, but the other numbers give {percent:.6g}")


def _decimal(printed: str) -> Decimal:
    try:
        value = Decimal(printed)
    except InvalidOperation:
        raise ValueError(f"'{printed}' is not a number") from None
    if not value.is_finite():
        raise ValueError(f"'{printed}' is not a number")
    return value


def published_files(results: Path) -> list[Path]:
    """Return the files of published results under a results folder, sorted."""
    return sorted((results / PUBLISHED).glob("*.json"))


def read_published(results: Path) -> list[tuple[Path, Published]]:
    """Return every published source under a results folder, by file name.

    Raises:
        UserError: a file does not have this format, or two results have the same name.
    """
    found = [
        (path, read_value(path, Published, "published result")) for path in published_files(results)
    ]
    owners: dict[str, Path] = {}
    for path, source in found:
        for result in source.results:
            if result.name in owners:
                raise UserError(
                    f"two published results are called '{result.name}', "
                    f"in {owners[result.name]} and in {path}; rename one"
                )
            owners[result.name] = path
    return found
