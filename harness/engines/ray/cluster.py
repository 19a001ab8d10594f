"""Ray on this machine for one run, below a guard: with the driver, however it ends, all of it ends.

Ray's own daemons die with their driver, but not all that they start: killed with -9, a driver
leaves agents behind. So Ray is started in a process of its own, `python -m
harness.engines.ray.cluster FILE`, which writes Ray's address into the file and waits to be ended.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import UserError
from harness.common.process_guard import guard_command
from harness.common.text import last_line

GRACE = 5.0
"""Seconds that Ray has to end by itself."""
START_SECONDS = 120.0
"""For Ray to start; generous, since the machine may be busy."""
STORE_BYTES = 128 << 20
"""Of Ray's object store, which would take a third of the memory; responses are small."""
LOOK = 0.1


def own_ray_environment() -> dict[str, str]:
    """Return what this process needs in its environment before it imports Ray, to join its own.

    Ray lets nobody join who does not know its token; ours is made here and told to nobody else.
    """
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


class RayHost:
    """A Ray of our own; it has this process's environment, see `own_ray_environment`."""

    def __init__(self) -> None:
        """Start it; `address` waits until it can be joined."""
        self._folder = tempfile.TemporaryDirectory(prefix="harness-ray-")
        self._place = Path(self._folder.name) / "address"
        with self._log.open("wb") as log:
            self._guard = subprocess.Popen(
                [
                    *(*guard_command(), str(GRACE)),
                    *(sys.executable, "-P", "-m", "harness.engines.ray.cluster", str(self._place)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # the terminal's Ctrl-C is for the driver alone
            )

    def close(self) -> None:
        """End it, and all that it started."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()
        self._folder.cleanup()

    def address(self) -> str:
        """Wait until it can be joined, and return where.

        Raises:
            UserError: it does not start.
        """
        give_up = time.monotonic() + START_SECONDS
        while not self._place.exists():
            if self._guard.poll() is not None or time.monotonic() > give_up:
                said = self._log.read_text(encoding="utf-8", errors="replace")
                raise UserError(
                    "--engine ray: Ray does not start on this machine: "
                    f"{last_line(said) or f'nothing in {START_SECONDS:g} s'}"
                )
            time.sleep(LOOK)
        return self._place.read_text(encoding="utf-8")

    @property
    def _log(self) -> Path:
        return self._place.with_name("log")


def main(file: str) -> None:
    """Start Ray, say where it is, and wait for the end."""
    import ray

    context = ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=STORE_BYTES,
        logging_level="ERROR",
        log_to_driver=False,
    )
    unborn = Path(f"{file}.{os.getpid()}")
    unborn.write_text(context.address_info["gcs_address"], encoding="utf-8")
    unborn.rename(file)  # whoever waits for the file finds the whole address in it
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
