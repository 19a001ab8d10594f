r"""Read the answer in a LaTeX box.

This module is a part of the benchmarks because both golds (of MATH and Minerva)
and responses are read by it, and the two must never be read by different rules.

The last box that is not empty wins, by the place where the box *begins*: the
innermost of nested boxes. Boxes with nothing but "and", "or" or a comma between
them are one statement and are read as one list. A box that never closes does not
count, since its full content is unknown; an earlier box that closed is the last
complete statement. Whether a response was cut off is decided by its finish
reason, and not guessed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# Models that mix up `\begin` and `\boxed` write `\beginboxed{…}`.
_COMMAND = r"(?:begin)?(?:boxed|fbox)(?![A-Za-z])"
# Where the first box begins. The whole run of backslashes before the command is matched.
_FIRST = re.compile(rf"(?<!\\)\\+{_COMMAND}")
# Two backslashes before ``boxed`` are taken as the command, too: text that was
# escaped twice on its way through JSON is common, and a line break followed by
# "boxed{" is not. At most two are matched, so that a run of backslashes is read once.
_TOKEN = re.compile(
    rf"(?P<command>\\{{1,2}}){_COMMAND}\s*(?P<brace>\{{?)|\\.|(?P<open>\{{)|(?P<close>\}})",
    re.DOTALL,
)
_UNBRACED_END = re.compile(rf"\$|\n|\\[)\]]|\\{{1,2}}{_COMMAND}|\Z")
_SAYS_SOMETHING = re.compile(r"[^\W_]")
_WORD = re.compile(r"[A-Za-z]{2}")
_BACKSLASHES = re.compile(r"\\+")

_SEPARATOR_LENGTH = 80
# One word may name what was counted: \boxed{3} apples and \boxed{4} pears.
_SEPARATOR = re.compile(
    r"""(?:(?:\ ?\\[)\]]|[$*]){0,4}\ [a-z]{1,20}(?=\ and\ ))?
    (?: [\s$~*,;\uff0c\u3001] | \\[()\[\],;:!\ ] | \\q?quad(?![a-z]) | (?:and|or)(?![a-z])
      | \\(?:text|textrm|mathrm|mbox)\{\s*(?:and|or|,)\s*\} | \u548c | \u6216 )*""",
    re.VERBOSE,
)
_JOINS = re.compile(r"(?<!\\)[,;\uff0c\u3001]|and|or|\u548c|\u6216")


class _Box(NamedTuple):
    start: int
    """The index at which the command begins."""
    inside: int
    """The index at which the content begins."""
    end: int | None
    """The index at which the content ends; None for a box without braces."""
    escaped_twice: bool
    """Whether the command has two backslashes."""


def last_boxed(text: str) -> str | None:
    r"""Return the content of the last balanced ``\boxed{…}`` or ``\fbox{…}``, stripped, or None.

    Braces escaped as ``\{`` and ``\}`` do not count for the balance; the brace
    in ``\\{`` follows a line break and counts. Empty boxes, as in a quoted "put
    it in \boxed{}", are passed over. ``\boxed 5`` is read up to the end of its
    formula or line, as the code published with MATH does, unless a word follows
    (prose about the command). The time is linear in the text, however hostile.

    >>> last_boxed(r"so $x = \boxed{\frac{1}{2}}$")
    '\\frac{1}{2}'
    >>> last_boxed(r"first \boxed{3}, and then \boxed{4")
    '3'
    >>> last_boxed(r"$\boxed{3}$ and $\boxed{4}$")
    '3, 4'
    """
    if "boxed" not in text and "fbox" not in text:
        return None
    boxes = _stated_boxes(text)
    return _listed(text, boxes) if boxes else None


def boxed_gold(solution: str) -> str:
    r"""Return the answer in the last box of a published solution; raise ValueError if it has none.

    Only the last box counts, and never a list: if a solution of MATH has several
    boxes, they hold one answer in several forms (``\boxed{1\frac{1}{2}}, or
    \boxed{\frac{3}{2}}``), and the data set's own answer is the last of them.
    """
    boxes = _stated_boxes(solution)
    if not boxes:
        raise ValueError("the solution has no closed box")
    return _content(solution, boxes[-1])


def _stated_boxes(text: str) -> list[_Box]:
    """Return the boxes in the order in which they begin; the last of them is not empty."""
    # No box begins before the first backslash, and finding that is much cheaper.
    first = _FIRST.search(text, max(0, text.find("\\")))
    boxes = sorted(_boxes(text, first.start())) if first else []
    while boxes and not _content(text, boxes[-1]):
        boxes.pop()
    return boxes


def _boxes(text: str, start: int) -> Iterator[_Box]:
    """Yield every box after ``start`` that is closed or has no braces."""
    still_open: list[re.Match[str] | None] = []  # a box, or None for a plain brace
    for token in _TOKEN.finditer(text, start):
        match token.lastgroup:
            case "close":
                box = still_open.pop() if still_open else None
                if box is not None:
                    yield _box(box, token.start())
            case "open":
                still_open.append(None)
            case "brace" if token["brace"]:
                still_open.append(token)
            case "brace":
                yield _box(token, None)


def _box(token: re.Match[str], end: int | None) -> _Box:
    return _Box(token.start(), token.end(), end, len(token["command"]) == 2)


def _content(text: str, box: _Box) -> str:
    content = _unbraced(text, box) if box.end is None else text[box.inside : box.end].strip()
    return _unescaped(content) if box.escaped_twice else content


def _unescaped(content: str) -> str:
    r"""Undo the second of two escapings, unless a lone backslash shows that there was none.

    >>> _unescaped(r"\\frac{1}{2}"), _unescaped(r"\text{a}\\b")
    ('\\frac{1}{2}', '\\text{a}\\\\b')
    """
    if any(len(run) % 2 for run in _BACKSLASHES.findall(content)):
        return content
    return content.replace("\\\\", "\\")


def _listed(text: str, boxes: list[_Box]) -> str:
    """Return the contents of the last box and of those listed with it, once if all are equal."""
    content = _content(text, boxes[-1])
    if len(boxes) == 1:
        return content
    contents = [content]
    for before, after in zip(boxes[-2::-1], boxes[:0:-1], strict=True):
        if not _one_list(text, before, after):
            break
        contents.append(_content(text, before))
    same = all(other == content for other in contents)
    return content if same else ", ".join(other for other in reversed(contents) if other)


def _one_list(text: str, before: _Box, after: _Box) -> bool:
    if before.end is None or after.end is None or before.end >= after.start:
        return False
    if after.start - before.end > _SEPARATOR_LENGTH:
        return False
    between = text[before.end + 1 : after.start]
    # \boxed{1}\boxed{2} is a list. With only blanks between them, the second is a new attempt.
    return not between or bool(_SEPARATOR.fullmatch(between) and _JOINS.search(between))


def _unbraced(text: str, box: _Box) -> str:
    end = _UNBRACED_END.search(text, box.inside)
    content = text[box.inside : end.start() if end else len(text)].strip()
    if _WORD.match(content) or not _SAYS_SOMETHING.search(content):
        return ""
    return content
