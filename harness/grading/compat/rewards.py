r"""The two rewards that earlier models were trained with, to compare new models with old ones.

Both compare strings, not mathematics; a new training takes its reward from the
grader. They give the same values as verl's scorers of GSM8K and MATH, with two
differences: they never raise, and their time is linear in the text. Where verl's
scorer fails on a response (``\fbox``, a box left open), the response earns
nothing, as it does in verl.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from benchmarks.registry import Registry

Reward = Callable[[str, str], float]
"""Takes a whole response and the gold answer; returns a number from 0 to 1."""

REWARDS: Registry[Reward] = Registry(
    "reward",
    group="harness.rewards",
    builtin={
        "gsm8k-strict": "harness.grading.compat.rewards:gsm8k_strict",
        "hendrycks-boxed": "harness.grading.compat.rewards:hendrycks_boxed",
    },
    fault=lambda name, found: "" if callable(found) else "is no function of a response and a gold",
)
"""Every reward by name; an unknown name raises a `UserError` that lists the known ones."""

VERSIONS = {"gsm8k-strict": "1", "hendrycks-boxed": "1"}
"""The rewards' versions. Raise one by hand when its reward gives any response another value, as
`GRADER` is raised in `harness.grading.version`."""

_CLIPPED_TO = 300
_HASH = re.compile(r"#### (-?[0-9.,]+)")


def gsm8k_strict(response: str, gold: str) -> float:
    """Return 1.0 if the last ``#### number`` in the last 300 characters is the gold as a string.

    Commas are removed from the number but not from the gold, so no response can match a gold such
    as 1,200, or a gold that is not a number.

    >>> gsm8k_strict("#### 1,200", "1200"), gsm8k_strict("#### 1,200", "1,200")
    (1.0, 0.0)
    """
    found = _HASH.findall(response[-_CLIPPED_TO:])
    return float(bool(found) and found[-1].replace(",", "") == gold)


def hendrycks_boxed(response: str, gold: str) -> float:
    r"""Return 1.0 if the last ``\boxed`` is the gold, after the string rewrites of Hendrycks' MATH.

    >>> hendrycks_boxed(r"\boxed{1/2}", r"\frac12"), hendrycks_boxed(r"\boxed{x+1}", "1+x")
    (1.0, 0.0)
    """
    answer = _last_boxed(response)
    return float(answer is not None and _equivalent(answer, gold))


def _last_boxed(response: str) -> str | None:
    r"""Return the content of the last box, or of the last ``\boxed x`` if that form occurs."""
    _, spaced, rest = response.rpartition("\\boxed ")
    if spaced:
        return rest.partition("$")[0]
    _, box, rest = response.rpartition("\\boxed")
    return _braced(rest) if box and rest.startswith("{") else None


def _braced(text: str) -> str | None:
    depth = 0
    for brace in re.finditer(r"[{}]", text):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[1 : brace.start()]
    return None


class _CannotNormaliseError(Exception):
    """The rewrites do not apply. The two strings are then compared as they are."""


def _equivalent(answer: str, gold: str) -> bool:
    try:
        return normalise(answer) == normalise(gold)
    except _CannotNormaliseError:
        return answer == gold


_BEFORE_UNITS = (
    ("\n", ""),
    ("\\!", ""),
    ("\\\\", "\\"),
    ("tfrac", "frac"),
    ("dfrac", "frac"),
    ("\\left", ""),
    ("\\right", ""),
    ("^{\\circ}", ""),
    ("^\\circ", ""),
    ("\\$", ""),
)
_AFTER_UNITS = (("\\\\%", ""), ("\\%", ""), (" .", " 0."), ("{.", "{0."))
"""The order matters: each rewrite is applied to the result of the one before it."""


def normalise(text: str) -> str:
    r"""Return the normal form of an answer: two answers are equal if their normal forms are.

    >>> normalise(r"x = \dfrac12"), normalise(".5\\text{ miles}")
    ('\\frac{1}{2}', '\\frac{1}{2}')
    """
    text = _replaced(_without_unit(_replaced(text, _BEFORE_UNITS)), _AFTER_UNITS)
    if text.startswith("."):
        text = "0" + text
    text = _with_braced_roots(_without_name(text)).replace(" ", "")
    text = with_braced_fractions(text)
    return _with_latex_fraction("\\frac{1}{2}" if text == "0.5" else text)


def _replaced(text: str, rewrites: tuple[tuple[str, str], ...]) -> str:
    for old, new in rewrites:
        text = text.replace(old, new)
    return text


def _without_unit(text: str) -> str:
    parts = text.split("\\text{ ")
    if len(parts) > 2:
        raise _CannotNormaliseError
    return parts[0]


def _without_name(text: str) -> str:
    """Drop a left side of at most two characters: ``k = 2`` becomes ``2``."""
    parts = text.split("=")
    return parts[1] if len(parts) == 2 and len(parts[0]) <= 2 else text


def _with_braced_roots(text: str) -> str:
    r"""Write ``\sqrt3`` as ``\sqrt{3}``."""
    first, *rest = text.split("\\sqrt")
    if not all(rest):
        raise _CannotNormaliseError
    braced = (part if part[0] == "{" else f"{{{part[0]}}}{part[1:]}" for part in rest)
    return "\\sqrt".join([first, *braced])


def with_braced_fractions(text: str) -> str:
    r"""Write ``\frac12``, ``\frac1b`` and ``\frac1{72}`` with both braces."""
    first, *rest = text.split("\\frac")
    braced = [first]
    for part in rest:
        if not part:
            raise _CannotNormaliseError
        if part[0] == "{":
            braced.append(part)
        elif len(part) < 2:
            return text
        else:
            below = part[1:] if part[1] == "{" else f"{{{part[1]}}}{part[2:]}"
            braced.append(f"{{{part[0]}}}{below}")
    return "\\frac".join(braced)


# An integer as Python writes it, with no more digits than Python reads.
INTEGER = r"(0|-?[1-9][0-9]{0,4299})"
_SLASHED = re.compile(f"{INTEGER}/{INTEGER}")


def _with_latex_fraction(text: str) -> str:
    return _SLASHED.sub(r"\\frac{\1}{\2}", text) if _SLASHED.fullmatch(text) else text
