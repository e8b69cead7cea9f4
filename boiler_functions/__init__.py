"""Serverless read models on Firestore: compiles declared views into Cloud Functions."""

# First, as the other modules import marshmallow.
from boiler_functions.models import deferred as _deferred  # noqa: F401

# isort: split

from boiler_functions import access, attrs
from boiler_functions.access import Caller
from boiler_functions.app import Boiler
from boiler_functions.exceptions import BoilerError, Rejected, Undeliverable
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.embedded import Embedded
from boiler_functions.models.session import use
from boiler_functions.modes.on_change.declaration import Changed
from boiler_functions.modes.on_change.webhook import Webhook
from boiler_functions.settings.http import HttpSettings
from boiler_functions.settings.sockets import SocketSettings
from boiler_functions.types import GeoPoint
from boiler_functions.views.copy import Copy, one_of
from boiler_functions.views.operations import operation
from boiler_functions.views.references import (
    children,
    matching,
    parent,
    parents,
    reference,
    references,
    referrers,
)
from boiler_functions.views.store import Store
from boiler_functions.views.view_model import ViewModel

__all__ = [
    "Boiler",
    "BoilerError",
    "Caller",
    "Changed",
    "Copy",
    "DomainModel",
    "Embedded",
    "GeoPoint",
    "HttpSettings",
    "Rejected",
    "SocketSettings",
    "Store",
    "Undeliverable",
    "ViewModel",
    "Webhook",
    "access",
    "attrs",
    "children",
    "matching",
    "one_of",
    "operation",
    "parent",
    "parents",
    "reference",
    "references",
    "referrers",
    "use",
]

__version__ = "0.1.0"
