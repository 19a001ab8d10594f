r"""The two rewards that earlier runs were trained with, to compare new runs with old ones.

Both compare strings, not mathematics; a new run takes its reward from the
grader. They give, value for value, what verl's scorers of GSM8K and MATH give,
with two differences: they never raise, and their time is linear in the text.
Where verl's scorer fails on a response (``\fbox``, a box left open), the
response earns nothing, as it does in verl.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from benchmarks.registry import Registry

Reward = Callable[[str, str], float]
"""From a whole response and the gold answer to a number from 0 to 1."""

REWARDS: Registry[Reward] = Registry(
    "reward",
    group="harness.rewards",
    builtin={
        "gsm8k-strict": "harness.grading.compat.rewards:gsm8k_strict",
        "hendrycks-boxed": "harness.grading.compat.rewards:hendrycks_boxed",
    },
)
"""Every reward by name; an unknown name is a `UserError` that says which there are."""

VERSIONS = {"gsm8k-strict": "1", "hendrycks-boxed": "1"}
"""Raise a reward's version by hand when it gives any response another value, as `GRADER` is raised
in `harness.grading.version`."""

_CLIPPED_TO = 300
_HASH = re.compile(r"#### (-?[0-9.,]+)")


def gsm8k_strict(response: str, gold: str) -> float:
    """Reward the last ``#### number`` of the last 300 characters if it is the gold, as a string.

    The number loses its commas and the gold does not, so a gold such as 1,200
    is out of reach, and so is every gold that is no number.

    >>> gsm8k_strict("#### 1,200", "1200"), gsm8k_strict("#### 1,200", "1,200")
    (1.0, 0.0)
    """
    found = _HASH.findall(response[-_CLIPPED_TO:])
    return float(bool(found) and found[-1].replace(",", "") == gold)


def hendrycks_boxed(response: str, gold: str) -> float:
    r"""Reward the last ``\boxed`` if it is the gold, after the string rewrites of Hendrycks' MATH.

    >>> hendrycks_boxed(r"\boxed{1/2}", r"\frac12"), hendrycks_boxed(r"\boxed{x+1}", "1+x")
    (1.0, 0.0)
    """
    answer = _last_boxed(response)
    return float(answer is not None and _equivalent(answer, gold))


def _last_boxed(response: str) -> str | None:
    r"""Return what stands in the last box; ``\boxed x``, if it occurs, goes before any brace."""
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
    """The rewrites do not apply; the two strings are then compared as they are."""


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
"""In this order, which decides what is left: each sees what the one before it made."""


def normalise(text: str) -> str:
    r"""Return the string that stands for an answer; equal answers have equal ones.

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
    """Drop a short left side: ``k = 2`` is 2."""
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


# As Python writes an integer, and no longer than Python reads one.
INTEGER = r"(0|-?[1-9][0-9]{0,4299})"
_SLASHED = re.compile(f"{INTEGER}/{INTEGER}")


def _with_latex_fraction(text: str) -> str:
    return _SLASHED.sub(r"\\frac{\1}{\2}", text) if _SLASHED.fullmatch(text) else text
