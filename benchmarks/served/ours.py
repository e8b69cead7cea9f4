"""An event function of the package: `city_view_on_cities`."""

from functions.world import app

app.export(globals())
