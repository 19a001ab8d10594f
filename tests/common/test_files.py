"""Files and folders that are there whole or not at all."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchmarks import WrongValueError
from harness.common import files
from harness.common.files import (
    file_sum,
    new_folder,
    own_descriptor,
    refuse_overwriting,
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
        "with replacing(pathlib.Path(sys.argv[1])) as file:\n"
        "    file.write(b'new')\n"
        "    file.flush()\n"
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
        with replacing(path) as file:
            file.write(b"new")
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


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o666])
def test_who_may_read_a_replaced_file_stays(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    (tmp_path / "link").symlink_to("file")
    with replacing(tmp_path / "link"):
        (partial,) = tmp_path.glob(".*")
        assert partial.stat().st_mode == path.stat().st_mode, "not even while it is written"
    assert path.stat().st_mode & 0o777 == mode


def test_who_may_read_a_replaced_folder_stays(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir(mode=0o700)
    with replacing_folder(tmp_path / "folder") as folder:
        (folder / "file").touch()
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("way", ["itself", "another path", "symlink", "hard link"])
def test_an_input_is_not_overwritten(way: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    output = tmp_path / "other"
    if way == "symlink":
        output.symlink_to(path)
    elif way == "hard link":
        output.hardlink_to(path)
    else:
        output = path if way == "itself" else tmp_path / "." / ".." / tmp_path.name / "file"
    with pytest.raises(WrongValueError, match="it is read as"):
        refuse_overwriting(output, [tmp_path / "missing", path])
    refuse_overwriting(tmp_path / "new", [path])
    refuse_overwriting(Path("/dev/null"), [Path("/dev/null")])


def test_a_folder_and_a_socket_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="that is a folder"):
        write_atomically(tmp_path, "new")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        with pytest.raises(OSError, match="a disk or a socket"):
            write_atomically(tmp_path / "socket", "new")
    assert names(tmp_path) == ["socket"]


def test_a_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("pipe")
    before = pipe.lstat()
    with ThreadPoolExecutor(1) as reader:
        for path in (pipe, tmp_path / "link"):
            read = reader.submit(pipe.read_text)
            write_atomically(path, "new")
            assert read.result() == "new"
    assert (pipe.lstat().st_ino, pipe.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert names(tmp_path) == ["link", "pipe"]


def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "file"
    link = tmp_path / "link"
    link.symlink_to(Path("elsewhere", "file"))
    (tmp_path / "further").symlink_to("link")
    for content in ("made", "new"):  # a link that leads nowhere yet, and one that leads to a file
        old = target.stat().st_ino if target.exists() else None
        with replacing(tmp_path / "further") as file:
            file.write(content.encode())
            assert not target.exists() or target.read_text() == "made"  # whole, or not at all
        assert target.read_text() == content
        assert target.stat().st_ino != old
    assert os.readlink(link) == "elsewhere/file"
    assert (names(tmp_path), names(target.parent)) == (["elsewhere", "further", "link"], ["file"])


def test_links_in_a_circle_are_refused_and_stay(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(tmp_path / "one", "new")
    assert names(tmp_path) == ["one", "two"]
    assert (tmp_path / "one").is_symlink()


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_what_the_shell_opened_is_continued(name: str, tmp_path: Path) -> None:
    program = (
        "import pathlib, sys; from harness.common.files import write_atomically\n"
        "write_atomically(pathlib.Path(sys.argv[1]), 'new, ')\n"
        "print('and more', end='')\n"
    )
    path = tmp_path / "log"
    path.write_text("old, ")
    with path.open("a") as log:
        subprocess.run([sys.executable, "-c", program, name], stdout=log, check=True)
    assert path.read_text() == "old, new, and more"
    piped = subprocess.run([sys.executable, "-c", program, name], capture_output=True, check=True)
    assert piped.stdout == b"new, and more"


def test_only_a_path_that_stands_for_an_open_file_is_a_descriptor(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("")
    (tmp_path / "link").symlink_to("/dev/fd/7")
    found = [own_descriptor(Path(p)) for p in (tmp_path / "1", tmp_path / "link", "/dev/stderr")]
    assert found == [None, 7, 2]


@pytest.mark.parametrize("write", [new_folder, replacing_folder])
def test_a_link_to_a_folder_stays(
    write: Callable[[Path], AbstractContextManager[Path]], tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    with write(tmp_path / "link") as partial:
        (partial / "file").write_text("new")
    assert os.readlink(tmp_path / "link") == "folder"
    assert names(tmp_path / "folder") == ["file"]
    assert names(tmp_path) == ["folder", "link"]


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
