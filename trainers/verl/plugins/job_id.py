"""Trainings on one machine that do not take each other's weights; verl itself loads this plugin.

verl sends new weights to its rollouts through a socket whose name is the machine's, and puts
Ray's job id into the name "so two independent verl jobs on the same host cannot collide"
(`vllm_rollout.py` of verl 0.9.1). But each training that starts a Ray of its own is the first job
of it, and all have the same id, 01000000. Two trainings at a time then wait for each other for
ever, or one draws rollouts with the weights of the other. With the address of Ray's own server in
the id, it is verl's promise that holds.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable

from ray.runtime_context import RuntimeContext


def unique(job: str, address: str) -> str:
    """Return a job id that no job of another Ray on this machine has.

    >>> unique("01000000", "10.0.0.1:6379")
    '01000000-da8f5341'
    """
    return f"{job}-{hashlib.sha256(address.encode()).hexdigest()[:8]}"


def _unique_job_id(get_job_id: Callable[[RuntimeContext], str]) -> Callable[[RuntimeContext], str]:
    @functools.wraps(get_job_id)
    def found(context: RuntimeContext) -> str:
        return unique(get_job_id(context), context.gcs_address)

    return found


RuntimeContext.get_job_id = _unique_job_id(RuntimeContext.get_job_id)
