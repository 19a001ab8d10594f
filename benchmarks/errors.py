"""The base class of all errors that the user can correct."""


class UserError(Exception):
    """An error that the user can correct. The command line prints it without a traceback.

    The message is one paragraph: what was asked, what was found, and what to do.
    """
