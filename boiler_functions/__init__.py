"""Serverless read models on Firestore: declared views, compiled into Cloud Functions."""

from boiler_functions import access, attrs
from boiler_functions.access import Caller
from boiler_functions.app import Boiler
from boiler_functions.exceptions import BoilerError, Rejected
from boiler_functions.http_settings import HttpSettings
from boiler_functions.models import DomainModel, Embedded
from boiler_functions.modes.outbox import Changed
from boiler_functions.operations import operation
from boiler_functions.session import use
from boiler_functions.socket_settings import SocketSettings
from boiler_functions.store import Store, matching, reference, references, referrers
from boiler_functions.types import GeoPoint
from boiler_functions.view_models import ViewModel
from boiler_functions.webhook import Webhook

__all__ = [
    "Boiler",
    "BoilerError",
    "Caller",
    "Changed",
    "DomainModel",
    "Embedded",
    "GeoPoint",
    "HttpSettings",
    "Rejected",
    "SocketSettings",
    "Store",
    "ViewModel",
    "Webhook",
    "access",
    "attrs",
    "matching",
    "operation",
    "reference",
    "references",
    "referrers",
    "use",
]
