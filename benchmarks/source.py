"""Load a benchmark's rows from a local folder, a pinned address, or the benchmark's generator.

The bytes must always have the checksum that the benchmark pins, so that a score is
certain to be about the problems that the benchmark's name stands for. `datasets`
downloads and caches the file. The rows are then read line by line as JSON, and not
through the column types of `datasets`: these turn an ISO date into a timestamp, fill
a key that one row lacks with None, and turn integers into floats if a column has one
float.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.benchmark import Benchmark, Problem, Row, Shot, Split
from benchmarks.bounded_json import parse_json, read_bounded
from benchmarks.errors import UserError
from benchmarks.hints import hint, setting

DATA_VARIABLE = "HARNESS_DATA"
"""The environment variable that names the local folder of data, if the caller gives none."""

LARGEST_FILE = 1 << 30
"""The most bytes of a local file that are read, to say how it differs from the pinned one."""

_GITHUB = "https://raw.githubusercontent.com"
_SPLITS = ("test", "train")


def evaluation_kits(name: str) -> tuple[str, ...]:
    """Return the pinned addresses of a test file, in Qwen2.5-Math's kit and in OpenSeek's copy."""
    commit = "a45202bd16f1ec06f433442dc1152d0074773465"
    qwen = f"{_GITHUB}/QwenLM/Qwen2.5-Math/{commit}/evaluation/data/{name}/test.jsonl"
    return (qwen, openseek(name))


def openseek(name: str) -> str:
    """Return the pinned address of a test file in OpenSeek's evaluation kit."""
    return f"{_GITHUB}/FlagAI-Open/OpenSeek/50212ea/evaluation/qwen_eval/data/{name}/test.jsonl"


def load_problems(
    benchmark: Benchmark, *, data_dir: Path | None = None, limit: int | None = None
) -> list[Problem]:
    """Return the benchmark's problems in published order, or only the first ``limit`` of them.

    All rows are verified, whatever the limit: ids are unique and begin with the
    benchmark's name, and no question or answer is empty.

    Raises:
        UserError: the rows are not there or not the pinned ones, or a problem is not valid.
    """
    if limit is not None and limit < 1:
        raise UserError(
            f"a limit of {limit} leaves no problem of {benchmark.name}; give at least 1"
        )
    problems = []
    seen: set[str] = set()
    for number, row in enumerate(load_rows(benchmark, data_dir=data_dir), 1):
        place = f"{benchmark.name}/test, row {number}"
        try:
            problem = benchmark.to_problem(row)
        except Exception as error:  # another package's function may raise anything
            raise UserError(f"{place} is no problem: {_described(error)}") from error
        if not isinstance(problem, Problem):
            raise UserError(
                f"{place} is no problem: to_problem of {benchmark.name} returned an object of "
                f"type {type(problem).__name__}; it has to return a Problem"
            )
        _check_problem(problem, benchmark.name, seen, place)
        problems.append(problem)
    return problems[:limit]


def load_shots(benchmark: Benchmark, *, data_dir: Path | None = None) -> list[Shot]:
    """Return the worked examples of the benchmark's train split, in published order.

    Raises:
        UserError: the benchmark has no train split, or its rows cannot be read.
    """
    if benchmark.train is None or benchmark.to_shot is None:
        having = ", ".join(_with_shots())
        raise UserError(
            f"{benchmark.name} has no train split to take worked examples from; leave them out, "
            f"or choose among the benchmarks that have one: {having}"
        )
    shots = []
    for number, row in enumerate(load_rows(benchmark, "train", data_dir=data_dir), 1):
        try:
            shots.append(benchmark.to_shot(row))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            place = f"{benchmark.name}/train, row {number}"
            raise UserError(f"{place} is no worked example: {_described(error)}") from error
    return shots


def load_rows(
    benchmark: Benchmark, split: str = "test", *, data_dir: Path | None = None
) -> list[Row]:
    """Return the verified rows of one split, each as ``json.loads`` reads its line.

    The rows are read from ``data_dir/<benchmark>/<split>.jsonl``. Without ``data_dir``
    they are read from the folder that HARNESS_DATA names, and without both from the
    cache or the first pinned address that has the bytes. A generated split is always
    generated.

    Raises:
        UserError: the file is not there, or its bytes are not the pinned ones.
    """
    wanted = _split(benchmark, split)
    if wanted.generate is not None:
        content, origin = canonical_lines(wanted.generate()), "the rows it generates"
    else:
        path = _local_file(benchmark, split, data_dir) or fetch(benchmark, split)
        content, origin = _read(path, benchmark, split), str(path)
    problem = _mismatch(content, wanted)
    if problem:
        remedy = "" if wanted.generate else f"; {_remedy(benchmark, split)}"
        raise UserError(f"{benchmark.name}/{split} ({origin}): {problem}{remedy}")
    rows = _parse(content, origin)
    if len(rows) != wanted.rows:
        raise UserError(
            f"{benchmark.name}/{split} ({origin}): the Split declares {wanted.rows} rows, but the "
            f"bytes with the pinned checksum have {len(rows)}; correct the Split's rows"
        )
    return rows


