"""Files of training data that are torn, huge, deep, or in another encoding."""

from __future__ import annotations

import json
import tracemalloc

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import UserError
from trainers.data import reading
from trainers.data.json_array import array_values
from trainers.data.rows import checked
from trainers.data.sources import open_source

ROW = {"question": "Invented?", "answer": "7"}
LINE = (json.dumps(ROW) + "\n").encode()


def faults(path):
    source = open_source(str(path))
    read = ((found.row, checked(found, source.columns)) for found in source.rows())
    return [(row, found) for row, found in read if isinstance(found, str)]


def refusal(path):
    with pytest.raises(UserError) as told:
        faults(path)
    message = str(told.value)
    assert "\n" not in message
    assert str(path) in message
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"question": "\xff", "answer": "7"}', "not UTF-8"),
        (LINE.decode().encode("utf-16"), "not UTF-8"),
        (b'{"question": "torn', "incomplete or not JSON"),
        (b'{"question": ' + b"[" * 101 + b"]" * 101 + b"}", "incomplete or not JSON"),
        (b'{"question": "Invented?", "answer": NaN}', "answer is not a finite number"),
        (b'{"question": "Invented?", "answer": -Infinity}', "answer is not a finite number"),
        (b'{"question": "Invented?", "answer": 1e999}', "answer is not a finite number"),
        (b'{"question": "Invented?", "answer": ' + b"9" * 5000 + b"}", "incomplete or not JSON"),
        (b'{"question": "Invented?", "answer": {"a": {"b": 7}}}', "answer is not text"),
        (b'{"question": ["Invented?"], "answer": "7"}', "question is not text"),
        (b'{"question": "\\ud800", "answer": "7"}', "question has half a surrogate pair, which is "
         "not text"),
        (b'{"question": "Invented?", "answer": "\\ud800"}', "answer has half a surrogate pair, "
         "which is not text"),
    ],
)  # fmt: skip
def test_a_bad_line_costs_itself_and_says_why(line, fault, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(LINE + line + b"\n" + LINE)
    found = faults(path)
    assert (2, fault) in found
    assert {row for row, _ in found} <= {2, 3}  # UTF-16 has a line break of its own


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv"])
def test_a_row_that_is_too_long_is_not_read(suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "LONGEST_LINE", 1 << 20)
    long = json.dumps({"question": "x" * (5 << 20), "answer": "7"}).encode()
    path = tmp_path / f"rows{suffix}"
    if suffix == ".jsonl":
        path.write_bytes(LINE + long + b"\n" + LINE)
        assert faults(path) == [(2, "longer than 1 MiB")]
    elif suffix == ".json":
        path.write_bytes(b"[" + LINE + b"," + long + b"]")
        said = refusal(path)
        assert "a row is not JSON, or is longer than 1 MiB (after row 1)" in said
    else:
        path.write_bytes(b"question,answer\nInvented?,7\n" + b"x" * (5 << 20) + b",7\n")
        assert refusal(path) == " cannot be read (after row 1): line 3 is longer than 1 MiB"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'question,answer\n"Invented?,7\n', " cannot be read: unexpected end of data"),
        (b'question,answer\na,7\n"b"c,7\n', " cannot be read (after row 1): ',' expected after "
         "'\"'"),
        (b"question,answer,answer\na,7,8\n", " cannot be read: two columns have the same name (of "
         "question, answer, answer)"),
        ("question,answer\na,7\n".encode("utf-16"), " cannot be read: line 1 has a zero byte, so "
         "this is no table in UTF-8"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_says_where(content, said, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert refusal(path) == said


def test_a_bad_row_of_a_table_costs_itself(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"question,answer\na,7\nb\nc,7,8\nd\xe9,7\n\ne,\nf,nan\ng,7\n")
    assert faults(path) == [
        (2, "has 1 cells where the first line names 2 columns"),
        (3, "has 3 cells where the first line names 2 columns"),
        (4, "question is not UTF-8"),
        (6, "answer is missing or empty"),
        (7, "answer stands for an answer and is none ('proof', 'notfound', 'nan')"),
    ]


def test_parquet_with_other_types_says_which_column(tmp_path):
    path = tmp_path / "rows.parquet"
    table = pyarrow.table(
        {
            "question": ["a", "b", None],
            "answer": [7.0, float("nan"), 8.0],
            "reward_model": [{"deep": {"deeper": [{"x": 1}]}}] * 3,
        }
    )
    pyarrow.parquet.write_table(table, path)
    assert faults(path) == [
        (2, "answer is not a finite number"),
        (3, "question is missing or empty"),
    ]
    pyarrow.parquet.write_table(pyarrow.table({"question": [b"a"], "answer": ["7"]}), path)
    assert faults(path) == [(1, "question is not text")]
    path.write_bytes(path.read_bytes()[:100])
    assert " cannot be read: " in refusal(path)


# --- arrays ---------------------------------------------------------------------------------

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=10,
)


@given(st.lists(values, max_size=5), st.sampled_from([None, 0, 2]), st.integers(1, 40))
def test_an_array_is_read_as_python_reads_it(tmp_path_factory, rows, indent, chunk):
    path = tmp_path_factory.mktemp("array") / "rows.json"
    path.write_text(json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8-sig")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("trainers.data.json_array._CHUNK", chunk)
        assert list(array_values(path, 1 << 20)) == rows


@given(st.binary(max_size=30) | st.text(alphabet='[]{},:"1a \n', max_size=30).map(str.encode))
def test_no_bytes_do_more_than_be_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("array") / "rows.json"
    path.write_bytes(b"[" + content)
    try:
        wanted = json.loads(b"[" + content)
    except ValueError:
        with pytest.raises(ValueError, match=r"."):
            list(array_values(path, 1 << 20))
    else:
        assert list(array_values(path, 1 << 20)) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[{"question": "a"} {"question": "b"}]', "']' is expected, and '{' follows (after row 1)"),
        ('[{"question": "a"},', "a row is incomplete or not JSON (after row 1)"),
        ('[{"question": "a"}] x', "something follows the array (after row 1)"),
        ("[" * 200 + "]" * 200, "it is nested too deeply (more than 100 levels);"),
        ("[" * 100_000, "it is nested too deeply (more than 100 levels);"),
    ],
)
def test_an_array_that_is_torn_says_after_which_row(text, said, tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(text)
    assert said in refusal(path)


def test_an_array_is_never_in_memory_as_a_whole(tmp_path):
    path = tmp_path / "rows.json"
    with path.open("wb") as file:
        file.write(b"[")
        for number in range(20_000):
            file.write(b"," * bool(number) + json.dumps({"question": "x" * 1000}).encode())
        file.write(b"]")
    tracemalloc.start()
    try:
        assert sum(1 for _ in array_values(path, 1 << 20)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 2
    finally:
        tracemalloc.stop()
