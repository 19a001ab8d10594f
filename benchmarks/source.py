"""Where a benchmark's rows come from: a local folder, a pinned address, or their own generator.

Whichever it is, the bytes must have the sum that the benchmark pins, so a score
can only ever be about the problems its name promises. `datasets` downloads and
caches the file; the rows are then read line by line as JSON, not through its
column types, which turn an ISO date into a timestamp, fill a key that one row
lacks with None, and let one float make a column of integers floats.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.benchmark import Benchmark, Problem, Row, Shot, Split
from benchmarks.errors import UserError

DATA_VARIABLE = "HARNESS_DATA"
"""The environment variable that names the local folder when no folder is given."""

_GITHUB = "https://raw.githubusercontent.com"
_SPLITS = ("test", "train")


def evaluation_kits(name: str) -> tuple[str, ...]:
    """Return the pinned addresses of a test file: Qwen2.5-Math's kit, then OpenSeek's copy."""
    commit = "a45202bd16f1ec06f433442dc1152d0074773465"
    qwen = f"{_GITHUB}/QwenLM/Qwen2.5-Math/{commit}/evaluation/data/{name}/test.jsonl"
    return (qwen, openseek(name))


def openseek(name: str) -> str:
    """Return the pinned address of a test file in OpenSeek's evaluation kit."""
    return f"{_GITHUB}/FlagAI-Open/OpenSeek/50212ea/evaluation/qwen_eval/data/{name}/test.jsonl"


def load_problems(
    benchmark: Benchmark, *, data_dir: Path | None = None, limit: int | None = None
) -> list[Problem]:
    """Return the benchmark's problems in published order, the first ``limit`` of them if given.

    All rows are verified whatever the limit; ids are unique and carry the
    benchmark's name, and no question or answer is empty.
    """
    if limit is not None and limit < 1:
        raise UserError(f"a limit of {limit} leaves no problem of {benchmark.name}; give 1 or more")
    problems = []
    seen: set[str] = set()
    for number, row in enumerate(load_rows(benchmark, data_dir=data_dir), 1):
        place = f"{benchmark.name}/test, row {number}"
        try:
            problem = benchmark.to_problem(row)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise UserError(f"{place} is no problem: {_told(error)}") from error
        _check_problem(problem, benchmark.name, seen, place)
        problems.append(problem)
    return problems[:limit]


def load_shots(benchmark: Benchmark, *, data_dir: Path | None = None) -> list[Shot]:
    """Return the worked examples of the benchmark's train split, in published order."""
    if benchmark.train is None or benchmark.to_shot is None:
        having = ", ".join(_with_shots())
        raise UserError(
            f"{benchmark.name} has no train split to take worked examples from; "
            f"ask without them, or take those of: {having}"
        )
    shots = []
    for number, row in enumerate(load_rows(benchmark, "train", data_dir=data_dir), 1):
        try:
            shots.append(benchmark.to_shot(row))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            place = f"{benchmark.name}/train, row {number}"
            raise UserError(f"{place} is no worked example: {_told(error)}") from error
    return shots


def load_rows(
    benchmark: Benchmark, split: str = "test", *, data_dir: Path | None = None
) -> list[Row]:
    """Return the verified rows of one split, each equal to what ``json.loads`` says of its line.

    Read from ``data_dir/<benchmark>/<split>.jsonl``; without ``data_dir``, from
    the folder that HARNESS_DATA names; without either, from the cache or the
    first pinned address that has the bytes. A generated split is always generated.
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
            f"{benchmark.name}/{split} ({origin}): {wanted.rows} rows are declared and "
            f"{len(rows)} found, in bytes of the pinned sum; correct the Split's rows"
        )
    return rows


def require_file(benchmark: Benchmark, *, data_dir: Path | None = None) -> None:
    """See that the problems are where a folder of data is named; they are not read yet.

    Raises:
        UserError: the file is not there, or cannot be opened.
    """
    path = _local_file(benchmark, "test", data_dir)
    if path is not None and benchmark.test.generate is None and not path.is_file():
        _read(path, benchmark, "test")


def fetch(benchmark: Benchmark, split: str = "test") -> Path:
    """Download a split's file, or find it in the cache, and return its verified path."""
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
    """Return the sha256 of what the problems ask and expect: id, question, answer, in order.

    Runs record it, so that two scores are only compared over the same problems.
    ``meta`` is left out: it may be described better without changing a score.
    """
    asked = ({"id": p.id, "question": p.question, "answer": p.answer} for p in problems)
    return hashlib.sha256(canonical_lines(asked)).hexdigest()


def conventions_sum(benchmark: Benchmark, problems: Iterable[Problem]) -> str:
    """Return eight digits of a sha256 over what is accepted beside each problem's exact gold."""
    accepted = ({"id": p.id, **asdict(benchmark.conventions_for(p))} for p in problems)
    return hashlib.sha256(canonical_lines(accepted)).hexdigest()[:8]


def canonical_lines(rows: Iterable[Row]) -> bytes:
    """Return rows as the JSON-lines bytes over which a generated split's sum is taken."""
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    # A lone surrogate can be written in JSON, and must not make a sum impossible.
    return "".join(lines).encode("utf-8", "surrogatepass")


