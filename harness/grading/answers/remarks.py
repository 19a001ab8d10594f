r"""Separate an answer from the remarks around it.

"The minimum is 7", "7 (exactly)" and ``f(x) = 2x, x \in \mathbb{R}`` state what they state without
the remark. A remark is left out only if it is known to add nothing. A condition that restricts the
answer ("for x > 0") is no remark, and its words leave the answer unread.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.grading.answers.nouns import NUMERALS
from harness.grading.answers.splitting import OPENING, closes_before_end, step
from harness.grading.answers.tokens import Token

_CONDITIONS = frozenset(
    "for where when with whenever at here attained achieved reached occurring occurs given".split()
)
"""Words that begin a condition."""
_STATES = frozenset("is are equals was were".split())
_CHANGES = NUMERALS | frozenset(
    "not no never none cannot without except unless if least less more most fewer greater than "
    "false wrong incorrect neither nor other else either between over under above below plus minus "
    "square cube root reciprocal inverse negative opposite complement exclude excludes excluding "
    "excluded ignore discard reject avoid remove counterexample guess too small large twice double "
    "octal hex hexadecimal binary contradiction digits digit extraneous rejected invalid absurd "
    "impossible fails failed discarded times about approximately roughly nearly almost maybe "
    "perhaps possibly".split()
)
"""Words that may change what the words around them say."""
_ENDS = frozenset(
    "the a an our its is are only required desired final correct answer minimum maximum min max "
    "smallest largest greatest least value possible solution result number total unique such "
    "one that works of integer area probability function sum product length remainder count all "
    "we want".split()
)
"""Words that may follow a value after "is", as in "7 is the smallest such number"."""
_OF_ANSWER = frozenset("answer answers result solution solutions it them this".split())
_DECLARING = frozenset(
    "for where when with all every any each real reals number numbers value values of is are an "
    "and the in each constant constants arbitrary some here whenever being denotes".split()
)
"""Words of a remark that declares a variable as a real number."""
_INTEGERS = frozenset("integer integers whole natural".split())
_AMOUNTS = frozenset("total maximum minimum sum increase".split())
"""Nouns that may stand before a number, as in "a total of 7"."""
_NAMES = frozenset(
    "polynomial function value number expression solution solutions result answer total".split()
)
"""Nouns that may stand right before what they name."""
_FOREIGN = frozenset(
    "\u5171 \u5171\u6709 \u4e00\u5171 \u603b\u5171 \u6709 \u4e3a \u662f \u7b54\u6848\u662f "
    "\u7b54\u6848\u4e3a".split()
)
"""Chinese words for "in total", "there are", "is" and "the answer is"."""
_COUNTING = frozenset("ijklmnpqrst")
"""Letters that count from a first integer on."""


@dataclass(frozen=True, slots=True)
class Stated:
    """The tokens of an answer alone, and the remark that stood beside it."""

    tokens: list[Token]
    remark: str = ""
    is_condition: bool = False
    """Whether the remark says something of the answer's variables."""


def without_remarks(tokens: list[Token]) -> Stated:
    """Return the answer alone, with the text of what was said beside it."""
    if not any(t.kind in ("word", "relation") or t.text == "forall" for t in tokens):
        return Stated(tokens)
    if all(token.kind in ("word", "symbol", ",", "separator") for token in tokens):
        return Stated(tokens)  # the words are the answer
    stated, condition = _without_condition(tokens)
    plain = _without_verb(_without_aside(_without_label(stated)))
    if len(plain) == len(tokens):
        return Stated(tokens)
    said = _rest(stated, plain) if condition is None else condition
    return Stated(plain, " ".join(token.text for token in said), condition is not None)


def _rest(tokens: list[Token], part: list[Token]) -> list[Token]:
    """Return the tokens before and after a part of them."""
    start = next(
        i for i in range(len(tokens)) if len(part) <= len(tokens) - i and tokens[i] is part[0]
    )
    return [*tokens[:start], *tokens[start + len(part) :]]


def _is_word(token: Token) -> bool:
    return token.kind == "word" or token.text in ("a", "A")


def _is_letter(token: Token) -> bool:
    return token.kind == "symbol" and len(token.text) == 1 and token.text not in ("a", "A")


def _idle_words(tokens: list[Token]) -> list[str] | None:
    """Return the words in lower case if there are only words that change nothing; else None."""
    if not tokens or not all(map(_is_word, tokens)):
        return None
    words = [token.text.lower() for token in tokens]
    if _CHANGES.intersection(words):
        return None
    # "The square of the answer is 13" says another thing than "the value of it is 13".
    if "of" in words and _OF_ANSWER.intersection(words[words.index("of") :]):
        return words if words[words.index("of") - 1] in ("value", "number") else None
    return words


def _without_label(tokens: list[Token]) -> list[Token]:
    """Drop a label: "Minimum: 7", "The minimum is 7", "a total of 7"."""
    end = 0
    while end < len(tokens) and (_is_word(tokens[end]) or _is_letter(tokens[end])):
        end += 1
    words = _idle_words([token for token in tokens[:end] if not _is_letter(token)])
    if end and not _is_word(tokens[end - 1]):
        return tokens
    if words is None or end == len(tokens):
        return tokens
    if tokens[end].kind == ":" and end + 1 < len(tokens) and len(words[-1]) > 1:
        return tokens[end + 1 :]
    counted = len(words) > 1 and words[-1] == "of" and words[-2] in _AMOUNTS
    named = words[-1] in _STATES | _NAMES | _FOREIGN
    return tokens[end:] if named or counted else tokens


