"""What a user of the command line can mend."""


class UserError(Exception):
    """Ends the program with one line on stderr and exit status 1."""
