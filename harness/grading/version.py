"""The grader's version: two runs with the same version were graded alike.

The version is raised by hand. A checksum of the source files would change whenever a file is moved
or becomes faster, and would make stored runs incomparable although every verdict stayed the same.
Instead, `tests/grading/test_version.py` pins the verdicts and fails if one changes while the
version does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from benchmarks import boxed

GRADER = "7"
"""Raise this version when a change of the code or of a pinned library gives any response another
verdict: another outcome, or another rule that decides. Name the changed verdicts in CHANGELOG.md
and accept them: ``pytest tests/grading/test_version.py --update-golden``. If only rules changed and
every outcome is as before, add the old version to `EQUIVALENT`, so that stored runs still compare.
Do not raise it for code that moves, or that gives the same verdicts in another way."""

LIBRARIES: Mapping[str, str] = {
    "math-verify": "0.9.0",
    "latex2sympy2_extended": "1.11.0",
    "sympy": "1.14.0",
    "mpmath": "1.3.0",
}
"""The libraries that decide verdicts, with the versions under which the verdicts were pinned."""

EQUIVALENT: Mapping[str, str] = {
    "4": "5",
    "3": "4",
    "2+3d636124": "4",
    "2+fdd87ae4": "4",
    "2+14115b19": "4",
    "2+bd8917f0": "4",
    "2+373f7cdd": "4",
    "2+aa30d5a6": "4",
    "2+e5a2c6f6": "4",
    "2+662e328b": "4",
    "2+ab42efb0": "4",
    "2+9f50e72c": "4",
    "2+9a20caa9": "4",
    "reward:gsm8k-strict+59cced08": "reward:gsm8k-strict+1",
    "reward:hendrycks-boxed+59cced08": "reward:hendrycks-boxed+1",
}
"""From a past version to a later one that gave the same outcome to everything both were asked.

That was the corpus, every benchmark's golds (against themselves and their neighbours), collected
responses of models, and every answer in the runs stored in `results`. Some differences are known
that none of these has. Up to `4`, a pair that takes more steps than `MAXIMUM_STEPS` in
`harness.grading.answers.effort`, such as a product of many powers of ten thousand digits, was
compared however long that took, and is unparsable now; a binomial coefficient of a number above
1e100 was computed, or hung, and is left to a worker now; a value of over 4,300 digits was a grader
error against a gold in another base, and is wrong now; and a pair whose comparison ran out of time
was a grader timeout at once, and may be tried again now. Up to `3`, a formula of over 100 levels,
such as a product of over 100 factors, was compared, or ended the run; it is unparsable now. Up to
`2+e5a2c6f6`, the words ``true``, ``gcd`` and ``lcm`` were unparsable against a number that is more
than its digits, such as -1 or 1/2, and are wrong now; they were right in neither. The version
`1+aa655831` gave other verdicts and is not here."""


@cache
def grader_version() -> str:
    """Return the version of the verdicts that this installation gives, such as ``4``.

    A library in another version than the pinned one may give other verdicts, so it is named:
    ``3 (sympy 1.13.0)``.
    """
    from importlib import metadata

    installed = {name: metadata.version(name) for name in LIBRARIES}
    others = [
        f"{name} {installed[name]}" for name in LIBRARIES if installed[name] != LIBRARIES[name]
    ]
    return f"{GRADER} ({', '.join(others)})" if others else GRADER


def comparable_version(recorded: str) -> str:
    """Return the latest version that is equivalent to the recorded one.

    >>> comparable_version("2+9a20caa9"), comparable_version("a version of our own")
    ('5', 'a version of our own')
    """
    while recorded in EQUIVALENT:
        recorded = EQUIVALENT[recorded]
    return recorded


def equivalent_versions(version: str) -> list[str]:
    """Return every version that is equivalent to ``version``, itself included."""
    wanted = comparable_version(version)
    return [wanted, *(past for past in EQUIVALENT if comparable_version(past) == wanted)]


@cache
def sources_sum() -> str:
    """Return the first twelve hex digits of a sha256 over the sources of grading and extraction.

    A run records them so that its grading code can be found again. They decide nothing. The order
    of the files does not matter, so renaming a file leaves the checksum as it is.
    """
    grading = Path(__file__).parent
    files = [*grading.rglob("*.py"), *(grading.parent / "extraction").rglob("*.py")]
    files.append(Path(str(boxed.__file__)))
    sums = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return hashlib.sha256("".join(sums).encode()).hexdigest()[:12]
