r"""Reading the answer out of a LaTeX box.

It lives beside the benchmarks because golds are read by it (MATH, Minerva) as
well as responses, and the two must never be read by different rules.

The last box in which something was written wins, by where the box *begins*:
of nested boxes the innermost. A box that never closes is passed over whatever
stands in it, since what it would have said is unknown; an earlier box that
closed is the last complete statement. Whether a response was cut off is told
by its finish reason, not guessed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# A doubled backslash before ``boxed`` is taken as the command too: text that
# was escaped twice on its way through JSON is common, a line break followed by
# the word "boxed{" is not. At most two, so that a run of backslashes is read once.
_TOKEN = re.compile(
    r"\\{1,2}(?:boxed|fbox)(?![A-Za-z])\s*(?P<brace>\{?)|\\.|(?P<open>\{)|(?P<close>\})",
    re.DOTALL,
)
_UNBRACED_END = re.compile(r"\$|\n|\\[)\]]|\\{1,2}(?:boxed|fbox)|\Z")
_SAYS_SOMETHING = re.compile(r"[^\W_]")
_WORD = re.compile(r"[A-Za-z]{2}")


def last_boxed(text: str) -> str | None:
    r"""Return what the last balanced ``\boxed{…}`` or ``\fbox{…}`` holds, stripped, or None.

    Braces escaped as ``\{`` and ``\}`` do not count for the balance; the brace
    in ``\\{`` follows a line break and does. Empty boxes, as in a quoted "put
    it in \boxed{}", are passed over. ``\boxed 5`` is read up to the end of its
    formula or line, as the code published with MATH does, unless a word follows
    (prose about the command). Takes time linear in the text, however hostile.

    >>> last_boxed(r"so $x = \boxed{\frac{1}{2}}$")
    '\\frac{1}{2}'
    >>> last_boxed(r"first \boxed{3}, and then \boxed{4")
    '3'
    """
    for start, end in sorted(_boxes(text), reverse=True):
        content = text[start:end].strip() if end is not None else _unbraced(text, start)
        if content:
            return content
    return None


def _boxes(text: str) -> Iterator[tuple[int, int | None]]:
    """Yield where the content of every closed box starts and ends; None ends an unbraced one."""
    still_open: list[int | None] = []  # a box's start, or None for a plain brace
    for token in _TOKEN.finditer(text):
        if token["close"]:
            start = still_open.pop() if still_open else None
            if start is not None:
                yield start, token.start()
        elif token["open"]:
            still_open.append(None)
        elif token["brace"]:
            still_open.append(token.end())
        elif token["brace"] is not None:
            yield token.end(), None


def _unbraced(text: str, start: int) -> str:
    end = _UNBRACED_END.search(text, start)
    content = text[start : end.start() if end else len(text)].strip()
    if _WORD.match(content) or not _SAYS_SOMETHING.search(content):
        return ""
    return content


def boxed_gold(solution: str) -> str:
    """Return the answer that a published solution boxes; raise ValueError if it boxes none."""
    answer = last_boxed(solution)
    if answer is None:
        raise ValueError("the solution has no closed box")
    return answer
