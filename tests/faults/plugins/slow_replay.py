"""An engine that replays saved responses as slowly as an engine that computes them.

It is a plug-in, installed by its metadata alone, so that the command that is killed is the one
that users run.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from harness.engines.base import Completion, Request
from harness.engines.replay import ReplayEngine


class SlowReplay(ReplayEngine):
    """Takes ``--engine-arg pause=SECONDS`` for each response."""

    about = "saved responses, played back slowly"

    def generate(self, requests: Iterable[Request]) -> Iterator[Completion]:
        """Yield the saved response of each request, each after a pause."""
        pause = float(self.setup.spec.args.get("pause", 0))
        for completion in super().generate(requests):
            time.sleep(pause)
            yield completion