def _without_verb(tokens: list[Token]) -> list[Token]:
    """Drop "is the minimum" after a value."""
    for index, token in enumerate(tokens):
        if index and token.kind == "word" and token.text in _STATES:
            rest = tokens[index:]
            idle = all(_is_word(word) and word.text.lower() in _ENDS for word in rest)
            return tokens[:index] if idle else tokens
    return tokens


def _without_aside(tokens: list[Token]) -> list[Token]:
    """Drop words in brackets after a value: "7 (the largest)"."""
    if len(tokens) < 4 or tokens[-1].kind != ")":
        return tokens
    start = max(i for i, token in enumerate(tokens[:-1]) if token.kind in "()" or i == 0)
    inner = tokens[start + 1 : -1]
    words = _idle_words(inner)
    if inner and inner[0].text.lower() == "rounded":
        words = [token.text for token in inner]
    if start == 0 or tokens[start].kind != "(" or words is None or len("".join(words)) < 3:
        return tokens
    return tokens[:start]


def _without_condition(tokens: list[Token]) -> tuple[list[Token], list[Token] | None]:
    """Return the tokens before a condition, and its own; None if it has none that adds nothing."""
    depth = 0
    for index, token in enumerate(tokens):
        opens = token.kind == "(" and depth == 0 and index > 0 and tokens[-1].kind == ")"
        if depth == 0 and index and (opens or _may_begin(tokens, index)):
            said = tokens[index + 1 : -1] if opens else tokens[index:]
            balanced = not opens or not closes_before_end(tokens[index:])
            if balanced and _adds_nothing(said, tokens[:index], introduced=opens):
                head = tokens[:index]
                while head and head[-1].kind in (",", ";"):
                    head = head[:-1]
                if head:
                    return head, said
        depth += step(token)
    return tokens, None


def _may_begin(tokens: list[Token], index: int) -> bool:
    token = tokens[index]
    if token.text == "forall" or (token.kind == "word" and token.text.lower() in _CONDITIONS):
        return True
    return tokens[index - 1].kind in (",", ";") and token.kind == "symbol"


def _adds_nothing(condition: list[Token], head: list[Token], *, introduced: bool) -> bool:
    """Say whether a condition restricts nothing: it declares a real number, or names a value.

    ``introduced`` says that it stands in brackets, so that it is no part of a list.
    """
    plain = [token for token in condition if token.kind not in ("{", "}")]
    start = 0
    while start < len(plain) and (
        plain[start].text.lower() in _CONDITIONS or plain[start].text == "forall"
    ):
        start += 1
    introduced = introduced or start > 0
    plain = plain[start:]
    if not plain or plain[0].kind not in ("word", "symbol"):
        return False
    in_reals = [token.text for token in plain[-3:]] == ["in", "mathbb", "R"]
    named = plain[:-3] if in_reals else plain
    words = {token.text.lower() for token in named if token.kind == "word"}
    others = [t for t in named if t.kind not in ("word", "symbol", ",", "separator", "_")]
    if not others and words <= _DECLARING | _INTEGERS:
        return in_reals or (introduced and (bool(words) or condition[0].text == "forall"))
    while plain and plain[0].text in ("all", "every", "any", "each"):
        plain = plain[1:]
    of_head = bool(plain) and plain[0].kind == "symbol" and plain[0] in _unspaced(head)
    if _is_start(plain):
        alone = not any(token.kind in ("relation", ",") for token in head[:-1])
        return introduced or (of_head and (plain[1].text != "!=" or alone))
    if _is_counted(plain):
        return of_head
    return introduced and _is_assignment(plain)


def _unspaced(tokens: list[Token]) -> set[Token]:
    return {Token(token.kind, token.text, spaced) for token in tokens for spaced in (True, False)}


def _is_start(tokens: list[Token]) -> bool:
    """Say whether the tokens say from where on an index counts, ``n >= 1``, or what it is not."""
    texts = [token.text for token in tokens]
    if len(texts) != 3 or tokens[0].kind != "symbol":
        return False
    if texts[1] == "!=":
        return tokens[2].kind == "number"
    return texts[0] in _COUNTING and texts[1] in (">=", ">") and texts[2] in "012"


def _is_counted(tokens: list[Token]) -> bool:
    r"""Say whether the tokens are ``k = 1, 2, 3, \dots``."""
    if len(tokens) < 5 or tokens[1].text != "=" or tokens[-1].kind != "dots":
        return False
    items = [token for token in tokens[2:-1] if token.kind != ","]
    return bool(items) and all(token.kind == "number" for token in items)


def _is_assignment(tokens: list[Token]) -> bool:
    """Say whether the tokens are ``n = 3`` or ``a = b``, or several of these."""
    if len(tokens) < 3 or tokens[0].kind != "symbol" or tokens[1].text != "=":
        return False
    value = tokens[2:]
    plain = ("number", "symbol", "-", "/", ",", "_", "separator", "relation")
    return value[-1].kind in ("number", "symbol") and all(
        (t.kind in plain and t.text not in ("<", ">", "<=", ">=", "!=", "in", "~"))
        or t.text in ("frac", "sqrt")
        or t.kind in OPENING
        for t in value
    )
