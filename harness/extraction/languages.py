r"""Know how each language says "the answer is": its nouns, its verbs, its decimal sign.

The one decision here: a verb counts only beside a noun of its own language, since "on", "er" and
"e" are verbs in one language and everyday words in another. A language whose sentence needs no
verb has ``direct``. The words are the authors' own choice, taken from no list.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """How one language announces an answer."""

    answer: tuple[str, ...]
    """Words for "answer", in lower case."""
    result: tuple[str, ...] = ()
    """Words for "result". An intermediate result has the same name, so they count only in the
    last sentence of a response."""
    verb: str = ""
    """Alternatives, as a regular expression, of what says "is" between the noun and the value."""
    spaced: bool = True
    """Whether blanks separate the language's words."""
    direct: bool = False
    """Whether a value may follow the noun with nothing but a blank between."""
    decimal_comma: bool = False
    """Whether ``3,5`` is one number."""


LANGUAGES = (
    Language(
        answer=(
            *("answer", "ans:", "ans.", "ans ="),
            *("correct option", "correct choice", "final result", "final solution"),
        ),
        result=("result", "solution"),
        verb="is|are|be|equals",
    ),
    Language(
        answer=("antwort", "endergebnis"),
        result=("ergebnis", "lösung"),
        verb="ist|lautet|sind",
        decimal_comma=True,
    ),
    Language(answer=("antwoord",), verb="is|luidt", decimal_comma=True),
    Language(answer=("svaret", "svar"), verb="är|er|blir", decimal_comma=True),
    Language(answer=("vastaus",), verb="on", decimal_comma=True),
    Language(
        answer=("réponse", "reponse"),
        result=("résultat", "solution"),
        verb="est|sont|vaut",
        decimal_comma=True,
    ),
    Language(
        answer=("respuesta",),
        result=("resultado", "solución"),
        verb="es|son|sería",
        decimal_comma=True,
    ),
    Language(
        answer=("resposta",),
        result=("resultado", "solução"),
        verb="é|são|seria",
        decimal_comma=True,
    ),
    Language(
        answer=("risposta",), result=("risultato", "soluzione"), verb="è|sono", decimal_comma=True
    ),
    Language(answer=("răspunsul", "răspuns"), verb="este|e|sunt", decimal_comma=True),
    Language(answer=("odpowiedź", "odpowiedzią"), verb="to|jest|wynosi", decimal_comma=True),
    Language(answer=("odpověď", "odpoveď"), verb="je", decimal_comma=True),
    Language(answer=("válasz",), verb="az?", decimal_comma=True),
    Language(answer=("cevap", "yanıt"), decimal_comma=True),
    Language(answer=("jawabannya", "jawaban"), verb="adalah|ialah", decimal_comma=True),
    Language(answer=("jibu",), verb="ni"),
    Language(
        answer=("đáp án", "đáp số", "câu trả lời"),
        result=("kết quả",),
        verb="là|bằng",
        decimal_comma=True,
    ),
    Language(
        answer=("ответ",),
        result=("результат",),
        verb="равен|равна|равно|равняется|это|есть|будет",
        decimal_comma=True,
    ),
    Language(
        answer=("відповідь",), result=("результат",), verb="дорівнює|це|є", decimal_comma=True
    ),
    Language(answer=("απάντηση",), result=("αποτέλεσμα",), verb="είναι", decimal_comma=True),
    Language(answer=("الإجابة", "الاجابة", "الجواب", "إجابة"), verb="هو|هي"),
    Language(answer=("پاسخ", "جواب"), verb="برابر|ہے"),
    Language(answer=("התשובה", "תשובה"), verb="היא|הוא"),
    Language(answer=("उत्तर", "जवाब"), verb="है|हैं|होगा", direct=True),
    Language(answer=("উত্তর",), verb="হল|হলো|হচ্ছে|হবে", direct=True),
    Language(answer=("సమాధానం", "జవాబు"), direct=True),
    Language(answer=("பதில்", "விடை"), direct=True),
    Language(answer=("คำตอบ",), verb="คือ|เท่ากับ|เป็น", spaced=False),
    Language(
        answer=("答案", "答："),
        verb="应该是|應該是|应为|應為|就是|等于|等於|是|为|為",
        spaced=False,
    ),
    Language(answer=("答え", "正答", "正解", "解答：", "解答:"), verb="は", spaced=False),
    Language(answer=("정답", "답은", "답:"), verb="은|는|이", spaced=False, direct=True),
)


