"""The store: killed anywhere, it loses at most the line that was being written."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from replayed import replay_spec, write_responses

from benchmarks import UserError
from harness.evaluation.pipeline import evaluate
from harness.evaluation.plan import prepare
from harness.grading import Grader, version
from harness.runs.catalogue import Catalogue, require_same
from harness.runs.file_names import (
    JOURNAL,
    PARQUET,
    RECORD,
    earlier_version_folder,
    version_folder,
)
from harness.runs.folder import RunFolder
from harness.runs.record import Run, new_run_id, read_run
from harness.runs.sample import Sample, SampleKey

HELPERS = Path(__file__).parent.parent / "helpers"
REPOSITORY = Path(__file__).parents[2]


def run_to_the_end(
    results: Path, responses: Path, *, limit: int = 12, n: int = 1
) -> tuple[Path, Run]:
    """Evaluate (or go on with) the replayed run under ``results``."""
    plan = prepare(replay_spec(responses, limit=limit, n=n))
    run = plan.new_run("replayed")
    catalogue = Catalogue(results)
    stored = catalogue.same_as(run)
    opened = RunFolder(stored) if stored else RunFolder.create(catalogue.root, run)
    with opened as folder, Grader() as grader:
        return folder.path, evaluate(plan, folder, grader=grader)


def samples_of(path: Path) -> dict[SampleKey, Sample]:
    lines = (path / JOURNAL).read_text(encoding="utf-8").splitlines()
    return {sample.key: sample for sample in map(Sample.from_json, lines)}


def kill_at(point: str, root: Path, responses: Path) -> None:
    """Run the same evaluation in a process that kills itself at ``point``."""
    done = subprocess.run(
        [sys.executable, str(HELPERS / "killed_run.py"), point, str(root), str(responses)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    "points",
    [["sample 0"], ["sample 5"], ["half a line"], ["last sample"], ["before the record"],
     ["sample 3", "half a line", "sample 2"]],
    ids=" then ".join,
)  # fmt: skip
def test_a_run_killed_anywhere_ends_as_an_undisturbed_one(
    points: list[str], tmp_path: Path, responses: Path
) -> None:
    _, whole = run_to_the_end(tmp_path / "whole", responses)
    whole_path = Catalogue(tmp_path / "whole").find_run("replayed")[0]
    for point in points:
        kill_at(point, tmp_path / "killed", responses)
    path, resumed = run_to_the_end(tmp_path / "killed", responses)

    assert samples_of(path) == samples_of(whole_path)
    assert resumed.scores == whole.scores
    assert resumed.average == whole.average
    assert len(Catalogue(tmp_path / "killed").runs) == 1
    lines = (path / JOURNAL).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 12, "no finished sample is drawn twice"


@settings(max_examples=25)
@given(cut=st.integers(min_value=0, max_value=3000))
def test_a_journal_cut_at_any_byte_is_continued(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("cut")
    responses = write_responses(root / "responses.jsonl", limit=6)
    path, whole = run_to_the_end(root, responses, limit=6)
    expected = samples_of(path)
    content = (path / JOURNAL).read_bytes()
    (path / JOURNAL).write_bytes(content[: cut % (len(content) + 1)])
    incomplete = whole.model_copy(update={"status": "incomplete", "scores": (), "average": None})
    (path / RECORD).write_text(incomplete.to_json(), encoding="utf-8")

    _, resumed = run_to_the_end(root, responses, limit=6)
    assert samples_of(path) == expected
    assert resumed.scores == whole.scores


def test_a_foreign_line_is_owed_again(tmp_path: Path, responses: Path) -> None:
    kill_at("sample 4", tmp_path, responses)
    (path,) = (path for path, _ in Catalogue(tmp_path).runs)
    with (path / JOURNAL).open("ab") as journal:
        journal.write(b'{"not": "a sample"}\n\xff\xfe\n[]\n')
    with RunFolder(path) as folder:
        assert len(folder.samples) == 4
        assert folder.samples.torn == 3
    _, resumed = run_to_the_end(tmp_path, responses)
    assert resumed.scores[0].samples == 12


def test_a_second_process_on_one_folder_is_refused(tmp_path: Path, responses: Path) -> None:
    plan = prepare(replay_spec(responses, limit=12))
    folder = RunFolder.create(tmp_path, plan.new_run("held"))
    with folder, pytest.raises(UserError, match=f"in use by another process.*{os.getpid()}"):
        RunFolder(folder.path)
    RunFolder(folder.path).close()


def test_resuming_with_another_spec_is_refused_and_says_what_differs(
    tmp_path: Path, responses: Path
) -> None:
    with RunFolder.create(
        Catalogue(tmp_path).root, prepare(replay_spec(responses, limit=12)).new_run("one")
    ) as folder:
        path = folder.path
    fewer = prepare(replay_spec(responses, limit=3)).new_run("one")
    with pytest.raises(UserError, match=r"benchmarks\.demo\.problems: 12 -> 3"):
        require_same(path, fewer)
    assert Catalogue(tmp_path).same_as(fewer) is None


def with_grader(run: Run, grader: str) -> Run:
    """Return the record as it would be had another grader's version begun the run."""
    identity = run.identity.model_copy(update={"grader": grader})
    versions = {**run.packages, "grader": grader, "grader sources": "of old"}
    return run.model_copy(
        update={
            "id": new_run_id(identity.fingerprint, run.created),
            "identity": identity,
            "fingerprint": identity.fingerprint,
            "packages": versions,
        }
    )


