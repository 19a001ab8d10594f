"""What a run writes down of itself: `run.json`, with its schema's version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError

from benchmarks import UserError
from benchmarks.bounded_json import read_json
from harness.common.environment import hardware as this_machine
from harness.common.environment import harness_version
from harness.common.schema import Count, Frozen, first_problem, require_storable
from harness.runs.identity import Identity
from harness.runs.spec import EvalSpec
from harness.runs.versions import recorded_versions
from harness.stats.intervals import Interval

SCHEMA_VERSION: Literal[2] = 2


class WithoutErrata(Frozen):
    """A benchmark's accuracy over the problems whose published answer nobody doubts."""

    problems: int
    """How many problems are left."""
    samples: int
    """How many samples they have together."""
    correct: int
    """How many samples are correct."""
    accuracy: float
    """The mean over these problems, as in `Score`."""


def _is_zero(count: int) -> bool:
    return count == 0


class Score(Frozen):
    """Accuracy of one benchmark. The outcomes sum to the number of samples."""

    benchmark: str
    """The benchmark's name."""
    problems: Count
    """How many problems were asked."""
    samples: Count
    """How many samples they have together."""
    correct: Count
    """How many samples are correct."""
    accuracy: float
    """Mean over problems of the share of their samples that are correct."""
    interval: Interval
    """The 95 % confidence interval of the accuracy."""
    interval_method: str
    """How the interval was made."""
    outcomes: dict[str, Count]
    """Outcome to the number of samples with it; an outcome that no sample has is left out."""
    at_limit: int | None
    """Samples that the token limit ended, whatever became of them; None if saved generations do
    not say of each how it ended."""
    at_context: int = Field(default=0, exclude_if=_is_zero)
    """Those of them that ended before the run's own limit, because the model's context was full.
    The record has this and the next only where there are such samples."""
    empty: int = Field(default=0, exclude_if=_is_zero)
    """Samples that ended without any text, although tokens were generated for them."""
    looping: Count | None = None
    """Truncated samples that were repeating themselves when they were cut off; None in a record
    from before anybody looked."""
    mean_response_tokens: float | None
    """None where the engine counts none."""
    without_errata: WithoutErrata | None = None
    """None where no doubtful gold was asked; never part of ``accuracy``."""


class Average(Frozen):
    """The plain mean of the benchmarks' accuracies."""

    accuracy: float
    """The mean, as a fraction."""
    interval: Interval
    """Its 95 % confidence interval."""
    interval_method: str
    """How the interval was made."""


class Phases(Frozen):
    """Wall time in seconds, summed over a run's attempts; one that was killed leaves none."""

    prepare: float = 0.0
    """Reading problems, summing weights, rendering prompts."""
    engine_start: float = 0.0
    """Waiting for the engine to be ready."""
    generate: float = 0.0
    """From the first request to the last response."""
    handle: float = 0.0
    """The part of ``generate`` that went into storing and grading what the engine returned."""
    finish: float = 0.0
    """The last verdicts, the scores, the final files."""

    def plus(self, other: Phases) -> Phases:
        """Return both added, phase by phase."""
        pairs = {name: getattr(self, name) + getattr(other, name) for name in Phases.model_fields}
        return Phases(**pairs)


WITHOUT = "without "
"""How an event begins that counts the responses drawn without a sampling parameter, because the
server refused it."""


class Usage(Frozen):
    """What drawing took, summed over a run's attempts as `Phases` are."""

    samples: int = 0
    """How many samples were drawn."""
    prompt_tokens: int = 0
    """Tokens of all prompts, each request's whole prompt counted."""
    completion_tokens: int = 0
    """Where the engine counts tokens."""
    events: dict[str, int] = Field(default_factory=dict)
    """What else the engine counted: retries, restarts, …"""

    def plus(self, other: Usage) -> Usage:
        """Return both added."""
        return Usage(
            samples=self.samples + other.samples,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            events=dict(Counter(self.events) + Counter(other.events)),
        )


class SavedSource(Frozen):
    """Which files a run's samples were read from, and how much of them it holds.

    What such files do not say is unknown: prompt, sampling and engine of the run's spec
    are placeholders then, and the engine is called ``saved:<format>``.
    """

    format: str
    """The format that the files were read as."""
    files: dict[str, str]
    """Name to sha256."""
    responses: int
    """How many the files hold; those that the run lacks are counted below."""
    unmatched: int
    """How many responses are to no problem that is known here."""
    unreadable: int
    """Rows that are none of this format."""
    problems_of: dict[str, int]
    """Benchmark to how many problems it has, whether or not the files have them."""


