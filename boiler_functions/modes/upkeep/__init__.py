"""Upkeep: the app looks after itself, once a minute."""
