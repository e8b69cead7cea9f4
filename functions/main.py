"""What Google Cloud runs: a function for every trigger of the app."""

from meeting_room import app

app.export(globals())