class Run(Frozen):
    """One evaluation of one model, as `run.json` holds it."""

    schema_version: Literal[2] = SCHEMA_VERSION
    """The version of this record's form."""
    id: str
    """UTC time and the first eight digits of the fingerprint; the folder's name."""
    name: str
    """The version's name that a person gave, or the model's."""
    tags: tuple[str, ...] = ()
    """Words that a person gave, to find and to group runs by."""
    status: Literal["incomplete", "complete"] = "incomplete"
    """Whether every sample is drawn and graded."""
    fingerprint: str
    """The sha256, in hex, of the identity's canonical JSON."""
    identity: Identity
    """Everything that decides the run's numbers."""
    spec: EvalSpec
    """What was asked for."""
    created: datetime
    """When the run began, in UTC."""
    finished: datetime | None = None
    """When it was complete, in UTC; None until then."""
    harness_version: str
    """The installed version of this package."""
    packages: dict[str, str]
    """Installed versions of what computes responses, verdicts and files, and a checksum of the
    grader's sources."""
    hardware: dict[str, Any]
    """Processor, cores, memory, GPUs and system of the machine that ran it."""
    reused: dict[str, int] = Field(default_factory=dict)
    """Run id to how many of its samples this run adopted instead of drawing them."""
    regraded_from: str | None = None
    """The id of the run whose samples these are, if they were only graded again."""
    saved: SavedSource | None = None
    """Set if the samples were read from saved generations instead of being drawn."""
    phases: Phases = Field(default_factory=Phases)
    """Where the time went."""
    usage: Usage = Field(default_factory=Usage)
    """What drawing the samples took."""
    scores: tuple[Score, ...] = ()
    """One score a benchmark; empty until the run is complete."""
    average: Average | None = None
    """The plain mean of the scores; None until the run is complete."""
    verdicts_sum: str | None = None
    """The sha256 of the file of verdicts that the scores were taken from; None in a record
    from before that file was kept."""

    @classmethod
    def begin(
        cls,
        spec: EvalSpec,
        identity: Identity,
        *,
        name: str,
        packages: Mapping[str, str] | None = None,
        hardware: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> Self:
        """Return the record of a run that begins now, in this process and on this machine.

        Args:
            spec: what is asked for.
            identity: what decides the numbers; the fingerprint and the id are made from it.
            name: the version's name.
            packages: versions to record beside those of `recorded_versions`, such as the engine's.
            hardware: what drew the samples, if that was not this machine.
            fields: other fields of the record.

        Raises:
            UserError: the record could not be written.
        """
        now = datetime.now(UTC)
        run = cls(
            id=new_run_id(identity.fingerprint, now),
            name=name,
            fingerprint=identity.fingerprint,
            identity=identity,
            spec=spec,
            created=now,
            harness_version=harness_version(),
            packages={**(packages or {}), **recorded_versions()},
            hardware=this_machine() if hardware is None else dict(hardware),
            **fields,
        )
        require_storable(run)
        return run

    def to_json(self) -> str:
        """Return the record as indented JSON, nulls kept."""
        return self.model_dump_json(indent=2) + "\n"


def new_run_id(fingerprint: str, now: datetime) -> str:
    """Return a run's id: UTC time to the second and eight digits of the fingerprint."""
    return f"{now:%Y%m%dT%H%M%SZ}-{fingerprint[:8]}"


def _from_1(fields: dict[str, Any]) -> dict[str, Any]:
    """Version 2 adds tags and the sum of the verdicts; a run of before has neither."""
    return {**fields, "schema_version": 2, "tags": [], "verdicts_sum": None}


MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
"""By the version that each takes to the next; none is ever removed."""


def migrated(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a record of any past version as one of today's."""
    while (step := MIGRATIONS.get(fields["schema_version"])) is not None:
        fields = step(fields)
    return fields


def read_run(path: Path) -> Run:
    """Read a `run.json`; raise UserError if it is not one that this version understands."""
    try:
        fields = read_json(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a run: {error}") from error
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if not isinstance(version, int) or version not in (SCHEMA_VERSION, *MIGRATIONS):
        known = ", ".join(map(str, [*MIGRATIONS, SCHEMA_VERSION]))
        raise UserError(
            f"{path} has schema version {version}; this harness reads {known}: "
            "use the harness that wrote it, or a newer one"
        )
    try:
        return Run.model_validate(migrated(fields))
    except ValidationError as error:
        raise UserError(f"{path} is not a run: {first_problem(error)}") from error
