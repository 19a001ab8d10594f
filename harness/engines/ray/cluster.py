"""A Ray cluster on this machine for one run. A guard process ends all of it when the run ends.

Ray's daemons die with the process that started them, but not everything that they start: after
`kill -9`, agents are left behind. So Ray is started in a process of its own, `python -m
harness.engines.ray.cluster FILE`, below a guard (`harness.common.process_guard`). That process
writes Ray's address into the file, and waits until it is ended.
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
"""Seconds that Ray has to end by itself before it is killed."""
START_SECONDS = 120.0
"""Seconds that Ray has to start; they are generous, since the machine may be busy."""
STORE_BYTES = 128 << 20
"""Bytes of Ray's object store. Ray would take a third of the memory, but responses are small."""
LOOK = 0.1
"""Seconds between two checks whether Ray has started."""


def own_ray_environment() -> dict[str, str]:
    """Return the variables that this process needs before it imports Ray, to join its own cluster.

    Only a process that knows the cluster's token can join it. The token is made here, for this
    cluster alone.
    """
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


class RayHost:
    """A Ray cluster of our own, which inherits the variables of `own_ray_environment`."""

    def __init__(self) -> None:
        """Start the cluster without waiting; `address` waits until it can be joined."""
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
                start_new_session=True,  # the driver alone handles Ctrl-C
            )

    def close(self) -> None:
        """End the cluster and all processes that it started."""
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()
        self._folder.cleanup()

    def address(self) -> str:
        """Wait until the cluster can be joined, and return its address.

        Raises:
            UserError: the cluster does not start.
        """
        give_up = time.monotonic() + START_SECONDS
        while not self._place.exists():
            if self._guard.poll() is not None or time.monotonic() > give_up:
                log = self._log.read_text(encoding="utf-8", errors="replace")
                raise UserError(
                    "the ray engine: Ray does not start on this machine: "
                    f"{last_line(log) or f'it said nothing in {START_SECONDS:g} s'}"
                )
            time.sleep(LOOK)
        return self._place.read_text(encoding="utf-8")

    @property
    def _log(self) -> Path:
        return self._place.with_name("log")


def main(file: str) -> None:
    """Start Ray, write its address into ``file``, and wait to be ended."""
    import ray

    context = ray.init(
        address="local",
        include_dashboard=False,
        object_store_memory=STORE_BYTES,
        logging_level="ERROR",
        log_to_driver=False,
    )
    unfinished = Path(f"{file}.{os.getpid()}")
    unfinished.write_text(context.address_info["gcs_address"], encoding="utf-8")
    unfinished.rename(file)  # so that a reader finds the whole address in the file
    signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
