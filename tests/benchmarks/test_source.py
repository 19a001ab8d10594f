"""Tests of loading rows from folders, addresses and generators, with checksums and caching."""

import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import Benchmark, Problem, Shot, Split, UserError
from benchmarks.source import (
    canonical_lines,
    fetch,
    load_problems,
    load_rows,
    load_shots,
    problems_sum,
)

# Each of these is altered by a reader that infers one type a column.
AWKWARD = [
    {"id": 1, "q": "2020-01-01", "a": 27.0, "list": ["x", 1, None], "extra": {}},
    {"id": 2, "q": "a\u2028b\x85c\u00a0", "a": 3, "list": [], "extra": {"k": [1.0, 1]}},
    {"id": 3, "q": "Zahl \u00fc \U0001f600", "a": None, "list": [[1], ["1"]]},
    {"id": 4, "q": "", "a": 10**30, "list": None, "other": True},
]
ROWS = [{"id": n, "q": f"{n}+1?", "a": str(n + 1)} for n in range(5)]


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def make(content, *, rows=5, urls=(), sha256=None, size=10**6, **others):
    total = hashlib.sha256(content).hexdigest() if sha256 is None else sha256
    return Benchmark(
        name="toy",
        about="a toy",
        licence="none",
        paper="none",
        test=Split(rows=rows, sha256=total, size=size, urls=urls),
        to_problem=lambda row: Problem(id=f"toy/{row['id']}", question=row["q"], answer=row["a"]),
        **others,
    )


@pytest.fixture(autouse=True)
def no_folder_in_the_environment(monkeypatch):
    monkeypatch.delenv("HARNESS_DATA", raising=False)


@pytest.fixture
def folder(tmp_path):
    """A function that writes the toy's test file and returns the data folder."""

    def write(content, split="test"):
        (tmp_path / "toy").mkdir(exist_ok=True)
        (tmp_path / "toy" / f"{split}.jsonl").write_bytes(content)
        return tmp_path

    return write


# --- a local folder ---


def test_rows_are_what_json_says_of_their_lines(folder):
    content = lines(AWKWARD)
    rows = load_rows(make(content, rows=4), data_dir=folder(content))
    assert rows == AWKWARD
    assert [type(row["a"]) for row in rows] == [float, int, type(None), int]


def test_the_environment_names_the_folder_and_the_argument_wins(folder, monkeypatch, tmp_path):
    content = lines(ROWS)
    monkeypatch.setenv("HARNESS_DATA", str(folder(content)))
    assert len(load_problems(make(content))) == 5
    with pytest.raises(UserError, match="there is no such file"):
        load_problems(make(content), data_dir=tmp_path / "elsewhere")


def test_a_limit_takes_the_first_problems(folder):
    content = lines(ROWS)
    found = load_problems(make(content), data_dir=folder(content), limit=2)
    assert [problem.id for problem in found] == ["toy/0", "toy/1"]
    with pytest.raises(UserError, match="limit of 0"):
        load_problems(make(content), data_dir=folder(content), limit=0)


def test_a_missing_file_says_where_it_was_looked_for(tmp_path):
    with pytest.raises(UserError) as caught:
        load_rows(make(lines(ROWS)), data_dir=tmp_path)
    message = str(caught.value)
    assert str(tmp_path / "toy" / "test.jsonl") in message
    assert "harness data fetch toy" in message


def test_a_wrong_sum_shows_both_sums_and_the_torn_line(folder):
    whole = lines(ROWS)
    torn = whole[:-8]
    with pytest.raises(UserError) as caught:
        load_rows(make(whole), data_dir=folder(torn))
    message = str(caught.value)
    assert hashlib.sha256(whole).hexdigest()[:12] in message
    assert hashlib.sha256(torn).hexdigest()[:12] in message
    assert "line 5 is cut off" in message


def test_a_wrong_sum_counts_the_rows_of_a_whole_file(folder):
    with pytest.raises(UserError, match=r"5 rows of sha256 .* \(4 rows\)"):
        load_rows(make(lines(ROWS)), data_dir=folder(lines(ROWS[:4])))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b'{"id": 1', "line 2 is cut off"),
        (b"[1]", "line 2 is not a JSON object but a list"),
        (b"\xff", "cut off"),
    ],
)
def test_a_bad_line_that_was_pinned_is_told_by_its_number(folder, line, told):
    content = b"{}\n" + line + b"\n"
    with pytest.raises(UserError, match=told):
        load_rows(make(content, rows=2), data_dir=folder(content))


