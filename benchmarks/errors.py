"""The errors that the user can correct."""


class UserError(Exception):
    """An error that the user can correct. The command line prints it without a traceback.

    The message is one paragraph: what was asked, what was found, and what to do.
    """


class WrongValueError(UserError):
    """A value that was given is refused: the command line ends with the code of wrong usage.

    It is unknown or out of range, names nothing that there is, or does not go with the others.
    """
