"""Does a comparison show what a release asks for? One answer, for a script or a CI job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from benchmarks import WrongValueError
from harness.analysis.compare import Comparison

Asked = Literal["better", "not-worse", "same"]
"""What a gate asks for."""
ASKED: tuple[str, ...] = get_args(Asked)
AVERAGE = "average"
"""What a gate over several benchmarks is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Whether what is asked for is shown: of the average, or of the only benchmark."""

    asked: Asked
    about: str
    """The benchmark's name, or ``average``."""
    margin: float | None
    """The margin, as a fraction."""
    holds: bool
    withheld: bool
    """Whether it does not hold because failures of the engine or the grader decide it."""
    same_problems: bool = True
    """False if it asks for a margin, and the counts of both sides are over different problems."""
    p_value: float
    """The corrected p-value of what has to be excluded."""


def gate(found: Comparison, asked: Asked) -> Gate:
    """Say whether B is shown to be better than A, not worse by the margin, or the same within it.

    Raises:
        UserError: the gate is unknown, or needs a margin and the comparison was made without.
    """
    if asked not in ASKED:
        raise WrongValueError(f"there is no gate '{asked}'; there are {', '.join(ASKED)}")
    row = found.average or found.rows[0]
    about = AVERAGE if found.average is not None else found.rows[0].benchmark
    if asked == "better":
        return Gate(
            asked=asked,
            about=about,
            margin=found.margin,
            holds=row.verdict == "better",
            withheld=row.verdict == "withheld",
            p_value=row.adjusted_p,
        )
    if row.margin is None:
        raise WrongValueError(
            f"the gate '{asked}' needs a margin, within which a difference does not matter, and "
            "none was given: give margin=0.01, one percentage point (--margin 1)"
        )
    claim = row.margin.same if asked == "same" else row.margin.not_worse
    return Gate(
        asked=asked,
        about=about,
        margin=found.margin,
        holds=claim is True,
        withheld=claim is None,
        same_problems=row.margin.same_problems,
        p_value=row.margin.adjusted_p_same if asked == "same" else row.margin.adjusted_p_not_worse,
    )
