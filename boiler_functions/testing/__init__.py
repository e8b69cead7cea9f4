"""Runs an app in memory, for tests: write documents, deliver their events, and compare every view with a fresh build.

    with memory_app(app) as testing:
        City.new(doc_id="TOK", city_name="Tokyo").save()
        testing.deliver(duplicates=1, shuffle=7)
        assert_views_equal_rebuild(testing)

As in production, events come twice and in any order, and handlers race, crash and meet a database that fails. A failing
test names the seed that repeats the run.
"""

from boiler_functions.database.faults import Faults, Faulty
from boiler_functions.testing.app import MemoryApp, VirtualClock, memory_app
from boiler_functions.testing.http import http_client
from boiler_functions.testing.oracle import assert_views_equal_rebuild
from boiler_functions.testing.simulation import MAX_DELIVERIES, Delivery
from boiler_functions.testing.tokens import unsigned_token

__all__ = [
    "MAX_DELIVERIES",
    "Delivery",
    "Faults",
    "Faulty",
    "MemoryApp",
    "VirtualClock",
    "assert_views_equal_rebuild",
    "http_client",
    "memory_app",
    "unsigned_token",
]
