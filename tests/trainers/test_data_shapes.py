"""The shapes in which training data are published. Every row here is made by hand."""

from __future__ import annotations

import json

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import UserError
from trainers.data import AskedColumns, build
from trainers.data.answers import END_MARKS, without_end_marks
from trainers.data.columns import choose, flat_names
from trainers.data.reading import SourceRow
from trainers.data.rows import checked
from trainers.data.sources import open_source

Q = "Ada has 3 pears and buys 4. How many?"
S = "She has 3 + 4 = 7 pears."
BOXED = S + " The answer is $\\boxed{7}$."
DAPO = (
    "Solve the following math problem step by step. The last line of your response should be of "
    "the form Answer: $Answer (without quotes) where $Answer is the answer to the problem.\n\n"
    f'{Q}\n\nRemember to put your answer on its own line after "Answer:".'
)
VERL = f'{Q} Let\'s think step by step and output the final answer after "####".'


def turn(role, text):
    return {"role": role, "content": text}


def said(who, text):
    return {"from": who, "value": text}


def verl(content, gold, **extra):
    return {
        "data_source": "made",
        "prompt": [turn("user", content)],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": gold},
        "extra_info": {"index": 0, **extra},
    }


# For each shape: a row, the solution that is read, and where the answer is found.
SHAPES = {
    "this project's own": ({"prompt": Q, "reasoning": S, "answer": "7"}, S, "answer"),
    "OpenAI messages": (
        {"messages": [turn("system", "Be brief."), turn("user", Q), turn("assistant", BOXED)]},
        BOXED,
        "the last turn of messages, in a box",
    ),
    "OpenAI content parts": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": Q}]},
                turn("assistant", BOXED),
            ]
        },
        BOXED,
        "the last turn of messages, in a box",
    ),
    "ShareGPT": (
        {"conversations": [said("human", Q), said("gpt", BOXED)], "system": "Think."},
        BOXED,
        "the last turn of conversations, in a box",
    ),
    "Big-Math": (
        {"problem": Q, "answer": "7", "source": "x", "domain": ["a"], "llama8b_solve_rate": 0.5},
        "",
        "answer",
    ),
    "DAPO-Math-17k": (verl(DAPO, "7"), "", "reward_model.ground_truth"),
    "DAPO-Math-17k-Processed": (
        {"prompt": Q, "solution": "7", **verl(DAPO, "7")} | {"prompt": Q},
        "",
        "reward_model.ground_truth",
    ),
    "Big-Math-RL-Verified-Processed": ({"prompt": Q, "solution": "7"}, "", "solution"),
    "NuminaMath-CoT": (
        {
            "source": "x",
            "problem": Q,
            "solution": BOXED,
            "messages": [turn("user", Q), turn("assistant", BOXED)],
        },
        BOXED,
        "solution, in a box",
    ),
    "NuminaMath-1.5": (
        {"problem": Q, "solution": S, "answer": "7", "problem_type": "x", "synthetic": False},
        S,
        "answer",
    ),
    "DeepScaleR": ({"problem": Q, "answer": "7", "solution": ""}, "", "answer"),
    "OpenR1-Math-220k": (
        {
            "problem": Q,
            "solution": S,
            "answer": "7",
            "generations": ["It is 8.", BOXED],
            "correctness_math_verify": [False, True],
            "messages": [turn("user", Q), turn("assistant", "It is 8.")],
        },
        S,
        "answer",
    ),
    "Open-Reasoner-Zero": (
        [said("human", Q), {"from": "assistant", "ground_truth": {"value": "7"}}],
        "",
        "the answer beside the last turn of conversations",
    ),
    "Open-Reasoner-Zero by datasets": (
        {"0": said("human", Q), "1": {"from": "assistant", "ground_truth": {"value": "7"}}},
        "",
        "the answer beside the last turn of conversations",
    ),
    "Skywork-OR1": (verl(Q, '["7"]'), "", "reward_model.ground_truth"),
    "Polaris": ({"problem": Q, "answer": "7", "difficulty": "3/8"}, "", "answer"),
    "s1K": (
        {
            "solution": "7",
            "question": Q,
            "cot_type": "math",
            "cot": None,
            "thinking_trajectories": ["Hm."],
            "attempt": "It is 8.",
        },
        "",
        "solution",
    ),
    "s1K-1.1": (
        {"solution": BOXED, "question": Q, "deepseek_attempt": "It is 8.", "cot_type": "math"},
        BOXED,
        "solution, in a box",
    ),
    "MetaMathQA": (
        {
            "type": "x",
            "query": Q,
            "original_question": "Another?",
            "response": f"{S}\n#### 7\nThe answer is: 7",
        },
        S,
        "response, after 'The answer is:'",
    ),
    "raw GSM8K": (
        {"question": Q, "answer": "She has 3 + 4 = <<3+4=7>>7 pears.\n#### 7"},
        S,
        "answer, after ####",
    ),
    "raw MATH": (
        {"problem": Q, "level": "Level 1", "type": "Algebra", "solution": BOXED},
        BOXED,
        "solution, in a box",
    ),
    "LIMO": ({"question": Q, "solution": BOXED, "answer": "7"}, BOXED, "answer"),
    "OpenMathInstruct-2": (
        {"problem": Q, "generated_solution": S, "expected_answer": "7", "problem_source": "x"},
        S,
        "expected_answer",
    ),
    "verl's GSM8K": (
        verl(VERL, "7", question=Q, answer=f"{S}\n#### 7"),
        S,
        "reward_model.ground_truth",
    ),
    "TRL": ({"prompt": [turn("user", Q)], "solution": "$7$"}, "", "solution"),
    "TRL with a completion": (
        {"prompt": [turn("user", Q)], "completion": [turn("assistant", BOXED)]},
        BOXED,
        "completion, in a box",
    ),
    "OpenThoughts, metadata": (
        {
            "problem": Q,
            "deepseek_reasoning": "Hm.",
            "deepseek_solution": "It is 8.",
            "ground_truth_solution": BOXED,
        },
        BOXED,
        "ground_truth_solution, in a box",
    ),
    "a model's solution alone": (
        {"problem": Q, "deepseek_reasoning": "Hm.", "deepseek_solution": BOXED},
        BOXED,
        "deepseek_solution, in a box",
    ),
    "AM-DeepSeek-R1-Distilled": (
        {
            "messages": [
                {**turn("user", Q), "info": {"source": "x", "reference_answer": None}},
                {**turn("assistant", S), "info": {"reference_answer": "7"}},
            ]
        },
        S,
        "the answer beside the last turn of messages",
    ),
    "an integer": ({"question": Q, "answer": 7}, "", "answer"),
    "a float": ({"question": Q, "answer": 7.0}, "", "answer"),
    "a list": ({"question": Q, "answer": ["7"]}, "", "answer"),
    "a box": ({"question": Q, "answer": "$\\boxed{7}$"}, "", "answer, in a box"),
    "capitals": ({"Question": Q, "Answer": "7"}, "", "Answer"),
    "both answer and final_answer": (
        {"question": Q, "answer": S, "final_answer": "7"},
        S,
        "final_answer",
    ),
}


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_read(name, suffix, tmp_path):
    row, solution, place = SHAPES[name]
    path = tmp_path / f"rows{suffix}"
    if suffix == ".json":
        path.write_text(json.dumps([row, row], indent=1))
    else:
        write(path, [row, row])
    source = open_source(str(path))
    for found in source.rows():
        read = checked(found, source.columns)
        assert not isinstance(read, str), read
        assert (read.prompt, read.reasoning, read.answer.strip("$")) == (Q, solution, "7")
        assert read.answer_from == place


