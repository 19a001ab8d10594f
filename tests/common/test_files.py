"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.common import files
from harness.common.files import (
    file_sum,
    new_folder,
    remove_abandoned,
    replacing,
    replacing_folder,
    write_atomically,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("content", "stored"), [("gruß\n", "gruß\n".encode()), (b"\0", b"\0")])
def test_a_file_gets_its_new_content(content: str | bytes, stored: bytes, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old and longer")
    write_atomically(path, content)
    assert path.read_bytes() == stored
    assert names(tmp_path) == ["file"]


def test_a_killed_writer_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    program = (
        "import os, pathlib, signal, sys; from harness.common.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('new')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(names(tmp_path)) == 2
    remove_abandoned(tmp_path)
    assert names(tmp_path) == ["file"]


def test_an_error_before_the_end_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail_after_writing() -> None:
        with replacing(path) as partial:
            partial.write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_writing()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_content_is_on_the_disk_before_the_file_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flushed = tmp_path / "file", []

    def fsync(descriptor: int) -> None:
        assert not path.exists()
        flushed.append(os.pread(descriptor, 100, 0))

    monkeypatch.setattr(files.os, "fsync", fsync)
    write_atomically(path, "new")
    assert flushed == [b"new"]


def test_a_full_disk_leaves_the_old_content_and_is_no_user_error_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fsync(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left") as raised:
        write_atomically(path, "new")
    assert type(raised.value) is OSError
    assert path.read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_the_usual_rights_of_a_new_file(tmp_path: Path) -> None:
    (tmp_path / "usual").write_text("")
    write_atomically(tmp_path / "file", "")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_only_a_file_is_replaced(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="that is a folder"):
        write_atomically(tmp_path, "new")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="a device or a pipe"):
        write_atomically(tmp_path / "pipe", "new")
    assert names(tmp_path) == ["pipe"]


def test_a_new_folder_is_there_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder"
    with new_folder(path) as partial:
        (partial / "file").write_text("new")
        assert not path.exists()
    assert (path / "file").read_text() == "new"
    assert names(path.parent) == ["folder"]


def test_a_new_folder_takes_the_place_of_an_empty_one_and_of_no_other(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    with new_folder(path) as partial:
        (partial / "file").write_text("old")
    with pytest.raises(OSError, match="not empty"), new_folder(path) as partial:
        (partial / "file").write_text("new")
    assert (path / "file").read_text() == "old"
    assert names(tmp_path) == ["folder"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "gone").write_text("old")
    with replacing_folder(path) as partial:
        (partial / "file").write_text("new")
        assert names(path) == ["gone"]
    assert names(path) == ["file"]
    assert names(tmp_path) == ["folder"]


def test_an_error_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "file").write_text("old")
    with pytest.raises(RuntimeError), replacing_folder(path):
        raise RuntimeError
    rename = Path.rename

    def refuse_the_new_one(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_the_new_one)
    with pytest.raises(OSError, match="Permission denied"), replacing_folder(path) as partial:
        (partial / "file").write_text("new")
    assert (path / "file").read_text() == "old"
    assert names(tmp_path) == ["folder"]


def test_every_file_of_a_folder_is_on_the_disk_before_the_folder_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, flushed = tmp_path / "folder", set()

    def fsync(descriptor: int) -> None:
        assert not path.exists()
        flushed.add(os.pread(descriptor, 100, 0))

    monkeypatch.setattr(files.os, "fsync", fsync)
    with new_folder(path) as partial:
        (partial / "inner").mkdir()
        (partial / "one").write_text("1")
        (partial / "inner" / "two").write_text("2")
    assert flushed == {b"1", b"2"}


def test_what_a_running_process_writes_is_not_abandoned(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / f".folder.{gone.pid}.partial").mkdir()
    (tmp_path / f".file.{gone.pid}.partial").write_text("")
    kept = [f".file.{os.getpid()}.partial", ".file.partial", f"file.{gone.pid}.partial"]
    for name in kept:
        (tmp_path / name).write_text("")
    remove_abandoned(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_a_checksum_is_the_content_s_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert file_sum(tmp_path / "file") == hashlib.sha256(b"content").hexdigest()
