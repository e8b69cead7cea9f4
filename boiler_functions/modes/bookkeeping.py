"""The collections that functions keep for themselves, beside the models and the views."""

from __future__ import annotations

from boiler_functions.modes import cloud_build, dead_letter, ledger, marker, migration, outbox, registry, secret, staged
from boiler_functions.views import keeping

BOOKKEEPING = (
    ledger.COLLECTION,
    ledger.COPIES,
    staged.COLLECTION,
    marker.COLLECTION,
    dead_letter.COLLECTION,
    outbox.COLLECTION,
    secret.COLLECTION,
    registry.COLLECTION,
    migration.COLLECTION,
    migration.LEFT,
    cloud_build.COLLECTION,
    cloud_build.RANGES,
    keeping.HEADS,
    keeping.SHARDS,
    keeping.CONTRIBUTIONS,
)