def _pattern(language: Language) -> re.Pattern[str]:
    """Return what may stand between the noun and its value.

    Every repeat is bounded, so that one attempt takes constant time however often the word occurs.
    """
    # `\b` knows no boundary after the vowel signs of Indian scripts, so letters are excluded.
    verb = rf"(?<![^\W\d_])(?:{language.verb})(?![^\W\d_])" if language.spaced else language.verb
    gap = (
        r"[^.\n:\uff1a=\\$\u3002]{0,60}?" if language.spaced else r"[^\n:\uff1a=\\$\u3002\d]{0,20}?"
    )
    english = "answer" in language.answer
    adjectives = "" if english else r"(?:\s[^\W\d_]{2,15}){0,2}"  # "Respuesta final: 5"
    ways = [
        *([r"\s{0,3}(?=[-\u2212]?\d|[A-J]\b)"] if language.direct else []),
        *([rf"{gap}(?:{verb})"] if language.verb else []),
        rf"{adjectives}\s{{0,3}}[:\uff1a=]",
        r"\s(?:[-\u2013\u2014]|->|\u2192)\s",
        r"\s{0,3}(?=\$|\\[(\[])",
        r"(?P<heading>[ \t]{0,3}(?:[*_\#-]{1,4}\s{0,3})?\n)",
        r"(?<=[\uff1a:.=])",
    ]
    return re.compile(
        rf"""(?:s|S|\(s\))?[*_"'\u201d`]{{0,4}}
        (?: {" | ".join(ways)} )
        [*_]{{0,4}}\s{{0,3}}[:\uff1a]?[*_]{{0,4}}
        (?:\s{{0,3}}(?:therefore|thus|simply|just|exactly|approximately|equal\ to|indeed|clearly
          |definitely|actually|then|hence|about|still|now)\b,?)?
        \s{{0,3}}[*_]{{0,4}}""",
        re.VERBOSE | re.IGNORECASE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Noun:
    """One word for "answer" or "result", in one language."""

    word: str
    tail: str
    """The word without its first letter, which may be a capital."""
    language: Language
    states: re.Pattern[str]
    """What may stand between the noun and its value."""
    is_result: bool


def _nouns() -> Iterator[Noun]:
    for language in LANGUAGES:
        states = _pattern(language)
        for word in language.answer + language.result:
            english = "answer" in language.answer
            for spelling in (word, word.upper()) if english else (word,):
                yield Noun(
                    word=spelling,
                    tail=spelling[1:],
                    language=language,
                    states=states,
                    is_result=word in language.result,
                )


NOUNS = tuple(_nouns())
ASCII_NOUNS = tuple(noun for noun in NOUNS if noun.word.isascii())
"""Those that a text may have that is all ASCII."""


_OTHER_DIGIT = re.compile(r"(?![0-9])\d")
_ARABIC_SIGN = re.compile(r"(?<=\d)[\u066b\u066c](?=\d)")


def with_ascii_digits(text: str) -> str:
    """Return the text with the digits of every script as those of ASCII.

    >>> with_ascii_digits("\u0664\u0662"), with_ascii_digits("x\u00b2")
    ('42', 'x\u00b2')
    """
    if text.isascii() or not _OTHER_DIGIT.search(text):
        return text
    text = _ARABIC_SIGN.sub(lambda sign: "." if sign[0] == "\u066b" else ",", text)
    return _OTHER_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0])), text)
