r"""Read the answer in a LaTeX box.

This module is a part of the benchmarks because both golds (of MATH and Minerva)
and responses are read by it, and the two must never be read by different rules.

The last box that is not empty wins, by the place where the box *begins*: the
innermost of nested boxes. Boxes that one sentence lists are the parts of one
answer (see `benchmarks.box_lists`). A box that never closes does not count, since
its full content is unknown, unless its formula closes; an earlier box that closed
is the last complete statement. Whether a response was cut off is decided by its
finish reason, and not guessed here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.box_lists import LONGEST_SEPARATOR, are_listed, is_remark, name_before

# Models that mix up `\begin` and `\boxed` write `\beginboxed{…}`.
_COMMAND = r"(?:begin)?(?:boxed|fbox|framebox)(?![A-Za-z])"
# The command without its backslash, or with the backspace as which JSON reads `\b`.
_BARE = r"(?<![A-Za-z\\])(?:\x08ox|box)ed(?=\{[^{}])"
# Two backslashes before ``boxed`` are taken as the command, too: text that was
# escaped twice on its way through JSON is common, and a line break followed by
# "boxed{" is not. At most two are matched, so that a run of backslashes is read once.
_TOKEN = re.compile(
    rf"(?:(?P<command>\\{{1,2}}){_COMMAND}\s*(?:\[[^\]\n]{{0,20}}\]\s*(?=\{{))?|{_BARE})(?P<brace>\{{?)"
    r"|\\.|(?P<open>\{)|(?P<close>\})",
    re.DOTALL,
)
_NAMES = ("oxed", "fbox", "framebox")
"""What every command has, or all of it. To look for these first is much cheaper."""
_UNBRACED_END = re.compile(rf"\$|\n|\\[)\]]|\\{{1,2}}{_COMMAND}|\Z")
_SAYS_SOMETHING = re.compile(r"[^\W_]")
_WORD = re.compile(r"[A-Za-z]{2}")
_BACKSLASHES = re.compile(r"\\+")


class StatedBox(NamedTuple):
    """The answer in the last box, and where that stands."""

    content: str
    start: int
    """The index at which the last box begins."""
    end: int
    """The index at which its content ends."""


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
    box = last_box(text)
    return box.content if box else None


def last_box(text: str) -> StatedBox | None:
    """Return what `last_boxed` does, and where it stands."""
    boxes = _stated_boxes(text)
    if not boxes:
        return None
    last = boxes[-1]
    while len(boxes) > 1 and _is_remark(text, *boxes[-2:]):
        boxes.pop()
    end = _unbraced_end(text, last) if last.end is None else last.end
    return StatedBox(content=_listed(text, boxes), start=last.start, end=end)


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
    start = _first_command(text)
    boxes = [] if start is None else sorted(_boxes(text, start))
    while boxes and not _content(text, boxes[-1]):
        boxes.pop()
    return boxes


def _first_command(text: str) -> int | None:
    """Return where the first word that may be a box's command begins, with its backslashes."""
    found = [index for name in _NAMES if (index := text.find(name)) >= 0]
    if not found:
        return None
    start = min(found)
    letters = text[max(0, start - len("begin") - 1) : start].rpartition("\\")[2]
    return len(text[: start - len(letters)].rstrip("\\"))


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
    unclosed = next((box for box in reversed(still_open) if box is not None), None)
    if unclosed:
        yield from _closed_by_its_formula(text, unclosed)


_OPENING = re.compile(r"(\$\$|\$|\\\(|\\\[)\s{0,2}\Z")
_CLOSING = {"$$": "$$", "$": "$", r"\(": r"\)", r"\[": r"\]"}
_LONGEST_UNCLOSED = 500


def _closed_by_its_formula(text: str, token: re.Match[str]) -> Iterator[_Box]:
    r"""Yield the box in ``$\boxed{\frac{1}{2}$``, whose own brace was forgotten."""
    opening = _OPENING.search(text, max(0, token.start() - 4), token.start())
    if opening is None:
        return
    end = text.find(_CLOSING[opening[1]], token.end(), token.end() + _LONGEST_UNCLOSED)
    content = text[token.end() : end]
    if end > 0 and content.count("{") == content.count("}"):
        yield _box(token, end)


def _box(token: re.Match[str], end: int | None) -> _Box:
    return _Box(token.start(), token.end(), end, len(token["command"] or "") == 2)


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
    parts = [boxes[-1]]
    for before, after in zip(boxes[-2::-1], boxes[:0:-1], strict=True):
        if not _one_list(text, before, after):
            break
        parts.append(before)
    contents = [(part, each) for part in reversed(parts) if (each := _content(text, part))]
    if all(other == content for _, other in contents):
        return content
    return ", ".join(_named(text, contents))


def _is_remark(text: str, before: _Box, last: _Box) -> bool:
    near = before.end is not None and before.end < last.start <= before.end + LONGEST_SEPARATOR
    return near and is_remark(text[(before.end or 0) + 1 : last.start])


def _one_list(text: str, before: _Box, after: _Box) -> bool:
    if before.end is None or after.end is None or before.end >= after.start:
        return False
    if after.start - before.end > LONGEST_SEPARATOR + 1:
        return False
    return are_listed(text[before.end + 1 : after.start])


def _named(text: str, contents: list[tuple[_Box, str]]) -> list[str]:
    r"""Return the contents, each with the name before its box if all have one and none inside."""
    names = [name_before(text[max(0, box.start - 60) : box.start]) for box, _ in contents]
    values = [value for _, value in contents]
    if not all(names) or any("=" in value for value in values):
        return values
    return [f"{name}={value}" for name, value in zip(names, values, strict=True)]


def _unbraced(text: str, box: _Box) -> str:
    content = text[box.inside : _unbraced_end(text, box)].strip()
    if _WORD.match(content) or not _SAYS_SOMETHING.search(content):
        return ""
    return content


def _unbraced_end(text: str, box: _Box) -> int:
    end = _UNBRACED_END.search(text, box.inside)
    return end.start() if end else len(text)
