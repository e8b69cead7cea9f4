"""The same event function by hand, on functions_framework and google.cloud.firestore alone."""

import functions_framework
from cloudevents.http import CloudEvent
from google.cloud import firestore

_clients: list[firestore.Client] = []


@functions_framework.cloud_event
def city_view_on_cities(event: CloudEvent) -> None:
    """Writes the view of the event's city; a conflict raises, and the event is delivered again."""
    if not _clients:
        _clients.append(firestore.Client())
    write_city_view(_clients[0], event["document"])


def write_city_view(client: firestore.Client, path: str) -> None:
    """Writes the city's view, on the condition that nobody else has since it was read."""
    city_ref = client.document(path)
    view_ref = client.collection("bareCityViews").document(city_ref.id)
    view = view_ref.get()
    city = city_ref.get()
    country = city.get("country").get()
    content = {
        "name": city.get("name"),
        "population": city.get("population"),
        "country": country.get("name"),
        "currency": country.get("currency"),
        "continent": country.get("continent"),
    }
    if view.exists:
        view_ref.update(content, option=client.write_option(last_update_time=view.update_time))
    else:
        view_ref.create(content)
