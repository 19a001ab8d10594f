"""Say which words after a number name what was counted, and which say more about it."""

from __future__ import annotations

import re

from harness.grading.answers.units import read_unit

NO_NOUNS = frozenset(
    # numerals, which multiply the number before them
    "half halves third thirds quarter quarters fourth fourths fifth fifths sixth sixths seventh "
    "sevenths eighth eighths ninth ninths tenth tenths twelfth twelfths hundredth hundredths "
    "thousandth thousandths hundred hundreds thousands millions billions trillions score gross "
    "dozen dozens pair pairs couple triple double twice thrice times lakh crore "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty "
    "seventy eighty ninety "
    # words that join the number to something else
    "and or nor not but if when where whenever for with without at least most than more less fewer "
    "over under above below up to from between mod modulo base plus minus by divided times such "
    "that which is are was equals equal unless except given since because as about in on of".split()
)
"""Words that name nothing that could be counted, so that a number before one has more to say."""
_WORD = re.compile(r"[A-Za-z%]+")


def is_noun(unit: str) -> bool:
    """Say whether what follows a number is a unit, or the noun of what was counted."""
    if read_unit(unit) is not None:
        return True
    words = _WORD.findall(unit.lower())
    return bool(words) and not any(word in NO_NOUNS or len(word) < 3 for word in words)
