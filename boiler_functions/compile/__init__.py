"""Declarations, checked and compiled into the functions and services to deploy."""
