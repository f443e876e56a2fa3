"""The root of every error this platform raises, and the domain's own."""

from __future__ import annotations


class AlphaError(Exception):
    """Root of all errors of the platform. The message is one line a person can act on."""


class Misconfigured(AlphaError):
    """Marks errors that a change of the command line or the configuration mends. Trying again changes nothing."""


class Unreachable(AlphaError):
    """Marks errors of something that does not answer now. Trying again later may help."""


class DomainError(AlphaError):
    """A value or an operation that the rules of trading do not allow."""


class InvalidValue(DomainError):
    """A value that cannot be: a negative quantity, a naive time, a malformed id."""


class InvariantViolated(DomainError):
    """Something that guards money is not true any more. Never caught to go on."""
