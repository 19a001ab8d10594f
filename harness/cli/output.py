"""Print what a command has to say: the one place through which its text reaches a terminal.

Records, tables of samples, published files and model names may come from strangers. Whatever of
them could steer a terminal, such as an escape sequence or a mark that reverses the writing
direction, is escaped here, so that no command has to think of it.
"""

from __future__ import annotations

import logging
import warnings
from typing import Any

import click

from harness.common.text import disarmed

_make_record = logging.getLogRecordFactory()
_format_warning = warnings.formatwarning


def echo(text: str, *, err: bool = False) -> None:
    """Print a text or a JSON document to standard output, or to standard error."""
    click.echo(disarmed(text), err=err)


def disarm_libraries() -> None:
    """Escape what libraries log, and warn of, in this process: they quote checkpoints and files."""
    logging.setLogRecordFactory(_disarmed_record)
    warnings.formatwarning = _disarmed_warning


def _disarmed_record(*args: Any, **fields: Any) -> logging.LogRecord:
    record = _make_record(*args, **fields)
    try:
        record.msg, record.args = disarmed(record.getMessage()), ()
    except Exception:  # noqa: BLE001 - a message that cannot be made, of which logging itself tells
        return record
    return record


def _disarmed_warning(*args: Any, **fields: Any) -> str:
    return disarmed(_format_warning(*args, **fields))
