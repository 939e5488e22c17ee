"""From the words of a command line to the subcommand, and from its errors to an exit status."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from wyrm._version import __version__
from wyrm.cli.errors import UserError

# In the order of `wyrm --help`.
COMMANDS = {
    "fit": "train a model on a file and save it",
    "predict": "predict for the rows of a file",
    "evaluate": "tell how good the predictions for a file are",
    "info": "tell what a saved model holds",
    "word2vec": "learn vectors of words from text",
    "nearest": "print the keys whose vectors are most similar to those of some keys",
    "config": "print version, instruction set, BLAS and threads",
}

DESCRIPTION = "Sparse models on the CPU."
EPILOG = "`wyrm COMMAND --help` tells more about a command. Without one, wyrm prints its configuration."


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The words after the program's name; by default those that it was started with.

    Returns
    -------
    int
        The exit status: 0, or 1 after an error that has been printed, or 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        With status 2 if the words are wrong, and 0 after ``--help`` and ``--version``, as argparse does.
    """
    words = list(sys.argv[1:] if argv is None else argv) or ["config"]
    options = _parser(words[0]).parse_args(words)
    try:
        status: int | None = importlib.import_module(_module(options.command)).run(options)
        sys.stdout.flush()
        return status or 0
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _fail("interrupted", 130)
    except MemoryError as error:
        return _fail(f"out of memory: {error}" if str(error) else "out of memory", 1)
    except (UserError, OSError, ValueError, TypeError, FloatingPointError, ImportError) as error:
        if options.traceback:
            raise
        if isinstance(error, OSError) and error.strerror and error.filename is not None:
            return _fail(f"{error.filename}: {error.strerror}", 1)
        return _fail(str(error) or type(error).__name__, 1)


def _fail(message: str, status: int) -> int:
    print(f"wyrm: {' '.join(message.split())}", file=sys.stderr)
    return status


def _module(command: str) -> str:
    return f"wyrm.cli.{command.replace('-', '_')}"


def _parser(command: str) -> argparse.ArgumentParser:
    """The parser of all commands, with the options of `command` alone."""
    parser = argparse.ArgumentParser(
        prog="wyrm", description=DESCRIPTION, epilog=EPILOG, formatter_class=_Formatter, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"wyrm {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        if name != command:
            commands.add_parser(name, help=summary)
            continue
        module = importlib.import_module(_module(name))
        description, _, epilog = (module.__doc__ or "").partition("\n\n")
        own = commands.add_parser(
            name,
            help=summary,
            description=description,
            epilog=epilog or None,
            formatter_class=_Formatter,
            allow_abbrev=False,
        )
        module.add_arguments(own)
        own.add_argument("--traceback", action="store_true", help="show where in the program an error comes from")
    return parser


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Help as it is written."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30)
