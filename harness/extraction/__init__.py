r"""Find the candidate answer in a response, and name the rule that found it.

The one decision here: the answer is what the response *states last*, in the
most explicit form that it uses. Four forms are explicit:

================  ============================================================
``boxed``         the last ``\boxed{…}`` in which something stands
``tag``           the last ``<answer>…</answer>``
``hash``          the last ``#### 42`` (GSM8K's marker, not a markdown heading)
``answer-is``     the last "answer is …", "Answer: …", "… is the answer", a field
                  ``"answer": …`` of JSON, or the same in another language
================  ============================================================

The last of the first three by place is taken, and a box inside of a tag rather than the
tag. After it, ``answer-is`` or ``hash`` replaces it only if the statement says a value and
nothing else ("the answer is 25", "#### 25"; not "the answer is 25 times that of (a)", "the
answer is in the form a/b" or "the answer is approximately 0.3"), and before a next question.
Without any of the three, ``answer-is`` is read in all of the text, and more leniently.

If nothing is explicit, these rules are tried in order, and the first that finds something
ends the search:

================  ============================================================
``bare``          the whole response, if it is nothing but an expression
``choice``        the last "option B", "it's B", "(B)"
``last-formula``  the formula that the response ends with
``last-number``   the last number that is not denied
``emphasised``    the bold word that the response ends with: "the claim is **False**"
================  ============================================================

These are only tried on a response of which it is known that the token limit did not cut
it off. Of an explicit form, the limit must not have cut the answer: a box or a tag has to
close, and the line of a mark or the sentence of a statement has to end. Text inside a
thinking block never counts, nor does what follows the end of the model's turn.
Responses come from a model under training, so every step takes time linear in
the text, however hostile.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.boxed import last_box
from harness.extraction import values
from harness.extraction.conclusions import bare, choice, emphasised, last_formula, last_number
from harness.extraction.languages import with_ascii_digits
from harness.extraction.reply import Reply, reply_in
from harness.extraction.statements import answer_is, last_hash, last_tag
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
    if not reply.text.isascii():
        reply = Reply(text=with_ascii_digits(reply.text), truncated=reply.truncated)
    found = _explicit(reply) or _concluded(reply)
    return found if found and len(found.answer) <= MAXIMUM_ANSWER_LENGTH else None


def _concluded(reply: Reply) -> Extraction | None:
    """Return the answer with which the response ends without announcing it."""
    for name, rule in _CONCLUSIONS.items():
        answer = rule(reply)
        if answer:
            return Extraction(answer, name)
    return None


def _explicit(reply: Reply) -> Extraction | None:
    """Return the answer that the response marks or announces last."""
    marked = _marked(reply)
    if marked is None:
        stated = answer_is(reply)
        return Extraction(stated, "answer-is") if stated else None
    found, end = marked
    later = _up_to_another_question(reply, end)
    stated = answer_is(later, plain=True) if later else None
    return Extraction(stated, "answer-is") if stated else found


def _marked(reply: Reply) -> tuple[Extraction, int] | None:
    """Return the answer marked last, by a box, a tag or a hash mark, and where its mark ends."""
    box, tag, hashed = last_box(reply.text), last_tag(reply.text), last_hash(reply)
    found: tuple[Extraction, int] | None = None
    if box:
        found = Extraction(_in_box(box.content), "boxed"), box.end
    if tag and not (box and box.start > tag.start):
        inside = Reply(text=tag.content, truncated=False)
        value = answer_is(inside) or values.tidy(values.value_in(tag.content))
        found = (Extraction(value, "tag"), tag.end) if value else found
    elif tag and found:
        found = found[0], max(found[1], tag.end)
    # After a box or a tag, what looks like a heading or prose is none of gsm8k's marks.
    if hashed and (found is None or (hashed.start > found[1] and values.is_plain(hashed.content))):
        found = Extraction(hashed.content, "hash"), hashed.end
    return found


# "\text{The answer is } 5" and "\text{Answer: C}" say in the box that it holds the answer.
_ANNOUNCED = re.compile(
    r"\A\\(?:text\w{0,4}|mathrm|mbox)\s?\{\s*(?:the\s)?(?:final\s|correct\s)?answer(?:\sis)?"
    r"\s?:?\s*(?:\}\s*(?P<outside>.*)|(?P<inside>[^{}]*)\})\Z",
    re.IGNORECASE | re.DOTALL,
)


def _in_box(content: str) -> str:
    announced = _ANNOUNCED.match(content) if "nswer" in content else None
    value = announced and (announced["outside"] or announced["inside"])
    return (value or "").strip() or content


_ANOTHER_QUESTION = re.compile(
    r"\n\W{0,6}(?:question|problem|exercise|example|q|user|human|instruction|input)\b[^\n:]{0,20}:"
    r"|\[INST\]",
    re.IGNORECASE,
)


def _up_to_another_question(reply: Reply, start: int) -> Reply | None:
    """Return what follows ``start``, up to a question that the model asks itself."""
    rest = reply.text[start:]
    if not any(map(str.isalnum, rest[:2_000])):
        return None
    another = _ANOTHER_QUESTION.search(rest)
    if another:
        return Reply(text=rest[: another.start()], truncated=False)
    return Reply(text=rest, truncated=reply.truncated)


def _if_whole(rule: Callable[[str], str | None]) -> Callable[[Reply], str | None]:
    return lambda reply: rule(reply.text) if reply.truncated is False else None


_CONCLUSIONS: dict[str, Callable[[Reply], str | None]] = {
    "bare": _if_whole(bare),
    "choice": _if_whole(choice),
    "last-formula": _if_whole(last_formula),
    "last-number": _if_whole(last_number),
    "emphasised": _if_whole(emphasised),
}
