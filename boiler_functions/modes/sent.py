"""Distinguishes the values that a client sent from those that the code computed."""

from __future__ import annotations

from collections.abc import Mapping

from boiler_functions.exceptions import InvalidPath, InvalidValue, Permanent, TooLarge
from boiler_functions.types import Reference

REASONS: Mapping[type[Permanent], str] = {
    InvalidPath: "A value is used as the id of a document, and no document can have it.",
    TooLarge: "With these values a document would be larger than Firestore can hold.",
}
"""The reasons that a sender reads if the values cause these errors, which no declaration could prevent."""


def is_of_sender(error: InvalidValue, sent: object) -> bool:
    """Whether what a model refuses is what was sent, or was not sent; a value that the code made is the code's fault.

    A setter that hands on what it is given leaves it to the model to refuse, and the sender can mend it. Of any other
    value the sender knows nothing.
    """
    return all(_is_part(value, sent) for value in error.values.values())


def _is_part(value: object, sent: object) -> bool:
    if isinstance(value, Reference):
        return any(_is_part(name, sent) for name in (value.path, value.path.rpartition("/")[2]))
    if type(value) is type(sent) and value == sent:
        return True
    if isinstance(sent, Mapping):
        return any(_is_part(value, each) for each in sent.values())
    return isinstance(sent, list | tuple) and any(_is_part(value, each) for each in sent)