# Arrow has no rows that are lists, and no column of both text and parts.
@pytest.mark.parametrize("name", sorted({*SHAPES} - {"Open-Reasoner-Zero", "OpenAI content parts"}))
def test_a_shape_is_read_from_parquet_with_its_columns_alone(name, tmp_path):
    row, solution, _ = SHAPES[name]
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row, row]), path)
    source = open_source(str(path))
    for found in source.rows():
        read = checked(found, source.columns)
        assert not isinstance(read, str), read
        assert (read.prompt, read.reasoning, read.answer.strip("$")) == (Q, solution, "7")
    assert "generations" not in found.values


@pytest.mark.parametrize(("suffix", "mark"), [(".csv", ","), (".tsv", "\t")])
def test_a_table_is_read(suffix, mark, tmp_path):
    path = tmp_path / f"rows{suffix}"
    cells = [["question", "answer"], [f'"{Q}\nSay ""it""."', '"1,200"'], ["x", "5"]]
    text = "\r\n".join(mark.join(row) for row in cells) + "\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    source = open_source(str(path))
    rows = [checked(found, source.columns) for found in source.rows()]
    assert [(row.prompt, row.answer) for row in rows] == [(f'{Q}\nSay "it".', "1,200"), ("x", "5")]


# --- the card -------------------------------------------------------------------------------


