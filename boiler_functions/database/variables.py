"""The environment variables that say where the database is; they are read without Firestore's client."""

from typing import Final

EMULATOR_HOST: Final = "FIRESTORE_EMULATOR_HOST"
PROJECT: Final = "GOOGLE_CLOUD_PROJECT"
DATABASE: Final = "BOILER_DATABASE"