def require_file(
    benchmark: Benchmark, split: str = "test", *, data_dir: Path | None = None
) -> None:
    """Check that a split's file exists, if a local folder of data is named. It is not read yet.

    Raises:
        UserError: the file does not exist.
    """
    path = _local_file(benchmark, split, data_dir)
    if path is not None and _split(benchmark, split).generate is None and not path.is_file():
        _read(path, benchmark, split)


def fetch(benchmark: Benchmark, split: str = "test") -> Path:
    """Download a split's file, or find it in the cache; return the path of the verified file.

    Raises:
        UserError: the split is generated, or no address has the pinned bytes.
    """
    wanted = _split(benchmark, split)
    if wanted.generate is not None:
        raise UserError(f"{benchmark.name}/{split} is generated; there is nothing to fetch")
    faults = []
    for url in wanted.urls:
        try:
            return _fetch_from(url, wanted)
        except _NotThereError as fault:
            faults.append(f"{url}: {fault}")
    tried = "; ".join(faults) or "no address is known for it"
    raise UserError(
        f"{benchmark.name}/{split} cannot be fetched ({tried}); {_remedy(benchmark, split)}"
    )


def problems_sum(problems: Iterable[Problem]) -> str:
    """Return the sha256, in hex, over the ids, questions and answers of the problems, in order.

    Runs record it, so that two scores are only compared over the same problems.
    ``meta`` is left out, since changing it does not change a score.
    """
    asked = ({"id": p.id, "question": p.question, "answer": p.answer} for p in problems)
    return hashlib.sha256(canonical_lines(asked)).hexdigest()


def conventions_sum(benchmark: Benchmark, problems: Iterable[Problem]) -> str:
    """Return the first eight hex digits of a sha256 over the conventions of all problems."""
    accepted = ({"id": p.id, **asdict(benchmark.conventions_for(p))} for p in problems)
    return hashlib.sha256(canonical_lines(accepted)).hexdigest()[:8]


def canonical_lines(rows: Iterable[Row]) -> bytes:
    """Return rows as JSON lines; a generated split's checksum is taken over these bytes."""
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    # JSON can contain a lone surrogate, which UTF-8 would refuse.
    return "".join(lines).encode("utf-8", "surrogatepass")


def _split(benchmark: Benchmark, split: str) -> Split:
    found = {"test": benchmark.test, "train": benchmark.train}.get(split)
    if found is None:
        raise UserError(f"{benchmark.name} has no split '{split}' (a split is one of {_SPLITS})")
    return found


def _with_shots() -> list[str]:
    from benchmarks import BENCHMARKS
    from benchmarks.registry import loaded

    return [name for name, one in loaded(BENCHMARKS) if one.train is not None]


def _check_problem(problem: Problem, name: str, seen: set[str], place: str) -> None:
    if not problem.id.startswith(f"{name}/"):
        raise UserError(f"{place}: the id '{problem.id}' does not begin with '{name}/'")
    if problem.id in seen:
        raise UserError(f"{place}: the id '{problem.id}' was given to an earlier row too")
    if not problem.question.strip() or not problem.answer.strip():
        empty = "answer" if problem.question.strip() else "question"
        raise UserError(f"{place} ({problem.id}) has an empty {empty}")
    seen.add(problem.id)


def _described(error: Exception) -> str:
    """Return an error's class and message, since a KeyError's message is only the key."""
    return f"{type(error).__name__}: {error}"


# --- local files ----------------------------------------------------------------------------


def _local_file(benchmark: Benchmark, split: str, data_dir: Path | None) -> Path | None:
    folder = data_dir or (Path(named) if (named := os.environ.get(DATA_VARIABLE)) else None)
    return folder.expanduser() / benchmark.name / f"{split}.jsonl" if folder else None


