"""The environment variables of a function that queues the rest of a fan-out; read without the client of Cloud Tasks."""

from typing import Final

QUEUE: Final = "BOILER_QUEUE"
URL: Final = "BOILER_CONTINUATIONS_URL"
SERVICE_ACCOUNT: Final = "BOILER_TASKS_SERVICE_ACCOUNT"
