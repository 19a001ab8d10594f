"""The root of every error a person can mend."""


class UserError(Exception):
    """A fault the user can mend; the command line prints it as one paragraph, without a traceback.

    The message says what was asked, what was found, and what to do.
    """