@pytest.fixture
def nothing_to_compare_with(monkeypatch):
    monkeypatch.setattr("trainers.data.contamination.BENCHMARKS", {})


@pytest.mark.slow
def test_the_card_says_what_was_taken_for_what(tmp_path, nothing_to_compare_with):
    rows = [
        verl(DAPO.replace("3", str(n)), gold, question=Q, answer=f"{S}<|im_end|>\n<|endoftext|>")
        for n, gold in enumerate(["1", "2", '["3"]', "\\boxed{4}", "5</s>", None, ["1", "2"]])
    ]
    rows[0]["prompt"].insert(0, turn("system", "Be brief."))
    data = build(write(tmp_path / "rows.jsonl", rows), "boxed", tmp_path / "out")
    card = data.card
    assert card.asked.columns.model_dump() == {
        "question": "prompt",
        "answer": "reward_model.ground_truth",
        "solution": "extra_info.answer",
        "stated": False,
        "passed_over": (),
    }
    assert card.rows.answers_from == {
        "reward_model.ground_truth": 4,
        "reward_model.ground_truth, in a box": 1,
    }
    assert card.rows.bad == {
        "reward_model.ground_truth is missing or empty": 1,
        "reward_model.ground_truth is a list of several values": 1,
    }
    assert (card.rows.read, card.rows.kept) == (7, 5)
    assert card.rows.instructions_removed == card.rows.end_marks_removed == 5
    assert card.rows.system_prompts_left_out == 1
    page = (data.folder / "CARD.md").read_text(encoding="utf-8")
    for told in (
        "- question: `prompt`\n- solution: `extra_info.answer`\n"
        "- answer: `reward_model.ground_truth`\n",
        "| reward_model.ground_truth, in a box | 1 |",
        "| whose answer or solution lost an end mark | 5 |",
        "| whose question lost the source's own instruction | 5 |",
        "| whose system prompt was left out | 1 |",
        "| bad: reward_model.ground_truth is missing or empty | 1 |",
    ):
        assert told in page
    kept = [*lines(data.folder / "train.jsonl"), *lines(data.folder / "test.jsonl")]
    assert not any("Remember to put" in row["prompt"][0]["content"] for row in kept)
    assert {row["reward_model"]["ground_truth"] for row in kept} == set("12345")
    assert {row["reasoning"] for row in kept} == {S}


@pytest.mark.slow
def test_names_that_compete_are_told(tmp_path, nothing_to_compare_with):
    rows = [{"question": Q, "prompt": VERL, "answer": S, "final_answer": n} for n in range(4)]
    data = build(write(tmp_path / "rows.jsonl", rows), "boxed", tmp_path / "out")
    columns = data.card.asked.columns
    assert (columns.question, columns.answer, columns.solution) == (
        "question", "final_answer", "answer",
    )  # fmt: skip
    assert columns.passed_over == ("prompt",)
    page = (data.folder / "CARD.md").read_text(encoding="utf-8")
    assert "- not taken, though their names fit, since others come first: `prompt`" in page


@pytest.mark.slow
def test_columns_that_are_named_decide_and_make_another_build(tmp_path, nothing_to_compare_with):
    rows = [{"a": f"{n}?", "b": f"It is \\boxed{{{n}}}.", "c": "So."} for n in range(5)]
    path = write(tmp_path / "rows.jsonl", rows)
    with pytest.raises(UserError, match=r"no column is known to hold the question .*are a, b, c;"):
        build(path, "boxed", tmp_path / "out")
    asked = AskedColumns(question="a", answer="b", solution="c")
    data = build(path, "boxed", tmp_path / "out", columns=asked)
    assert data.card.rows.answers_from == {"b, in a box": 5}
    other = AskedColumns(question="a", answer="b")
    with pytest.raises(UserError, match=r"holds another build \(columns.solution: c -> \(none\)"):
        build(path, "boxed", tmp_path / "out", columns=other)


