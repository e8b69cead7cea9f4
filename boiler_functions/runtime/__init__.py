"""Runs a deployed app in the cloud: exported functions, events, logs, queues."""
