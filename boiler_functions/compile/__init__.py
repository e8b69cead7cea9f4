"""Checks declarations, and compiles them into the functions and services to deploy."""