def test_a_count_other_than_declared_is_an_error(folder):
    content = lines(ROWS)
    with pytest.raises(UserError, match=r"declares 6 rows, .* have 5"):
        load_rows(make(content, rows=6), data_dir=folder(content))


def test_an_unpinned_file_is_refused_with_the_sum_to_pin(folder):
    content = lines(ROWS)
    with pytest.raises(UserError, match=hashlib.sha256(content).hexdigest()):
        load_rows(make(content, sha256=""), data_dir=folder(content))


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"id": 1, "q": "a", "a": "1"}, {"id": 1, "q": "b", "a": "2"}], "earlier row"),
        ([{"id": 1, "q": " ", "a": "1"}], "empty question"),
        ([{"id": 1, "q": "a", "a": ""}], "empty answer"),
        ([{"id": 1, "q": "a"}], "row 1 is no problem: KeyError: 'a'"),
    ],
)
def test_a_row_that_makes_no_sound_problem_is_told(folder, rows, told):
    content = lines(rows)
    with pytest.raises(UserError, match=told):
        load_problems(make(content, rows=len(rows)), data_dir=folder(content))


def test_a_foreign_id_is_refused(folder):
    content = lines(ROWS)
    toy = make(content)
    named_otherwise = Benchmark(
        **{field: getattr(toy, field) for field in Benchmark.__slots__ if field != "to_problem"},
        to_problem=lambda row: Problem(id="x/1", question="a", answer="1"),
    )
    with pytest.raises(UserError, match="does not begin with 'toy/'"):
        load_problems(named_otherwise, data_dir=folder(content))


# --- the train split ---


def test_shots_come_from_the_train_split(folder):
    content = lines(ROWS)
    train = Split(rows=5, sha256=hashlib.sha256(content).hexdigest())
    to_shot = lambda row: Shot(question=row["q"], solution="so", answer=row["a"])  # noqa: E731
    benchmark = make(content, train=train, to_shot=to_shot)
    shots = load_shots(benchmark, data_dir=folder(content, "train"))
    assert [shot.answer for shot in shots] == ["1", "2", "3", "4", "5"]


def test_a_benchmark_without_shots_names_those_that_have_them():
    with pytest.raises(UserError, match=r"toy has no train split.*gsm8k"):
        load_shots(make(b""))


# --- a generator ---


def test_generated_rows_are_verified_by_their_canonical_lines(tmp_path):
    total = hashlib.sha256(canonical_lines(ROWS)).hexdigest()
    split = Split(rows=5, sha256=total, generate=lambda: iter(ROWS))
    toy = make(b"")
    fields = {field: getattr(toy, field) for field in Benchmark.__slots__ if field != "test"}
    assert load_rows(Benchmark(**fields, test=split), data_dir=tmp_path) == ROWS
    changed = Split(rows=4, sha256=total, generate=lambda: iter(ROWS[:4]))
    with pytest.raises(UserError, match="not the pinned bytes"):
        load_rows(Benchmark(**fields, test=changed))
    with pytest.raises(UserError, match="nothing to fetch"):
        fetch(Benchmark(**fields, test=split))


def test_the_sum_of_problems_ignores_meta_and_sees_order_and_text():
    one = Problem(id="toy/1", question="a", answer="1")
    two = Problem(id="toy/2", question="\ud800", answer="2", meta={"level": 1})
    bare = Problem(id="toy/2", question="\ud800", answer="2")
    assert problems_sum([one, two]) == problems_sum([one, bare])
    assert problems_sum([one, two]) != problems_sum([two, one])


@given(st.lists(st.dictionaries(st.text(), st.none() | st.integers() | st.text(), max_size=3)))
def test_canonical_lines_read_back_as_the_rows(rows):
    content = canonical_lines(rows)
    assert [json.loads(line) for line in content.split(b"\n") if line] == rows


# --- an address ---


