"""The command ``wyrm``: a subcommand per file.

To add one, write ``wyrm/cli/NAME.py`` (``some_name.py`` for ``some-name``) with

- a docstring: what ``wyrm NAME --help`` shows, the first paragraph above the options and the others below them;
- ``add_arguments(parser)``, which adds its options to an argparse parser;
- ``run(options)``, which does it, and returns None or an exit status;

and put its name and a line about it in `COMMANDS` of ``wyrm/cli/main.py``.  Only the file of the subcommand that is
asked for is imported, so these may import what they like.  Errors that a user can mend are raised as
`wyrm.cli.errors.UserError`, or come as they are from the library: OSError, ValueError, TypeError and ImportError end up
as one line on stderr and an exit status of 1.  Options that several subcommands have are in ``wyrm/cli/options.py``.
"""
