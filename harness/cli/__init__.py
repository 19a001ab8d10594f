"""The command line: one file a command, imported only when that command is run."""

from __future__ import annotations

import importlib
import io
import sys

import click

from benchmarks import hints
from benchmarks.errors import UserError, WrongValueError
from harness.common.text import printable

COMMANDS = {
    "eval": "Evaluate a checkpoint and store the run.",
    "train": "Train a checkpoint by a recipe.",
    "show": "Show one run: its scores, its problems, its responses.",
    "table": "Print the stored runs side by side.",
    "diff": "Compare two versions: better, worse, or no evidence.",
    "report": "Write an HTML page: scores, differences, plots, every sample.",
    "regrade": "Grade a stored run's samples again.",
    "score": "Score saved generations, this harness's or another's.",
    "grade": "Grade a file of (gold, response) pairs.",
    "check-determinism": "Draw the same requests several times: do the responses change?",
    "data": "Fetch and verify the benchmarks' files; build training data.",
    "list": "List benchmarks, engines, trainers, prompt styles, runs and published results.",
}
"""Every command's name and short help: `--help` imports none of them."""


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
    """Run the command line; every expected failure is one paragraph and an exit code.

    0 done; 1 failed; 2 an option or a value is refused; 130 interrupted, and the same command goes
    on.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may lack a character of ours
            stream.reconfigure(errors="backslashreplace")
    hints.begin(hints.start_of(sys.orig_argv, len(sys.argv) - 1))
    try:
        code = cli.main(prog_name=hints.started_by(), standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; the same command goes on from here", err=True)
        sys.exit(130)
    except UserError as error:
        click.echo(f"harness: {printable(str(error))}", err=True)
        sys.exit(2 if isinstance(error, WrongValueError) else 1)
    except BrokenPipeError:  # `… | head` has read enough
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)
