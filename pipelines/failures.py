"""How a command ends other than well; each has an exit code."""


class Failure(Exception):
    """Something that the user has to know, told without a traceback."""

    exit_code = 1


class UnknownSubjectError(Failure):
    """The run wrote nothing about the subject."""


class TooManyRejectedError(Failure):
    """More signals were rejected than `--max-rejected` allows."""

    exit_code = 3


class SignalsLostError(Failure):
    """The counts of a run do not add up: its outputs cannot be trusted."""

    exit_code = 4