def test_a_run_begun_with_a_grader_of_the_same_verdicts_goes_on(
    tmp_path: Path, responses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "EQUIVALENT", {**version.EQUIVALENT, "5": version.GRADER})
    run = prepare(replay_spec(responses, limit=12)).new_run("replayed")
    old = with_grader(run, "2+3d636124")
    with RunFolder.create(Catalogue(tmp_path).root, old) as folder:
        path, written = folder.path, (folder.path / RECORD).read_bytes()
    assert old.fingerprint != run.fingerprint
    require_same(path, run)
    assert Catalogue(tmp_path).same_as(run) == path
    assert (path / RECORD).read_bytes() == written, "looking at a record does not rewrite it"
    found, complete = run_to_the_end(tmp_path, responses)
    assert found == path
    assert (complete.status, complete.fingerprint) == ("complete", old.fingerprint)
    assert complete.identity.grader == "2+3d636124", "what began the run"
    assert complete.packages == run.packages, "what gave the verdicts"


def test_a_run_begun_with_a_grader_of_other_verdicts_does_not(
    tmp_path: Path, responses: Path
) -> None:
    run = prepare(replay_spec(responses, limit=12)).new_run("replayed")
    with RunFolder.create(Catalogue(tmp_path).root, with_grader(run, "1+aa655831")) as folder:
        path = folder.path
    assert Catalogue(tmp_path).same_as(run) is None
    with pytest.raises(UserError, match=r"grader: 1\+aa655831 -> "):
        require_same(path, run)


def test_a_complete_run_asks_the_engine_nothing(tmp_path: Path, responses: Path) -> None:
    path, first = run_to_the_end(tmp_path, responses)
    before = (path / RECORD).read_bytes()
    _, again = run_to_the_end(tmp_path, responses)
    assert again == first
    assert (path / RECORD).read_bytes() == before


def test_what_the_engine_failed_on_is_asked_again(tmp_path: Path) -> None:
    responses = write_responses(tmp_path / "responses.jsonl", limit=12)
    plan = prepare(replay_spec(responses, limit=12))
    with RunFolder.create(tmp_path, plan.new_run("failing")) as folder:
        folder.append(
            Sample(
                problem_id="demo/test-0001",
                index=0,
                response="",
                finish_reason="error",
                seed=1,
                prompt_sum="",
            )
        )
    with RunFolder(folder.path) as again:
        assert not again.samples
        assert again.samples.torn == 0


def _on_a_full_disk(file: int, content: memoryview) -> int:
    """Write what a disk with three bytes left takes: a part, and then nothing."""
    if len(content) < 10:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return os.pwrite(file, content[:-5], 0)


