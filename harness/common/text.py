"""How things are written for people.

Model output is hostile: what of it reaches a terminal goes through here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import count


def printable(text: str | None, *, limit: int | None = None) -> str:
    r"""Return ``text`` with control characters made visible, cut at ``limit`` characters.

    Line breaks and tabs stay; escape sequences, which could rewrite the screen,
    the invisible marks that reverse the writing direction, and Unicode's own line breaks do not.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    if text is None:
        return ""
    cut = text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c in "\n\t" or _harmless(c) else _visible(c) for c in cut)


def disarmed(text: str) -> str:
    r"""Return ``text`` with every character escaped by which a terminal could be steered.

    That is what `printable` makes visible, but each is written as JSON writes it: JSON stays JSON
    of the same values.

    >>> print(disarmed('{"a": "\u202e\x9b31m é"}'))
    {"a": "\u202e\u009b31m é"}
    """
    return _UNUSUAL.sub(lambda found: _as_json(found[0]), text)


def one_line(text: str | None, *, limit: int | None = 60) -> str:
    """Return ``text`` printable and on one line."""
    return printable(" ".join((text or "").split()), limit=limit)


def last_line(text: str, *, limit: int = 300) -> str:
    r"""Return the last line that is not blank, which is where programs say what was wrong.

    >>> last_line("Traceback:\n  KeyError: 'x'\n\n"), last_line(" ")
    ("KeyError: 'x'", '')
    """
    lines = text.strip().splitlines()
    return lines[-1].strip()[:limit] if lines else ""


def told_apart(names: Iterable[str]) -> list[str]:
    """Return the names, of which those that came before have a number, so that no two are the same.

    >>> told_apart(["a", "b", "a"])
    ['a', 'b', 'a (2)']
    """
    given = list(names)
    taken, apart = set(given), []
    for place, name in enumerate(given):
        if name in given[:place]:
            name = next(n for k in count(2) if (n := f"{name} ({k})") not in taken)
            taken.add(name)
        apart.append(name)
    return apart


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the singular for one.

    >>> counted(1, "response"), counted(1234, "response")
    ('1 response', '1,234 responses')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a time in its two greatest units; whole seconds, given as an int, have no tenths.

    >>> duration(5), duration(0.26), duration(40.4), duration(3599.6), duration(90_000)
    ('5 s', '0.3 s', '40 s', '1 h 0 min', '25 h 0 min')
    >>> duration(125)
    '2 min 5 s'
    """
    if seconds < 9.95:
        return f"{seconds} s" if isinstance(seconds, int) else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if minutes else f"{rest} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min"


# Everything except line breaks, tabs and printable ASCII: what might not be harmless.
_UNUSUAL = re.compile(r"[^\n\t\x20-\x7e]+")


def _harmless(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def _as_json(text: str) -> str:
    return "".join(c if _harmless(c) else _json_escape(c) for c in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()  # one unit of UTF-16, or two
    return re.sub("....", r"\\u\g<0>", units)


def _visible(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
