"""Find out which neutral parameters a server really refuses, where its error only mentions them.

An error may quote the whole request, or list what the server accepts. So a parameter that only
stands in the words of an error is suspected, and what the server answers to another form decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from harness.engines.base import Completion
from harness.engines.openai.protocol import REFUSED, Failure

Values = Mapping[str, tuple[float, ...]]
"""By parameter, the values that the server has not refused; the first is sent, and none if there
is none."""
PROBE_TOKENS = 16
"""The most tokens of a response that is only asked for to see whether the server takes a form."""


async def accepted_values(
    ask: Callable[[Values], Awaitable[Completion | Failure]],
    values: Values,
    refusal: Failure,
    *,
    accepted: Collection[str],
) -> Values | Failure:
    """Return the values that the server accepts, or the failure that is to be told.

    First everything that the refusals mention is changed until the server answers. If it does
    not, they are about something else. If it does, each changed parameter is put back alone: what
    the server then answers to is not what it refused.

    Args:
        ask: sends the request with other values.
        values: those that were refused.
        refusal: what the server said.
        accepted: parameters that the server has answered to before, which are never changed.
    """
    trial, told = values, refusal
    while True:
        changed = _next(trial, {*told.named, *told.quoted} - {*accepted})
        if changed == trial:
            return refusal
        trial = changed
        result = await ask(trial)
        if isinstance(result, Completion):
            break
        if result.status not in REFUSED:
            return result
        told = result
    for name in [name for name in values if trial[name] != values[name]]:
        for place in range(len(values[name]) - len(trial[name])):
            candidate = {**trial, name: values[name][place:]}
            result = await ask(candidate)
            if isinstance(result, Completion):
                trial = candidate
                break
            if result.status not in REFUSED:
                return result
    return trial


def _next(values: Values, names: Iterable[str]) -> Values:
    return {name: left[1:] if name in names else left for name, left in values.items()}