class Server:
    """A local web server for a folder, which counts its requests."""

    def __init__(self, root):
        self.asked = []
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                asked.append(self.path)
                super().do_GET()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server(tmp_path, monkeypatch):
    # A test before this one may have imported `datasets` while no network was allowed.
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", False)
    (tmp_path / "web").mkdir()
    server = Server(tmp_path / "web")
    yield server
    server.stop()


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty download cache."""
    import datasets

    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_download_is_cached_and_needs_no_server_again(server, cache, tmp_path, capfd):
    content = lines(AWKWARD)
    (tmp_path / "web" / "test.jsonl").write_bytes(content)
    toy = make(content, rows=4, urls=(f"{server.url}/test.jsonl",))
    assert load_rows(toy) == AWKWARD
    assert load_rows(toy) == AWKWARD
    assert server.asked == ["/test.jsonl"]
    server.stop()
    assert fetch(toy).is_relative_to(cache)
    assert capfd.readouterr() == ("", "")  # no progress bars


def test_a_corrupt_cached_file_is_fetched_once_more(server, cache, tmp_path):
    content = lines(ROWS)
    (tmp_path / "web" / "test.jsonl").write_bytes(content)
    toy = make(content, urls=(f"{server.url}/test.jsonl",))
    fetch(toy).write_bytes(content[:-3])
    assert load_rows(toy) == ROWS
    assert len(server.asked) == 2


def test_an_address_with_other_bytes_is_told_and_the_next_one_taken(server, cache, tmp_path):
    content = lines(ROWS)
    (tmp_path / "web" / "wrong").write_bytes(b"<html>")
    (tmp_path / "web" / "right").write_bytes(content)
    wrong, right = f"{server.url}/wrong", f"{server.url}/right"
    assert load_rows(make(content, urls=(wrong, f"{server.url}/none", right))) == ROWS
    with pytest.raises(UserError, match=r"wrong: not the pinned bytes.*line 1 is cut off"):
        load_rows(make(content, urls=(wrong,)))


def test_without_a_network_the_error_says_what_to_do(server, cache):
    server.stop()
    toy = make(lines(ROWS), urls=(f"{server.url}/test.jsonl",))
    with pytest.raises(UserError) as caught:
        load_rows(toy)
    message = str(caught.value)
    assert f"{server.url}/test.jsonl: " in message
    assert "Connect" in message
    assert "harness data fetch toy" in message
    assert "data_dir" in message
    assert "\n" not in message


def test_no_more_is_downloaded_than_is_pinned(server, cache, tmp_path):
    content = lines(ROWS)
    (tmp_path / "web" / "endless").write_bytes(content + b"x" * 50_000_000)
    (tmp_path / "web" / "right").write_bytes(content)
    urls = (f"{server.url}/endless", f"{server.url}/right")
    toy = make(content, urls=urls, size=len(content))
    assert load_rows(toy) == ROWS
    with pytest.raises(UserError, match=f"sends more than the {len(content)} bytes pinned"):
        fetch(make(content, urls=urls[:1], size=len(content)))
    assert sum(file.stat().st_size for file in cache.rglob("*") if file.is_file()) < 10_000


def test_every_benchmark_pins_the_size_of_its_files():
    from benchmarks import BENCHMARKS, STANDARD

    for name in STANDARD:
        for split in (BENCHMARKS[name].test, BENCHMARKS[name].train):
            assert split is None or split.size != Split(rows=1, sha256="").size


def test_a_missing_page_is_told_as_such(server, cache):
    toy = make(lines(ROWS), urls=(f"{server.url}/none.jsonl",))
    with pytest.raises(UserError, match="404"):
        fetch(toy)


def test_a_cache_that_cannot_be_written_gives_way_to_a_temporary_one(server, tmp_path, monkeypatch):
    import datasets

    content = lines(ROWS)
    (tmp_path / "web" / "test.jsonl").write_bytes(content)
    (tmp_path / "file").write_text("no folder can be made below a file")
    monkeypatch.setattr(datasets.config, "DOWNLOADED_DATASETS_PATH", str(tmp_path / "file" / "c"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spare"))
    path = fetch(make(content, urls=(f"{server.url}/test.jsonl",)))
    assert path.is_relative_to(tmp_path / "spare")


def test_a_file_outside_the_cache_is_never_removed(cache, tmp_path):
    mine = tmp_path / "mine.jsonl"
    mine.write_bytes(b"{}\n")
    with pytest.raises(UserError, match="not the pinned bytes"):
        fetch(make(lines(ROWS), urls=(str(mine),)))
    assert mine.read_bytes() == b"{}\n"


def test_a_benchmark_without_addresses_says_so():
    with pytest.raises(UserError, match="no address is known"):
        fetch(make(lines(ROWS)))