def test_what_is_not_understood_is_named_with_what_there_is():
    with pytest.raises(UserError) as told:
        choose(["text", "meta"], AskedColumns(), "rows.jsonl")
    message = str(told.value)
    assert "\n" not in message
    assert "rows.jsonl: no column is known to hold the question (known names: problem," in message
    assert "its columns are text, meta; name it with --question-column" in message
    with pytest.raises(UserError, match=r"no column is known to hold the answer .*problem, level;"):
        choose(["problem", "level"], AskedColumns(), "x")
    with pytest.raises(UserError, match=r"x has no column q, which --question-column names; its"):
        choose(["problem", "answer"], AskedColumns(question="q"), "x")
    many = [f"column_{n}" for n in range(1000)]
    with pytest.raises(UserError, match=r"column_39 and 960 more;") as told:
        choose(many, AskedColumns(), "x")
    assert len(str(told.value)) < 2000


def test_a_benchmark_has_no_columns_to_name():
    with pytest.raises(UserError, match="a benchmark's columns are known"):
        open_source("demo", asked=AskedColumns(question="q"))


def test_a_named_solution_leaves_the_answer_where_it_is():
    columns = choose(flat_names(SHAPES["s1K"][0]), AskedColumns(solution="attempt"), "x")
    assert (columns.answer, columns.stated, columns.solution) == ("solution", True, "attempt")


# --- rules for a row ------------------------------------------------------------------------


def row(**values):
    return checked(SourceRow(row=1, values=values), choose(values, AskedColumns(), "x"))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"solution": "It follows that it is so."}, "solution states no answer in a box or on a "
         "last line"),
        ({"solution": None}, "solution is missing or empty"),
        ({"answer": "proof"}, "answer stands for an answer and is none ('proof', 'notfound', "
         "'nan')"),
        ({"answer": []}, "answer is missing or empty"),
        ({"answer": {"value": 3}}, "answer is not text"),
        ({"answer": b"7"}, "answer is not text"),
        ({"answer": float("inf")}, "answer is not a finite number"),
        ({"answer": '["1", "2"]'}, "answer is a list of several values"),
        ({"answer": "7", "solution": 3}, "solution is not text"),
    ],
)  # fmt: skip
def test_a_row_without_an_answer_says_why(values, reason):
    assert row(problem=Q, **values) == reason


@pytest.mark.parametrize(
    ("turns", "reason"),
    [
        ([turn("assistant", S)], "has no question of a user"),
        ([turn("user", Q), turn("user", Q), turn("assistant", S)], "has several questions"),
        ([turn("tool", Q)], "has a turn without a known role (user, assistant or system)"),
        ([turn("user", 3)], "has a turn that is not text"),
        ([turn("user", [{"image": 1}])], "has a part that is not text"),
        ([turn("user", Q), *[turn("system", "")] * 1000], "has more than 1,000 turns"),
        ([turn("user", "")], "is missing or empty"),
    ],
)
def test_a_conversation_that_is_no_question_and_answer_says_why(turns, reason):
    assert row(messages=turns) == f"messages {reason}"


def test_a_conversation_without_a_reply_has_no_answer():
    assert row(messages=[turn("user", Q)]) == "the last turn of messages is missing or empty"


def test_an_interval_is_no_list_and_a_comma_is_no_mark():
    for answer in ("[3, 4]", "[7]", "(1, 2)", "1,200", "x^2 + 1", "$\\text{Monday}$"):
        assert row(problem=Q, answer=answer).answer == answer


def test_several_boxes_of_an_answer_are_a_list_and_of_a_solution_the_last_one():
    boxes = "$\\boxed{1}$ and $\\boxed{2}$"
    assert row(problem=Q, answer=boxes).answer == "1, 2"
    assert row(problem=Q, solution=f"The roots are {boxes}.").answer == "2"


@given(st.text(alphabet="ab \n<", max_size=20), st.lists(st.sampled_from(END_MARKS), max_size=5))
def test_every_end_mark_goes_and_nothing_else(text, marks):
    text = text.rstrip()
    assert without_end_marks(text + "".join(marks)) == text
    assert without_end_marks(text + " \n".join(["", *marks])).rstrip() == text


def test_end_marks_take_linear_time():
    assert without_end_marks("x" + "</s> \n" * 300_000) == "x"
