"""The command line: one file a command, imported only when that command is run."""

from __future__ import annotations

import importlib
import io
import sys
from contextlib import suppress

import click

from benchmarks import hints
from benchmarks.errors import UserError, WrongValueError
from harness.cli.output import disarm_libraries, echo
from harness.common.text import printable

COMMANDS = {
    "eval": "Evaluate a checkpoint and store the run.",
    "train": "Train a checkpoint by a recipe.",
    "show": "Show one run: its scores, its problems, its responses.",
    "table": "Print the stored runs side by side.",
    "diff": "Compare two versions: better, worse, or no evidence.",
    "rank": "Rank many runs: which is the best, and can that be said?",
    "report": "Write an HTML page: scores, differences, plots, every sample.",
    "regrade": "Grade a stored run's samples again.",
    "score": "Score saved generations, this harness's or another's.",
    "grade": "Grade a file of (gold, response) pairs.",
    "check-determinism": "Draw the same requests several times: do the responses change?",
    "data": "Fetch and verify the benchmarks' files; build training data.",
    "list": "List benchmarks, engines, trainers, prompt styles, runs and published results.",
}
"""Every command's name and short help: `--help` imports none of them."""


def _option(name: str) -> str | None:
    """Return the option that sets a parameter of the command that is running, if it has one."""
    context = click.get_current_context(silent=True)
    parameters = [] if context is None else context.command.params
    options = (one.opts[0] for one in parameters if one.name == name)
    return next((option for option in options if option.startswith("--")), None)


hints.options_by(_option)

LONGEST = 4000
"""Characters of a message; what it quotes may be longer than anybody reads."""


class LazyGroup(click.Group):
    """A group whose commands live in ``harness.cli.<name>`` and load on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order people meet them."""
        return [*COMMANDS]  # `list` is a command of this package, once it is imported

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"harness.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: python -m harness eval --model demo --benchmarks demo",
)
@click.version_option(package_name="math-harness", prog_name="harness")
def cli() -> None:
    """Is this checkpoint better than that one, and are we sure?"""


def main() -> None:
    """Run the command line; every failure is one paragraph and an exit code.

    0 done; 1 failed; 2 an option or a value is refused; 3 what `diff --gate` asks for is not shown;
    70 a fault of the harness itself; 130 interrupted, and the same command goes on; 141 nobody
    reads the output any more.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may lack a character of ours
            stream.reconfigure(errors="backslashreplace")
    disarm_libraries()
    hints.begin(hints.start_of(sys.orig_argv, len(sys.argv) - 1))
    message, code = _run()
    if message:
        with suppress(OSError):  # standard error may be what takes nothing more
            echo(message, err=True)
    sys.exit(code)


def _run() -> tuple[str, int]:
    """Run the command line; return what to say of a failure, if anything, and the exit code.

    `click.Group.main` is not used: it takes every broken pipe and every end of a file, also those
    between our own processes, for the end of its user's interest.
    """
    try:
        with cli.make_context(hints.started_by(), sys.argv[1:]) as context:
            code = cli.invoke(context)
    except click.exceptions.Exit as end:
        return "", end.exit_code
    except click.ClickException as error:
        return _usage(error), error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return "\ninterrupted; the same command goes on from here", 130
    except UserError as error:
        wrong_usage = isinstance(error, WrongValueError)
        return f"harness: {printable(str(error), limit=LONGEST)}", 2 if wrong_usage else 1
    except SystemExit as end:
        return "", end.code if isinstance(end.code, int) else 0
    except BaseException as error:  # noqa: BLE001 - the last one: panics of Rust are no Exception
        from harness.cli.last_handler import told

        message, code = told(error, sys.argv[1:])
        return f"harness: {message}" if message else "", code
    return "", code if isinstance(code, int) else 0


def _usage(error: click.ClickException) -> str:
    """Return what click says of a wrong option, with the usage that belongs to it."""
    said = io.StringIO()
    error.show(said)
    return printable(said.getvalue().rstrip("\n"), limit=LONGEST)
