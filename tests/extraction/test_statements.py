"""What a response announces: which statement counts, and where its value ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction import Extraction, extract
from harness.extraction.golds import gold_in
from harness.extraction.languages import LANGUAGES, with_ascii_digits

BOX = r"That makes \boxed{24}. "


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("Wait, one case is missing. The final answer is 25.", "25"),
        ("Wait: the answer should be $25$.", "25"),
        ("Hence the answer is $24 + 1 = 25$.", "24 + 1 = 25"),
        ("\n\n**Answer: D**", "D"),
        ("\n\n### Final Answer\n\n25", "25"),
        ("\n\nFinal answer: 25 square feet", "25 square feet"),
        ("Thus 25 is the final answer.", "25"),
        ("The answer is 25, since one was missing.", "25"),
        ("La respuesta es 25.", "25"),
        ('```json\n{"answer": 25, "sure": true}\n```', "25"),
    ],
)
def test_a_later_statement_of_a_value_replaces_a_box(after: str, expected: str) -> None:
    assert extract(BOX + after) == Extraction(expected, "answer-is")
    assert extract("<answer>24</answer> " + after) == Extraction(expected, "answer-is")


def test_a_later_mark_replaces_a_box() -> None:
    assert extract(BOX + "\n#### 25") == Extraction("25", "hash")
    assert extract(BOX + "<answer>25</answer>") == Extraction("25", "tag")
    assert extract("#### 24\nThe answer is 25.") == Extraction("25", "answer-is")
    assert extract("The answer is 24.\n#### 25") == Extraction("25", "hash")


@pytest.mark.parametrize(
    "after",
    [
        "The answer is in the form a/b.",
        "So the answer is correct.",
        "The answer is the box above.",
        "The answer is not 25.",
        "The answer cannot be 25.",
        "If the answer is 25, the sum is odd.",
        "One checks whether the answer is 25.",
        "A common wrong answer is 25.",
        "The answer is 4 times the first.",
        "The answer is a multiple of 8.",
        "The answer is less than 30.",
        "The answer to part (a) is 4.",
        "The answer would be 25 with the empty set.",
        "The answer is approximately 24.3.",
        "As a decimal the answer is 24.3.",
        "The result is 7.",
        "\n\n#### Step 2",
        "\n\n#### 3 more checks",
        "\n\nQuestion: How many are left?\nAnswer: 4",
        "To verify the answer:\n\n1. Add 3 to 5.",
    ],
)
def test_what_only_speaks_about_the_answer_replaces_no_box(after: str) -> None:
    assert extract(BOX + after) == Extraction("24", "boxed")


@pytest.mark.parametrize(
    "clause",
    [
        " because 5 + 7 = 12.",
        ", since 5 + 7 = 12.",
        ", obtained from 5 and 7.",
        ", which is the largest of 3.",
        ", not 24.",
        " and not 24.",
        " (not 24).",
        " (see step 3).",
        " (\u2248 22.01)",
        ", or about 22.01.",
        ", i.e. two more than 20.",
        " - this took 3 steps.",
        " \u2014 after 3 steps.",
        " \u2013 5 more than before.",
        ", as required in step 3.",
        ", a number with 2 digits.",
        "; this took 3 steps.",
        " out of 30",
        " :)",
        " if n > 0, which holds.",
    ],
)
@pytest.mark.parametrize("start", ["The answer is ", "Answer: ", "So the final answer is **"])
def test_a_clause_about_the_value_is_no_part_of_it(start: str, clause: str) -> None:
    assert extract(start + "22" + clause) == Extraction("22", "answer-is")


@pytest.mark.parametrize(
    "value",
    [
        "2 if n is even, and 3 otherwise",
        "2 if n is even and 3 if n is odd",
        "3, 5, and 7",
        "12 (base 8)",
        "5, or 6 with zero",
        "x^2 for x > 0",
        "2(x+1)",
        "5 - x",
        "2; 3",
        "Paris, France",
        "(3, 5)",
    ],
)
def test_what_changes_the_value_stays(value: str) -> None:
    assert extract(f"The answer is {value}.") == Extraction(value, "answer-is")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is not 41 but 42.", "42"),
        ("The answer is yes, since 7 is odd.", "yes"),
        ("The answer is B because 3 is odd.", "B"),
        ("The correct option is (C) because the sum is 12.", "C"),
        ("Ans: 42\nCheck with n=3", "42"),
        ("So, final result: 42. It took 3 lemmas.", "42"),
        ("The result is 42; it took 3 lemmas.", "42"),
        ("<ANSWER>42</ANSWER> (3 steps)", "42"),
        ("[ANSWER]42[/ANSWER] (3 steps)", "42"),
        ('{"answer": 0.5, "confidence": 0.9}', "0.5"),
        ('{"n": 3, "final_answer": "x = 5", "m": 4}', "x = 5"),
        ("{'answer': [1, 2], 'n': 3}", "[1, 2]"),
        ('{"answer": "\\\\frac{1}{2}", "n": 3}', r"\frac{1}{2}"),
        ("Answer:\n- 42\n\nIt took 3 steps.", "42"),
        ("Answer:\n```\n42\n```\nIt took 3 steps.", "42"),
        ("The answer is \u00ab42\u00bb.", "42"),
        ("The answer is ``42''.", "42"),
        (r"\boxed{\text{Answer: C}}", "C"),
        (r"\boxed{\text{The answer is } 5}", "5"),
    ],
)
def test_the_value_is_found_in_its_form(response: str, answer: str) -> None:
    found = extract(response)
    assert found is not None
    assert found.answer == answer


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is not 159.", None),
        ("It is 160, not 159.", "160"),
        ("We had 5 + 3 = 8, and it can't be 9.", "8"),
        ("The result is 5.\nSo 12 are left.", "12"),
        ("If the answer is 25, it is odd. So it makes 24", "24"),
    ],
)
def test_what_is_denied_or_supposed_is_not_stated(response: str, answer: str | None) -> None:
    found = extract(response)
    assert (found.answer if found else None) == answer


@pytest.mark.parametrize(
    "statement",
    [
        "Die Antwort ist {}, in 3 Schritten.",
        "Das Ergebnis ist {}; es waren 3 Schritte.",
        "La r\u00e9ponse est {} (3 \u00e9tapes).",
        "Respuesta final: {} (3 pasos)",
        "La risposta \u00e8 {} (3 passi).",
        "A resposta \u00e9 {} (3 passos).",
        "\u041e\u0442\u0432\u0435\u0442: {} (\u0437\u0430 3 \u0448\u0430\u0433\u0430)",
        "Відповідь: {} (3 кроки)",
        "Απάντηση: {} (3 βήματα)",
        "\u7b54\u6848\u662f {}\uff0c\u5171 3 \u6b65\u3002",
        "\u7b54\u6848\u5e94\u8be5\u662f{}\u3002\u51713\u6b65",
        "\u7b54\u3048\u306f{}\u3067\u3059\u3002 3",
        "\uc815\ub2f5\uc740 {}\uc785\ub2c8\ub2e4 (3\ub2e8\uacc4).",
        "\u0627\u0644\u062c\u0648\u0627\u0628 \u0647\u0648 {} (3 \u062e\u0637\u0648\u0627\u062a)",
        "अंतिम उत्तर: {}। 3 चरण",
        "\u0909\u0924\u094d\u0924\u0930 {} \u0939\u0948 (3 \u091a\u0930\u0923)",
        "\u0c38\u0c2e\u0c3e\u0c27\u0c3e\u0c28\u0c02 {} (3 \u0c26\u0c36\u0c32\u0c41)",
        "คำตอบคือ {} (3 ขั้นตอน)",
        "\u0110\u00e1p \u00e1n l\u00e0 {} (3 b\u01b0\u1edbc).",
        "Odpowied\u017a: {} (3 kroki)",
        "Cevap: {} (3 ad\u0131m)",
        "Jawabannya adalah {} (3 langkah).",
        "Het antwoord is {} (3 stappen).",
        "Svaret \u00e4r {} (3 steg).",
    ],
)
def test_an_answer_is_announced_in_many_languages(statement: str) -> None:
    assert extract(statement.format(42)) == Extraction("42", "answer-is")


def test_a_language_is_known_by_its_own_words() -> None:
    # "on" and "er" are verbs of other languages, and a longer word may end like "answer".
    assert extract("The answer depends on 5 things. It is 7") == Extraction("7", "last-number")
    longer = "\u0441\u043e\u043e\u0442\u0432\u0435\u0442\u0441\u0442\u0432\u0435\u043d\u043d\u043e"
    assert extract(f"{longer} 5 \u0438 7") == Extraction("7", "last-number")
    words = [word for language in LANGUAGES for word in language.answer]
    assert all(word == word.lower() for word in words)


def test_a_decimal_comma_is_one_where_the_language_has_it() -> None:
    assert extract("La respuesta es 3,14") == Extraction("3{,}14", "answer-is")
    assert extract("La respuesta es 1,234") == Extraction("1,234", "answer-is")
    assert extract("The answer is 3,14") == Extraction("3,14", "answer-is")


def test_digits_of_other_scripts_are_read() -> None:
    assert extract("\\boxed{\u0661\u066c\u0662\u0663\u0664}") == Extraction("1,234", "boxed")
    assert extract("So it is \uff14\uff12.") == Extraction("42", "last-number")
    assert with_ascii_digits("x\u00b2 + \u0663\u066b\u0665") == "x\u00b2 + 3.5"


def test_the_gold_may_be_the_whole_of_gsm8ks_answer() -> None:
    assert gold_in("2 * 6 = <<2*6=12>>12 left.\n#### 12") == "12"
    assert gold_in("#### 1,200") == "1,200"
    assert gold_in("12 ####") == "12 ####"
    assert gold_in("12") == "12"


@pytest.mark.parametrize(
    "response",
    [BOX + "The answer is 25", BOX + "\n#### 25", BOX + "<answer>25", BOX + "Answer: $25"],
)
def test_a_statement_that_the_limit_cuts_in_two_replaces_nothing(response: str) -> None:
    assert extract(response, truncated=True) == Extraction("24", "boxed")


_BEFORE = st.lists(
    st.sampled_from(
        [
            "\\boxed{7}",
            "<answer>8</answer>",
            "\n#### 9\n",
            "answer is 3. ",
            "so ",
            "$x$ ",
            "{",
            "if ",
        ]
    )
).map("".join)


@given(_BEFORE, st.integers(min_value=10))
def test_a_statement_at_the_end_wins_over_everything_before(before: str, value: int) -> None:
    assert extract(f"{before}\nThe final answer is {value}.") == Extraction(str(value), "answer-is")
    assert extract(f"{before}\n#### {value}") == Extraction(str(value), "hash")
