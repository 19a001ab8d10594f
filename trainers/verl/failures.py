"""Says in one paragraph why a training failed, from verl's log with its many lines of Ray."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from harness.common.text import one_line
from harness.common.tracebacks import Failure, Line, clear_chain, find_chains, read_log
from trainers.verl.advice import ADVICE, DIED, Advice

LONGEST = 400
"""Characters of an exception's message that are shown."""

_HYDRA = re.compile(
    r"^(?:Could not override '|Key '[^']*' is not in struct|Error merging override |In '[^']+': "
    r"|Could not find '|no viable alternative at input|mismatched input )"
)
_INFORMING = re.compile(r"\b(?:INFO|DEBUG)\b")


def cause_of(log: Path, code: int | None = None) -> str:
    """Say in one paragraph why verl failed and what to do, from the end of its log.

    ``code`` is verl's exit code, negative if a signal ended it. The paragraph does not end with
    a full stop and does not name the log.
    """
    read = read_log(log)
    return _told(read) or _without_words([line.text for line in read], code)


def cause_of_wait(log: Path, seen: str) -> str:
    """Say why verl waits for ever, from its log and from what was seen of it; see `cause_of`."""
    told = _told(read_log(log))
    if told:
        return f"{one_line(seen, limit=LONGEST)}: {told}"
    return f"{one_line(seen, limit=LONGEST)}; {DIED}" if "has died" in seen else seen


def _told(read: Sequence[Line]) -> str:
    """Return what the log says of the cause, with advice; an empty text if it says nothing."""
    lines = [line.text for line in read]
    chains = find_chains(read)
    if not chains and (complaint := _hydra_complaint(lines)):
        return _with_advice(complaint, _advice(complaint))
    chain = clear_chain(chains)
    for failure in chain:
        if advice := _advice(failure.text):
            return _with_advice(failure.shown, advice)
    if chain:
        return _unknown(chain)
    # No exception names the cause: a process may have written it to the log before it died.
    for advice in ADVICE:
        if advice.anywhere and (line := _last_with(lines, advice)):
            vague = chains[-1][0].shown if chains else line
            return _with_advice(vague if advice.about_death else line, advice)
    return _unknown(chains[-1]) if chains else ""


def _hydra_complaint(lines: Sequence[str]) -> str:
    """Return what Hydra says about a setting, which it prints without a traceback."""
    said = [line.strip() for line in lines if _HYDRA.match(line)]
    return " ".join(said[:3])


def _advice(text: str) -> Advice | None:
    return next((advice for advice in ADVICE if advice.pattern.search(text)), None)


def _last_with(lines: Sequence[str], advice: Advice) -> str:
    """Return the last line that shows a known failure and is not only information."""
    telling = (line for line in reversed(lines) if advice.pattern.search(line))
    return next((line for line in telling if not _INFORMING.search(line)), "")


def _with_advice(what: str, advice: Advice | None) -> str:
    said = one_line(what, limit=LONGEST).rstrip(".")
    return f"{said}; {advice.said}" if advice else said


def _unknown(chain: Sequence[Failure]) -> str:
    first, last = chain[0], chain[-1]
    said = one_line(first.shown, limit=LONGEST).rstrip(".")
    if first.place:
        said += f" ({one_line(first.place, limit=120)})"
    return said if last is first else f"{said}, then {one_line(last.shown, limit=LONGEST)}"


def _without_words(lines: Sequence[str], code: int | None) -> str:
    last = next((line for line in reversed(lines) if line.strip()), "")
    if last == "KeyboardInterrupt":
        return "verl was interrupted by a signal"
    said = f"its last line is: {one_line(last, limit=200)}" if last else "its log is empty"
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = (
            "; the system kills a process that needs more memory than there is (see dmesg): try "
            "smaller batches or a shorter context"
            if -code == signal.SIGKILL
            else ""
        )
        return f"verl was ended by {name} without saying why{hint}; {said}"
    return f"verl ended{'' if code is None else f' with exit code {code}'} without an error; {said}"
