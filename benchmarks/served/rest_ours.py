"""The HTTP function of the package: `api`."""

from benchmarks.served.rest_app import app

app.export(globals())