def _read(path: Path, benchmark: Benchmark, split: str) -> bytes:
    try:
        return read_bounded(path, LARGEST_FILE)
    except (OSError, ValueError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise UserError(
            f"{benchmark.name}/{split} was looked for at {path}: {reason}; "
            f"{_remedy(benchmark, split)}"
        ) from error


def _remedy(benchmark: Benchmark, split: str) -> str:
    pinned = _split(benchmark, split)
    return (
        f"run `{hint(f'data fetch {benchmark.name}')}` on a machine with a network, or "
        f"point {setting('data_dir')} (or {DATA_VARIABLE}) at a folder DIR with "
        f"DIR/{benchmark.name}/{split}.jsonl ({pinned.rows} rows, sha256 {_short(pinned.sha256)})"
    )


# --- verifying ------------------------------------------------------------------------------


def _mismatch(content: bytes, wanted: Split) -> str | None:
    """Return how the bytes differ from the pinned ones; None if they are equal.

    If a line is not valid JSON, the message names the first such line.
    """
    found = hashlib.sha256(content).hexdigest()
    if found == wanted.sha256:
        return None
    if not wanted.sha256:
        return f'no checksum is pinned; set sha256="{found}" in the Split'
    try:
        held = f"{len(_parse(content, 'the file'))} rows"
    except UserError as torn:
        held = str(torn)
    return (
        f"not the pinned bytes: {wanted.rows} rows of sha256 {_short(wanted.sha256)} expected, "
        f"found sha256 {_short(found)} ({held})"
    )


def _short(sha256: str) -> str:
    return f"{sha256[:12]}…"


def _parse(content: bytes, origin: str) -> list[Row]:
    # Lines end at "\n" only. str.splitlines would also split a JSON string that contains U+2028.
    lines = enumerate(content.split(b"\n"), 1)
    return [_parse_row(line, f"{origin}, line {number}") for number, line in lines if line.strip()]


def _parse_row(line: bytes, place: str) -> Row:
    try:
        row = parse_json(line)
    except ValueError as error:
        raise UserError(f"{place} is cut off or is not JSON: {error}") from error
    if not isinstance(row, dict):
        raise UserError(f"{place} is not a JSON object but a {type(row).__name__}")
    return row


# --- downloading ----------------------------------------------------------------------------


class _NotThereError(Exception):
    """An address does not have the pinned bytes; the message says why."""


def _fetch_from(url: str, wanted: Split) -> Path:
    """Return the path of the verified file from one address."""
    problem = None
    for _ in range(2):  # a cached file may be corrupt: it is removed and downloaded once more
        path = _download(url, wanted.size)
        problem = _mismatch(_read_download(path), wanted)
        if problem is None:
            return path
        # An address may also be a local path. Only a file in the cache may be removed.
        if any(path.is_relative_to(folder) for folder in _caches()):
            with contextlib.suppress(OSError):
                path.unlink()
    raise _NotThereError(problem)


def _read_download(path: Path) -> bytes:
    try:
        return read_bounded(path, LARGEST_FILE)
    except (OSError, ValueError) as error:
        raise _NotThereError(_described(error)) from error


def _download(url: str, size: int) -> Path:
    """Download into the first cache folder that works; a file that is cached needs no network.

    No more than ``size`` bytes are taken, whatever the server sends.
    """
    import aiohttp
    import datasets

    fault: Exception | None = None
    for folder in _caches():
        settings = datasets.DownloadConfig(
            cache_dir=folder,
            disable_tqdm=True,
            use_etag=False,  # the commit is in the address: the bytes cannot change
            storage_options=_http_options(size),
        )
        try:
            return Path(datasets.DownloadManager(download_config=settings).download(url))
        except (OSError, ValueError, aiohttp.ClientError) as error:
            # fsspec raises "file not found" for everything. The cause tells a 404 from no network.
            fault = error.__cause__ if isinstance(error.__cause__, Exception) else error
    raise _NotThereError(_described(fault) if fault else "no cache folder")


def _http_options(size: int) -> dict[str, dict[str, Any]]:
    """Return a bound on the bytes, and shorter time limits than the default.

    By default five minutes are waited if packets are lost.
    """
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=300, sock_connect=15, sock_read=60)
    settings = {"timeout": timeout, "response_class": _bounded_response(size)}
    return {scheme: {"client_kwargs": settings} for scheme in ("http", "https")}


@cache
def _bounded_response(size: int) -> type:
    """Return a class of responses that fail once more than ``size`` bytes were read of them.

    `datasets` hands the reading to fsspec, which reads the content in pieces until it ends, and
    writes each to the disk (`HTTPFileSystem._get_file` of fsspec). The pieces are counted after
    they were unpacked.
    """
    import aiohttp

    class Counted:
        """The content of a response."""

        def __init__(self, stream: aiohttp.StreamReader) -> None:
            self._stream, self._read = stream, 0

        async def read(self, count: int = -1) -> bytes:
            piece = await self._stream.read(min(count, size + 1) if count >= 0 else size + 1)
            self._read += len(piece)
            if self._read > size:
                raise aiohttp.ClientPayloadError(f"it sends more than the {size:,} bytes pinned")
            return piece

        def __getattr__(self, name: str) -> Any:
            return getattr(self._stream, name)

    class Bounded(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            await super().start(connection)
            self.content = Counted(self.content)  # type: ignore[assignment]
            return self

    # fsspec keeps one client for equal settings, and compares these by their text.
    Bounded.__qualname__ = f"bounded to {size}"
    return Bounded


def _caches() -> Sequence[Path]:
    """Return the cache folder of `datasets`, and a temporary one too if that is read-only.

    A read-only cache is tried first, because a container image may contain a filled one.
    """
    import datasets

    usual = Path(datasets.config.DOWNLOADED_DATASETS_PATH)
    try:
        usual.mkdir(parents=True, exist_ok=True)
        writable = os.access(usual, os.W_OK)
    except OSError:
        writable = False
    # Another user may own the folder. Its files are trusted only for their checksums.
    spare = Path(tempfile.gettempdir()) / f"harness-downloads-{os.getuid()}"
    return (usual,) if writable else (usual, spare)
