"""Tests of extraction: which answer a response states, and that no response makes it slow."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.extraction import MAXIMUM_ANSWER_LENGTH, Extraction, extract

STATED = {
    "boxed": [
        (r"Adding up, \boxed{17}.", "17"),
        (r"First \boxed{3}. Wait, I misread it: \boxed{4}.", "4"),
        (r"so \boxed{\frac{\sqrt{3}}{2}} it is", r"\frac{\sqrt{3}}{2}"),
        (r"The answer is 5, that is \boxed{6}", "6"),
        (r"They are \boxed{3}, \boxed{5} and \boxed{7}.", "3, 5, 7"),
        (r"<answer>The answer is \(\boxed{70}\).</answer>", "70"),
        (r"<answer>5</answer> No, \boxed{6}", "6"),
        (r"It is \\boxed{\\frac{1}{2}}.\nDone", r"\frac{1}{2}"),
    ],
    "tag": [
        ("<answer>54</answer>", "54"),
        (r"\boxed{5}? No. <answer>6</answer>", "6"),
        ("<answer>5</answer> wait <answer>6</answer>", "6"),
        ("<answer>5</answer>, or <answer> </answer>", "5"),
        ("<answer>\n$x = 5$\n</answer>", "x = 5"),
        ("<answer>The answer is 5, of course.</answer>", "5"),
        ("<answer>3x + 2</answer>", "3x + 2"),
        ("<|begin_of_box|>A<|end_of_box|>", "A"),
    ],
    "hash": [
        ("4 * 3 = 12\n#### 12", "12"),
        ("#### 7\nno, once more\n#### 8", "8"),
        ("it makes\n#### $1,250", "$1,250"),
    ],
    "answer-is": [
        (r"I put it in \boxed{}. Hence the answer is 9.", "9"),
        ("#### 2. Add them up\nThe answer is 11.", "11"),
        ("The final answer is $\\frac{7}{3}$. I hope it is correct.", r"\frac{7}{3}"),
        ("The answer is 3. Hmm, no. The answer is 4.", "4"),
        ("The answer is 4. Let me double-check: 2+2=4, and 7.", "4"),
        ("**Answer:** 42", "42"),
        ("Final Answer: **42**", "42"),
        ("ANSWER = -3", "-3"),
        (r"The answer is: \(x^2+1\).", "x^2+1"),
        (r"Answer: \[ \sqrt{5} \]", r"\sqrt{5}"),
        ("Answer: $$12$$", "12"),
        ("The answers are $1$, $2$ and $3$.", "1, 2, 3"),
        ("answer is $x=5$ or $x=7$", "x=5, x=7"),
        ("The answer to the second question is therefore 3.5.", "3.5"),
        ("So the answer must be 7.", "7"),
        ("The answer is $18", "$18"),
        ("The answer is 9 and 10.", "9 and 10"),
        ("Final Answer: the largest such $n$ is 34.", "34"),
        ("The answer is $n$ = 34.", "34"),
        ("The answer is 12 apples, as she ate the others.", "12"),
        ("The answer is 28 percent", "28%"),
        ("The answer is (2, 5). I checked the answer twice.", "(2, 5)"),
        # an escaped dollar ends no formula
        (r"Answer $ 5 \$ = \frac{10}{2} $", r"5 \$ = \frac{10}{2}"),
        # the response states the sum, not a tuple
        ("The answer is (35 + 70 = 105).", "35 + 70 = 105"),
        # on the lines after a heading
        ("### Final Answer\n\n\\[ x = 5 \\]", "x = 5"),
        ("**Final Answer**\n42", "42"),
        ("Answer:\n\n$5$\n", "5"),
        ("### Answer\n\nThe probability is:\n\n\\[\n\\frac{1}{2}\n\\]", r"\frac{1}{2}"),
        # other languages
        ("\u7b54\u6848: C", "C"),
        ("\u7b54\u6848\u662f 5\u3002", "5"),
        ("\u7b54\u6848\uff1a\u6bcf\u4efd\u662f (\\frac{2}{5}) \u5428\u3002", r"\frac{2}{5}"),
        ("Antwort: 42", "42"),
        ("La r\u00e9ponse est 12.", "12"),
        ("Respuesta: $x^2$", "x^2"),
        # choices
        ('Answer: "C"', "C"),
        ("The answer is (B).", "B"),
        ("The answer is **A**.", "A"),
        ("The answer is for sure D, it can't be A or B", "D"),
        ("The answer is (A) acceptable as long as it helps.", "A"),
    ],
    "bare": [
        ("2x+3", "2x+3"),
        (r"-1013 \ln 2026", r"-1013 \ln 2026"),
        (r"$\sqrt{\sqrt{16}}$", r"\sqrt{\sqrt{16}}"),
        ("[$10^4$]", "10^4"),
        ("odd $n$", "odd $n$"),
        ("(7, 6)", "(7, 6)"),
        ("7,8", "7,8"),
        ("12:30", "12:30"),
        ("**B**", "B"),
        ("Evelyn", "Evelyn"),
        ("x = 3 and y = 4", "x = 3 and y = 4"),
        ("3x + 4y + 14=0", "3x + 4y + 14=0"),
        ("3ab", "3ab"),
        (r"$\frac{x}{n}$, where $n = 2$", r"$\frac{x}{n}$, where $n = 2$"),
        ("\\begin{pmatrix}1\\\\\n2\\end{pmatrix}", "\\begin{pmatrix}1\\\\\n2\\end{pmatrix}"),
    ],
    "choice": [
        ("It's not A because of that, therefore I think it's B", "B"),
        ("B\u3002\u4e0d\u662f A", "B"),
        ("B is correct. Or maybe C. Actually let's finalize B", "B"),
        ("Of the 4, I would go with option (C).", "C"),
        ("Of 4, A is not it, so C is correct.", "C"),
        ("We saw 3 reasons.\n\n**(D)**", "D"),
    ],
    "last-formula": [
        (r"Therefore $x \geq 5$ is the solution.", r"x \geq 5"),
        (r"So $m \in [\sqrt{2}, +\infty)$", r"m \in [\sqrt{2}, +\infty)"),
        ("The pair $(x, y)$ that solves it is $(7, 6)$.", "(7, 6)"),
        (r"It is $ \begin{pmatrix}1\\0\end{pmatrix} $.", r"\begin{pmatrix}1\\0\end{pmatrix}"),
        (r"Hence \[ S = 2 + 3 = 5. \]", "S = 2 + 3 = 5"),
        (r"Hence $$\int_0^1 x dx = \frac12.$$ Done.", r"\int_0^1 x dx = \frac12"),
        (r"so \begin{align*} x &= 1 + 2 \\ &= 3. \end{align*}", "3"),
        ("the ratio becomes $\\frac{3}{8}$", r"\frac{3}{8}"),
        (r"The roots are \(x=1\), \(x=2\), and \(x=3\).", "x=1, x=2, x=3"),
        ("so it has $x=1,$ $y=2$", "x=1, y=2"),
        ("This is $28$ percent", r"28\%"),
        # a name states no value, and a formula that only qualifies is not the answer
        ("So $x = 7$ is the largest such $n$.", "x = 7"),
        (r"Thus $f(x) = x^2$ for all $x > 0$.", "f(x) = x^2"),
        # an exponent of a unit is no number
        ("The area is $25$ cm^2.", "25"),
        # a formula in plain text, without formula signs
        ("It follows that\n\nd_n = -g(1)\n= -1013 ln 2026.\n\n\u25a1", "-1013 ln 2026"),
        ("This makes it: 2x + 3.", "2x + 3"),
        ("Thus the interval is [2, 5).", "[2, 5)"),
        ("So the values are 3, 5.", "3, 5"),
        ("So it becomes\n[ x^2 + 1 ]", "x^2 + 1"),
    ],
    "last-number": [
        ("#### Conclusion\nIt is 13", "13"),
        ("we get 3 + 4 = 7", "7"),
        ("A: 32", "32"),
        ("5 cm", "5"),
        ("3kg", "3"),
        ("2 km * 3 = 6 km", "6"),
        ("that leaves 1,234,567.5 of them", "1,234,567.5"),
        ("the temperature is -12 degrees", "-12"),
        ("it goes down by 5-3", "3"),
        ("a share of 3/4 remains", "3/4"),
        ("which is 35%.", "35%"),
        ("He pays $18.", "18"),
        ("it measures 25 cm^2", "25"),
        ("so 2^10 in total", "2^10"),
        (r"that makes 1.5 \times 10^3 of them", r"1.5 \times 10^3"),
        ("it costs 2,74 \u20ac", "2.74"),
        ("72 / 18 = <<72/18=4>>4", "4"),
        ("42 because geometry proves it", "42"),
        # the number follows the last formula
        ("Since $x = 3$, there are 12 of them.", "12"),
        # the last formula only qualifies the statement before it
        ("Therefore, there are 12 values such that $x < 5$.", "12"),
        ("There are 12 of them for every $n$.", "12"),
        # prices, not formulas
        ("it costs $5 and then $7", "7"),
        ("how many $? just about 1$", "1"),
        ("$3.00 - $1.00 = $2.00", "2.00"),
        # a number follows the choice
        ("Option B costs less, by 3 dollars.", "3"),
        ("Choose A number from 1 to 5", "5"),
        # a formula that breaks off
        (r"so it is 5. \[ -12x +", "-12"),
    ],
}
CASES = [(*case, rule) for rule, cases in STATED.items() for case in cases]


@pytest.mark.parametrize(("response", "answer", "rule"), CASES)
def test_the_last_stated_answer_is_found(response: str, answer: str, rule: str) -> None:
    assert extract(response) == Extraction(answer, rule)


@pytest.mark.parametrize(
    "response",
    [
        "",
        "   \n ",
        "I cannot solve this.",
        r"\boxed{}",
        r"<think>x</think> \boxed{A",
        "The answer is",
        "<answer> </answer>",
        "I don't know",
        "Draw triangle ABC.",
        "<think>it must be 5, so \\boxed{5}",
        "<think>5</think>",
        "<think>a</think> \\boxed{1} <think> but \\boxed{2}",
    ],
)
def test_no_answer_is_made_up(response: str) -> None:
    assert extract(response) is None


@pytest.mark.parametrize(
    "block",
    [
        "<think>%s</think>",
        "<thinking>%s</thinking>",
        "[THINK]%s[/THINK]",
        "<|begin_of_thought|>%s<|end_of_thought|>",
        "<|channel|>analysis<|message|>%s<|end|><|start|>assistant<|channel|>final<|message|>",
    ],
)
@pytest.mark.parametrize("thought", [r"\boxed{1}", "The answer is 1.", "<answer>1</answer>"])
def test_no_thinking_block_leaks(block: str, thought: str) -> None:
    assert extract(block % thought + "It is 2.") == Extraction("2", "last-number")
    assert extract(block % thought) is None
    assert extract(block.partition("%s")[0] + thought) is None


@pytest.mark.parametrize(
    "end",
    ["<|im_end|>\n", "<|im_start|>user", "<|endoftext|>", "<|eot_id|>", "</s>", "<end_of_turn>"],
)
@pytest.mark.parametrize("truncated", [False, True])
def test_what_follows_the_turn_is_not_the_response(end: str, truncated: bool) -> None:
    """The turn ended by itself, even if the token limit cut off what came after it."""
    response = "It is 5." + end + r"Question: 7? \boxed{8}"
    assert extract(response, truncated=truncated) == Extraction("5", "last-number")


@pytest.mark.parametrize("start", ["<|im_start|>assistant\n", "<s> ", "<|assistant|>"])
def test_a_response_may_begin_with_its_marker(start: str) -> None:
    assert extract(start + "It is 5.<|im_end|>") == Extraction("5", "last-number")


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        (r"So it is \\(\\frac{1}{2}\\).\nDone", r"\frac{1}{2}"),
        (r"So it is $\frac{1}{2} \\text{cm}$", r"\frac{1}{2} \\text{cm}"),
        (r"So $\begin{pmatrix}1\\\frac{1}{2}\end{pmatrix}$", None),
    ],
)
def test_only_text_that_was_escaped_twice_is_unescaped(response: str, answer: str | None) -> None:
    found = extract(response)
    assert found is not None
    assert found.answer == (answer or response.strip("So $"))


@pytest.mark.parametrize("opening", ["<think>", ""])
def test_only_what_follows_the_thinking_counts(opening: str) -> None:
    response = opening + r"perhaps \boxed{1}? </think> The answer is 2."
    assert extract(response) == Extraction("2", "answer-is")


@pytest.mark.parametrize(
    "response",
    [
        "so far 3 + 4 = 7",
        "The answer is 1",
        "Answer:\n\n12",
        "The answer is:\n\n\\[ x = 1",
        "#### 12",
        "The answer is $\\frac{1",
        "\\boxed{12",
        "so $x = 5$",
        "2x + 3",
        "I think it's B",
        "<answer>12",
    ],
)
def test_what_the_cut_runs_through_is_not_stated(response: str) -> None:
    assert extract(response, truncated=True) is None


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("The answer is 12. Let me check", "12"),
        ("#### 12\n\nQuestion", "12"),
        (r"\boxed{12}", "12"),
        ("The answer is $12$", "12"),
    ],
)
def test_a_truncated_response_may_have_answered_before_the_cut(response: str, answer: str) -> None:
    found = extract(response, truncated=True)
    assert found is not None
    assert found.answer == answer


def test_an_answer_longer_than_the_limit_is_none() -> None:
    assert extract(r"\boxed{%s}" % ("7" * (MAXIMUM_ANSWER_LENGTH + 1))) is None
    assert extract(r"\boxed{%s}" % ("7" * MAXIMUM_ANSWER_LENGTH)) is not None


HOSTILE = {
    "boxes": r"\boxed{",
    "closed boxes": r"\boxed{1}",
    "box without brace": r"\boxed ",
    "hashes": "#",
    "hash marks": "#### ",
    "hash lines": "####\n",
    "answers": "answer is ",
    "answers without value": "answer ",
    "answers and colons": "answer: answer: $",
    "final answers": "Final Answer: The final answer is $",
    "bold": "answer is **",
    "digits": "1",
    "thousands": "1,111,",
    "fractions": "1/1/",
    "minus signs": "- -",
    "digit and blanks": "1" + " " * 1000,
    "blanks": " ",
    "line breaks": "\n",
    "dollars": "$",
    "parentheses": r"\(",
    "thoughts": "<think>",
    "closed thoughts": "<think></think>",
    "braces": "{",
    "backslashes": "\\",
    "words": "a",
    "tags": "<answer>",
    "empty tags": "<answer></answer>",
    "turns": "<|im_start|>assistant ",
    "listed boxes": r"\boxed{1}, ",
    "counted boxes": r"\boxed{1} a and ",
    "escaped twice": r"\\frac",
    "formulas": "$1$, ",
    "names": "$a$ and ",
    "displays": r"\[",
    "closed displays": r"\]",
    "environments": r"\begin{align}",
    "exponents": "^1",
    "subscripts": "_{1}",
    "choices": "option B ",
    "letters": "B\n",
    "it is": "it's ",
    "headings": "Answer\n",
    "announcements": "answer is:\n",
    "named answers": "answer is $n$ is ",
    "chained names": "$x$ = ",
    "other answers": "\u7b54\u6848\u662f",
    "sentences": ". ",
    "commas": ", ",
    "nots": "not ",
    "denied numbers": "not 5 ",
    "clauses": "5, which ",
    "open clauses": "answer is 5 (see ",
    "conditions": "answer is 5 if ",
    "suppositions": "if the answer is ",
    "said before": "5 is the answer ",
    "fields of JSON": '"answer": "',
    "lists of JSON": '"answer": [1, ',
    "escapes of JSON": '"answer": "\\\\',
    "items": "answer:\n- ",
    "fences": "answer:\n```\n",
    "results": "result: ",
    "questions": "\nQuestion",
    "questions after a box": "\\boxed{1}\nQ ",
    "bare boxes": "boxed{1} ",
    "bare commands": "boxed ",
    "boxes in formulas": "$\\boxed{",
    "remarks": "\\boxed{1} (or ",
    "named boxes": "x=\\boxed{1}, ",
    "tags in capitals": "<ANSWER>",
    "closing tags": "</ANSWER>",
    "bracket tags": "[ANSWER][/ANSWER]",
    "half tags": "nswer>",
    "other digits": "\u0664",
    "signs between digits": "\u0664\u066c",
    "words of Korean": "\ub2f5\uc740 ",
    "words of Hindi": "\u0909\u0924\u094d\u0924\u0930 ",
    "smileys": " :)",
    "semicolons": "answer is 5; ",
    "stops": "answer is i.e. ",
    "final adjectives": "respuesta final ",
}


HOSTILE_WHOLE = {
    "nested boxes": r"\boxed{" * 140_000 + "1" + "}" * 140_000,
    "nested empty boxes": r"\boxed{" * 140_000 + "}" * 140_000,
    "braces that close first": "}" * 500_000 + "{" * 500_000,
    "tags that close first": "</answer>" * 55_000 + "<answer>" * 55_000,
    "a tag of answers": "<answer>" + "answer is " * 100_000 + "</answer>",
    "one word": "a" * 1_000_000 + " 5",
    "one display": r"\[" + r"x &= 1 \\ " * 90_000 + r"\]",
    "an odd run of backslashes": "\\" * 999_999 + "boxed{1}",
}


@pytest.mark.parametrize("response", HOSTILE_WHOLE.values(), ids=HOSTILE_WHOLE.keys())
def test_extraction_takes_linear_time_of_what_does_not_repeat(response: str) -> None:
    began = time.process_time()
    extract(response)
    extract(response, truncated=True)
    assert time.process_time() - began < 2


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_extraction_takes_linear_time(piece: str) -> None:
    response = piece * (1_000_000 // len(piece))
    began = time.process_time()
    extract(response)
    extract("The answer is " + response)
    extract(response, truncated=True)
    extract(response + " for every $n$ 5")
    # About 3 s at worst, and twice that where others take the processor's caches; anything
    # quadratic takes hours.
    assert time.process_time() - began < 20


_PIECES = st.sampled_from(
    [
        *(
            "answer",
            " is ",
            "####",
            "$",
            "\\boxed{",
            "{",
            "}",
            "\\(",
            "\\)",
            "\\[",
            "\\]",
            "(",
            ")",
            "[",
            "]",
        ),
        *(
            "*",
            ".",
            ", ",
            ":",
            "/",
            "-",
            "%",
            "^",
            "_",
            "=",
            "1",
            "27",
            "x",
            "B",
            " and ",
            "where",
            "it's ",
            "\n",
        ),
        *(
            "<think>",
            "</think>",
            "<answer>",
            "</answer>",
            "<|im_end|>",
            "\\\\",
            "\\frac",
            "\\text{",
            "option ",
        ),
    ]
)
_RESPONSES = st.lists(_PIECES, max_size=60).map("".join)


@given(_RESPONSES)
def test_every_text_is_read_without_an_error_and_the_answer_is_bounded(response: str) -> None:
    for truncated in (False, True):
        found = extract(response, truncated=truncated)
        assert found is None or 0 < len(found.answer) <= MAXIMUM_ANSWER_LENGTH


@given(st.integers(), st.sampled_from(["\\boxed{%d}", "\n#### %d\n", "The answer is %d.", "= %d"]))
def test_an_integer_is_read_back(value: int, form: str) -> None:
    found = extract("Let us see. " + form % value)
    assert found is not None
    assert found.answer == str(value)


@given(_RESPONSES, st.integers())
def test_a_box_at_the_end_wins_over_everything_before(before: str, value: int) -> None:
    response = before.replace("<think>", "").replace("<|im_end|>", "")
    assert extract(f"{response}\nSo \\boxed{{{value}}}") == Extraction(str(value), "boxed")


@given(_RESPONSES, st.integers())
def test_nothing_of_a_thinking_block_is_extracted(thought: str, value: int) -> None:
    thought = thought.replace("<|im_end|>", "")
    found = extract(f"<think>{thought}</think>It makes {value}.")
    assert found == Extraction(str(value), "last-number")


@given(_RESPONSES)
def test_a_truncated_response_states_nothing_that_it_would_not_state_whole(response: str) -> None:
    cut = extract(response, truncated=True)
    if cut is not None:
        assert cut.rule not in {"bare", "choice", "last-formula", "last-number"} or "<|" in response
