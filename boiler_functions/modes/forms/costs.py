"""Estimates the cost of one form of a task."""

from __future__ import annotations

from boiler_functions.database.metered import Usage
from boiler_functions.modes.forms.task import Task
from boiler_functions.views.fetching import Assumed, Walk, size_of
from boiler_functions.views.queries import Queried


def cost_of(task: Task, assumed: Assumed) -> Usage:
    """Returns the least cost of one form; documents that user code reads besides its Store add to it."""
    markers = 2 if task.on_completion == "keep" else 1
    walk = Walk(task.view.store_class, assumed)
    # For a form that is kept, also the marker that the previous version of this package may have left.
    walk.read(walk.named(), beside=markers + 1 + (task.on_completion == "keep"))
    walk.follow()
    read = [each for each in task.view.store_class.sources if not isinstance(each, Queried) and each.verify]
    found = [each for each in task.view.store_class.sources if isinstance(each, Queried)]
    serializable = task.isolation == "serializable"
    checked = sum(size_of(each, assumed) for each in read) if serializable else 0
    again = [walk.query(each) for each in found] if serializable else []
    walk.commit(markers + 1 + max(1, len(task.writes)) + checked)
    return sum(again, walk.usage)
