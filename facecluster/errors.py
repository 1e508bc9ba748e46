"""What can go wrong that a user can mend.

    FaceclusterError            exit code 1: nothing (more) could be done
    ├── UsageError              exit code 2: the command line does not make sense
    ├── ModelError              a weight file is missing, corrupt or cannot be fetched
    ├── TableError              a face table cannot be read, or does not fit its use
    │   └── UnsafePickleError   a pickle wants to do more than hold numbers
    ├── PhotoError              one photo cannot be read; in a batch it becomes a row with a reason
    ├── OutputError             a result cannot be written: disk full, no permission, not ours to replace
    ├── DecisionsLackError      what a person said is not there any more, and people would lose names
    └── DeclinedError           the user was asked, and said no: no error, but nothing was done

The message says what is wrong, where, and what to do. The command line prints it on stderr, without a traceback.
"""

from __future__ import annotations


class FaceclusterError(Exception):
    """Base of every error that a user can act on."""

    exit_code = 1


class UsageError(FaceclusterError):
    """The arguments of the command line do not make sense together."""

    exit_code = 2


class ModelError(FaceclusterError):
    """A weight file is missing, corrupt, or cannot be fetched."""


class TableError(FaceclusterError):
    """A face table cannot be read, or does not fit what is asked of it."""


class UnsafePickleError(TableError):
    """A pickle names something other than NumPy arrays and built-in containers; nothing in it was run."""


class PhotoError(FaceclusterError):
    """One photo cannot be read. In a batch it becomes a row with this reason."""


class OutputError(FaceclusterError):
    """A result cannot be written."""


class DecisionsLackError(FaceclusterError):
    """No decision gives names that people have; the file of the decisions is gone or was cut short."""


class DeclinedError(FaceclusterError):
    """The user was asked, and said no; the message says what that leaves as it was."""
