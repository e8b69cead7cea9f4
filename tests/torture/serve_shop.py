"""Serves the shop as Google runs it."""

from tests.torture.shop import app

app.export(globals())