def test_a_full_disk_is_one_clear_line_and_loses_nothing(
    tmp_path: Path, responses: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = prepare(replay_spec(responses, limit=12))
    with RunFolder.create(tmp_path, plan.new_run("full")) as folder:
        folder.append(
            Sample(
                problem_id="a",
                index=0,
                response="kept",
                finish_reason="stop",
                seed=1,
                prompt_sum="",
            )
        )
        monkeypatch.setattr("harness.runs.journal.os.write", _on_a_full_disk)
        with pytest.raises(UserError, match="No space left on device"):
            folder.append(
                Sample(
                    problem_id="b",
                    index=0,
                    response="lost",
                    finish_reason="stop",
                    seed=1,
                    prompt_sum="",
                )
            )
    with RunFolder(folder.path) as again:
        assert [key.problem_id for key in again.samples] == ["a"]


def test_a_results_folder_that_cannot_be_written_is_told(tmp_path: Path, responses: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    plan = prepare(replay_spec(responses, limit=12))
    with pytest.raises(UserError, match="cannot be stored"):
        RunFolder.create(tmp_path / "runs", plan.new_run("name"))


def test_runs_are_found_by_name_by_id_and_by_folder(tmp_path: Path, responses: Path) -> None:
    path, run = run_to_the_end(tmp_path, responses)
    for asked in ("replayed", run.id, run.id[:12], run.fingerprint[:10], str(path)):
        assert Catalogue(tmp_path).find_run(asked) == (path, run)
    with pytest.raises(UserError, match="known: replayed"):
        Catalogue(tmp_path).find_run("nothing")


ALIKE = ["a b", "a/b", "a-b", "a?b", "-a-b", "日本", "é", "e\u0301", "model", "..", "x" * 100,
         "x" * 101, version_folder("a b"), "v4@gsm8k-strict", "v4-gsm8k-strict"]  # fmt: skip
"""Names that are the same but for what a folder's name cannot hold."""


def test_no_two_names_share_a_folder() -> None:
    folders = {version_folder(name) for name in ALIKE}
    assert len(folders) == len(ALIKE)
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]{1,120}", folder) for folder in folders)


def test_ordinary_names_are_the_names_of_their_folders() -> None:
    stored = [path.name for path in (REPOSITORY / "results" / "runs").iterdir()]
    assert stored
    for name in (*stored, "Qwen2.5-0.5B_Instruct", "v4"):
        assert version_folder(name) == earlier_version_folder(name) == name


def test_runs_of_names_that_are_alike_are_told_apart(tmp_path: Path, responses: Path) -> None:
    plan, catalogue = prepare(replay_spec(responses, limit=12)), Catalogue(tmp_path)
    places = {}
    for name in ("a b", "a/b"):  # the same identity, in the same second
        run = plan.new_run(name)
        begun = new_run_id(run.fingerprint, datetime(2026, 1, 1, tzinfo=UTC))
        run = run.model_copy(update={"id": begun})
        assert catalogue.same_as(run) is None
        with RunFolder.create(catalogue.root, run) as folder:
            places[name] = folder.path
        assert catalogue.same_as(run) == folder.path
    assert places["a b"].parent != places["a/b"].parent


def test_a_run_in_a_folder_that_several_names_shared_is_gone_on_with(
    tmp_path: Path, responses: Path
) -> None:
    plan, catalogue = prepare(replay_spec(responses, limit=12)), Catalogue(tmp_path)
    run = plan.new_run("a/b")
    with RunFolder.create(catalogue.root, run) as folder:
        earlier = catalogue.root / "a-b" / folder.path.name
    earlier.parent.mkdir()
    folder.path.rename(earlier)
    assert catalogue.same_as(run) == earlier
    assert catalogue.same_as(plan.new_run("a b")) is None
    assert catalogue.find_run("a/b")[0] == earlier


def test_a_folder_that_was_not_yet_named_is_no_run(tmp_path: Path, responses: Path) -> None:
    path, _ = run_to_the_end(tmp_path, responses)
    shutil.copytree(path, path.with_name(f".{path.name}.123"))
    assert [found for found, _ in Catalogue(tmp_path).runs] == [path]


def test_a_record_of_another_schema_is_refused(tmp_path: Path, responses: Path) -> None:
    path, _ = run_to_the_end(tmp_path, responses)
    fields = json.loads((path / RECORD).read_text(encoding="utf-8"))
    (path / RECORD).write_text(json.dumps({**fields, "schema_version": 99}), encoding="utf-8")
    with pytest.raises(UserError, match="schema version 99"):
        read_run(path / RECORD)


def test_the_parquet_file_holds_every_sample_with_its_verdict(
    tmp_path: Path, responses: Path
) -> None:
    import pyarrow.parquet as pq

    path, run = run_to_the_end(tmp_path, responses)
    rows = pq.read_table(path / PARQUET).to_pylist()
    assert len(rows) == 12
    assert sum(row["outcome"] == "correct" for row in rows) == run.scores[0].correct == 4
    assert {row["outcome"] for row in rows} == {"correct", "wrong", "no answer"}