def _split(benchmark: Benchmark, split: str) -> Split:
    found = {"test": benchmark.test, "train": benchmark.train}.get(split)
    if found is None:
        raise UserError(f"{benchmark.name} has no split '{split}' (a split is one of {_SPLITS})")
    return found


def _with_shots() -> list[str]:
    from benchmarks import BENCHMARKS

    return [name for name in BENCHMARKS if BENCHMARKS[name].train is not None]


def _check_problem(problem: Problem, name: str, seen: set[str], place: str) -> None:
    if not problem.id.startswith(f"{name}/"):
        raise UserError(f"{place}: the id '{problem.id}' does not begin with '{name}/'")
    if problem.id in seen:
        raise UserError(f"{place}: the id '{problem.id}' was given to an earlier row too")
    if not problem.question.strip() or not problem.answer.strip():
        empty = "answer" if problem.question.strip() else "question"
        raise UserError(f"{place} ({problem.id}) has an empty {empty}")
    seen.add(problem.id)


def _told(error: Exception) -> str:
    """Say what went wrong, by its kind as well where the message alone is a bare key."""
    return f"{type(error).__name__}: {error}"


# --- local files ----------------------------------------------------------------------------


def _local_file(benchmark: Benchmark, split: str, data_dir: Path | None) -> Path | None:
    folder = data_dir or (Path(named) if (named := os.environ.get(DATA_VARIABLE)) else None)
    return folder.expanduser() / benchmark.name / f"{split}.jsonl" if folder else None


def _read(path: Path, benchmark: Benchmark, split: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise UserError(
            f"{benchmark.name}/{split} was looked for at {path}: {reason}; "
            f"{_remedy(benchmark, split)}"
        ) from error


def _remedy(benchmark: Benchmark, split: str) -> str:
    pinned = _split(benchmark, split)
    return (
        f"run `python -m harness data fetch {benchmark.name}` on a machine with a network, or "
        f"point --data (or {DATA_VARIABLE}) at a folder DIR with DIR/{benchmark.name}/{split}.jsonl"
        f" ({pinned.rows} rows, sha256 {_short(pinned.sha256)})"
    )


# --- verifying ------------------------------------------------------------------------------


def _mismatch(content: bytes, wanted: Split) -> str | None:
    """Say how the bytes differ from the pinned ones, down to the first torn line; None if equal."""
    found = hashlib.sha256(content).hexdigest()
    if found == wanted.sha256:
        return None
    if not wanted.sha256:
        return f'no sum is pinned; these rows have sha256="{found}", to be set in the Split'
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
    # Lines end at "\n" only: str.splitlines would also cut inside a JSON string that holds U+2028.
    lines = enumerate(content.split(b"\n"), 1)
    return [_parse_row(line, f"{origin}, line {number}") for number, line in lines if line.strip()]


def _parse_row(line: bytes, place: str) -> Row:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place} is torn or no JSON: {error}") from error
    if not isinstance(row, dict):
        raise UserError(f"{place} is no JSON object but a {type(row).__name__}")
    return row


# --- downloading ----------------------------------------------------------------------------


class _NotThereError(Exception):
    """An address does not give the pinned bytes; the message says why."""


def _fetch_from(url: str, wanted: Split) -> Path:
    """Return the verified file behind one address."""
    problem = None
    for _ in range(2):  # what the cache holds may be corrupt: it is removed and fetched once more
        path = _download(url)
        problem = _mismatch(path.read_bytes(), wanted)
        if problem is None:
            return path
        # An address may also be a path; only a file of the cache is ours to remove.
        if any(path.is_relative_to(folder) for folder in _caches()):
            with contextlib.suppress(OSError):
                path.unlink()
    raise _NotThereError(problem)


def _download(url: str) -> Path:
    """Download through the first cache folder that works; a cached file needs no network."""
    import aiohttp
    import datasets

    fault: Exception | None = None
    for folder in _caches():
        settings = datasets.DownloadConfig(
            cache_dir=folder,
            disable_tqdm=True,
            use_etag=False,  # the commit is in the address: the bytes cannot change
            storage_options=_http_options(),
        )
        try:
            return Path(datasets.DownloadManager(download_config=settings).download(url))
        except (OSError, ValueError, aiohttp.ClientError) as error:
            # fsspec says "file not found" of everything; the cause tells a 404 from no network.
            fault = error.__cause__ if isinstance(error.__cause__, Exception) else error
    raise _NotThereError(_told(fault) if fault else "no cache folder")


def _http_options() -> dict[str, dict[str, Any]]:
    """Return the limits on waiting: where packets vanish, the default is to wait five minutes."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=300, sock_connect=15, sock_read=60)
    return {scheme: {"client_kwargs": {"timeout": timeout}} for scheme in ("http", "https")}


def _caches() -> Sequence[Path]:
    """Return `datasets`' own cache, and a temporary one behind it if that cannot be written.

    The first is tried even then: an image may carry it read-only, and filled.
    """
    import datasets

    usual = Path(datasets.config.DOWNLOADED_DATASETS_PATH)
    try:
        usual.mkdir(parents=True, exist_ok=True)
        writable = os.access(usual, os.W_OK)
    except OSError:
        writable = False
    # Others may own a folder there; what it holds is trusted by its sum alone.
    spare = Path(tempfile.gettempdir()) / f"harness-downloads-{os.getuid()}"
    return (usual,) if writable else (usual, spare)
