"""The cloud's side of a deployed app: exported functions, logs, queues."""
