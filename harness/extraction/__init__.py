r"""Find the candidate answer in a response, and name the rule that found it.

The one decision here: the answer is what the response *states last*, in the
most explicit form that it uses. The rules go from explicit to lenient, and the
first that finds something ends the search:

================  ============================================================
``boxed``         the last ``\boxed{…}`` in which something stands
``tag``           the last ``<answer>…</answer>``, unless a box comes later
``hash``          the last ``#### 42`` (GSM8K's marker, not a markdown heading)
``answer-is``     the last "answer is …", "Answer: …", or the same in another language
``bare``          the whole response, if it is nothing but an expression
``choice``        the last "option B", "it's B", "(B)"
``last-formula``  the formula that the response ends with
``last-number``   the last number
================  ============================================================

The last four are only tried on a response of which it is known that the token limit did not cut
it off. Text inside a
thinking block never counts, nor does what follows the end of the model's turn.
Responses come from a model under training, so every step takes time linear in
the text, however hostile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.boxed import last_boxed
from harness.extraction import values
from harness.extraction.conclusions import bare, choice, last_formula, last_number
from harness.extraction.reply import Reply, reply_in
from harness.extraction.statements import answer_is, hash_mark, last_tag
from harness.extraction.values import MAXIMUM_ANSWER_LENGTH

__all__ = ["MAXIMUM_ANSWER_LENGTH", "Extraction", "extract"]


class Extraction(NamedTuple):
    """The candidate answer of one response."""

    answer: str
    """The candidate as the response writes it, without its box or marker."""
    rule: str
    """The name of the rule that found it, from the table in this module's docstring."""


def extract(
    response: str, *, truncated: bool | None = False, thinking_opened: bool = False
) -> Extraction | None:
    r"""Return the answer that a response states, or None if it states none.

    ``truncated`` says that the token limit cut the response off. Its last number then
    proves nothing, and a statement that the limit cut in two does not count. If nobody knows
    (None), the last number proves nothing either, but the last statement counts as it stands.
    ``thinking_opened`` says that the prompt ends in an open thinking block, so that the response
    begins inside it.

    >>> extract(r"<think>\boxed{7}</think> So it is \boxed{8}.")
    Extraction(answer='8', rule='boxed')
    >>> extract("The answer is **42**.")
    Extraction(answer='42', rule='answer-is')
    >>> extract(r"Therefore $x \geq 5$ is the solution.")
    Extraction(answer='x \\geq 5', rule='last-formula')
    >>> extract("it was 12 and", truncated=True) is None
    True
    >>> extract("So it is 12", truncated=None), extract("#### 12", truncated=None)
    (None, Extraction(answer='12', rule='hash'))
    """
    reply = reply_in(response, truncated=truncated, thinking_opened=thinking_opened)
    if reply is None:
        return None
    for name, rule in _RULES.items():
        answer = rule(reply)
        if answer:
            return Extraction(answer, name) if len(answer) <= MAXIMUM_ANSWER_LENGTH else None
    return None


def _boxed(reply: Reply) -> str | None:
    tag = last_tag(reply.text)
    return last_boxed(reply.text[tag.start :] if tag else reply.text)


def _tagged(reply: Reply) -> str | None:
    tag = last_tag(reply.text)
    if tag is None:
        return None
    inside = Reply(text=tag.content, truncated=False)
    return answer_is(inside) or values.tidy(values.value_in(tag.content))


def _if_whole(rule: Callable[[str], str | None]) -> Callable[[Reply], str | None]:
    return lambda reply: rule(reply.text) if reply.truncated is False else None


_RULES: dict[str, Callable[[Reply], str | None]] = {
    "boxed": _boxed,
    "tag": _tagged,
    "hash": hash_mark,
    "answer-is": answer_is,
    "bare": _if_whole(bare),
    "choice": _if_whole(choice),
    "last-formula": _if_whole(last_formula),
    "last-number": _if_whole(last_number),
}
