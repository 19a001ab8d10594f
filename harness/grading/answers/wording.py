"""Answers in words that say the same: "DNE" and "does not exist", "yes" and "Yes, it converges"."""

from __future__ import annotations

import re

NOTHING = "no solution"
INFINITE = "infinitely many"
_SUBJECT = (
    r"(?:(?:it|(?:the |this )?(?:series|integral|sequence|limit|statement|sum|equation|system|value"
    r"|function|answer)) )?"
)
_SAME = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (
            r"(?:there (?:is|are) |(?:it |the equation |the system )?has )?"
            r"no (?:(?:real|integer|valid) )?(?:solutions?|roots?)(?: exists?)?"
            r"|none(?: exist)?|(?:the )?(?:empty|null) set",
            NOTHING,
        ),
        (rf"{_SUBJECT}(?:does not exist|dne|do not exist)", "does not exist"),
        (
            r"(?:there are |it has |has )?(?:infinitely many|an infinite number of|infinite)"
            r"(?: solutions?| many solutions)?",
            INFINITE,
        ),
        (rf"{_SUBJECT}(?:is )?converge(?:s|nt)", "convergent"),
        (rf"{_SUBJECT}(?:is )?diverge(?:s|nt)", "divergent"),
        (rf"{_SUBJECT}(?:is )?undefined", "undefined"),
        (rf"{_SUBJECT}(?:is )?true", "true"),
        (rf"{_SUBJECT}(?:is )?false", "false"),
    )
)
_SENTENCE = re.compile(
    r"(?:it|this|that|he|she|they|there|the (?:answer|curve|graph|shape|figure|name|person|"
    r"winner|day"
    r"|result|set|set of solutions|solution|solution set|[a-z]{4,20})) (?:is|was|are|will be) (?"
    r"!not |no |never |neither )(.{1,120})"
)
_NOTHING_SAID = re.compile(
    r"(?:[a-z ]{1,60} )?(?:\(no (?:real |integer )?solutions?\)"
    r"|(?:has|have|there (?:is|are)) no (?:such )?[a-z ]{0,30}(?:solutions?|roots?|integers?|"
    r"numbers?|values?))"
)
_TO_INFINITY = re.compile(
    rf"{_SUBJECT}(?:(?:tends|diverges|goes) to |is )?(?:(?:positive|plus) )?(?:infinity|\\infty)"
    rf"|infinite"
)
_DECIDED = re.compile(r"(yes|no|true|false), (.{1,200})")


def canonical(text: str) -> str:
    """Return one wording of an answer, in lower case and without articles."""
    sentence = _SENTENCE.fullmatch(text)
    if sentence is not None:
        text = sentence[1].rstrip(" .")
    if _NOTHING_SAID.fullmatch(text):
        return NOTHING
    for pattern, meaning in _SAME:
        if pattern.fullmatch(text):
            return meaning
    return " ".join(word for word in text.split() if word not in ("a", "an", "the"))


def is_infinity(text: str) -> bool:
    """Say whether words state the positive infinity: "diverges to infinity"."""
    return canonical(text) == INFINITE or _TO_INFINITY.fullmatch(text) is not None


def same(gold: str, answer: str) -> bool:
    """Say whether two answers in words mean the same.

    >>> same("convergent", "yes, it converges"), same("yes", "no, it diverges")
    (True, False)
    """
    wanted, given = canonical(gold), canonical(answer)
    if wanted == given:
        return True
    heads = [_DECIDED.fullmatch(text) for text in (gold, answer)]
    if heads[1] is not None and wanted in (heads[1][1], *_affirmed(heads[1])):
        return True
    return heads[0] is not None and given == heads[0][1]


def _affirmed(decided: re.Match[str]) -> tuple[str, ...]:
    return (canonical(decided[2]),) if decided[1] in ("yes", "true") else ()
