"""Documents that lack a field: a query that leaves them out, although a getter would choose them, is warned of."""

from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, children, matching, reference, referrers, use
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidDocument
from boiler_functions.plan.advice import advice_on, misses
from boiler_functions.views.store import Source


class Owner(DomainModel):
    class Meta:
        collection_name = "owners"


class Task(DomainModel):
    class Meta:
        collection_name = "tasks"

    status = attrs.string(default="open")
    done = attrs.boolean()
    rank = attrs.integer(required=True, default=1)
    title = attrs.string(required=True)
    owner = attrs.relation(Owner)


class Note(DomainModel):
    class Meta:
        collection_name = "tasks/{task_id}/notes"

    rank = attrs.integer(default=0)


def told(*sources: Source) -> list[str]:
    store: Any = type("TaskStore", (Store,), {f"s{number}": each for number, each in enumerate(sources)})

    class TaskView(ViewModel[store]):
        class Meta:
            path = "views/all"

        @attrs.computed
        def number(self) -> int:
            return 0

    app = Boiler("demo")
    app.query(TaskView)
    found = [each.text for each in misses(app.declarations)]
    assert [each.text for each in advice_on(app.compiled, {}) if each.name == "misses-documents"] == found
    return found


@pytest.mark.parametrize(
    "selection",
    [
        Task.where(status="open"),
        Task.where(Task.status != "done"),
        Task.where(Task.status.in_(["open", "new"])),
        Task.where(Task.status > "a"),
        Task.all().order_by(Task.status),
        Task.all().order_by(Task.done.desc()),
    ],
)
def test_a_query_that_leaves_out_what_a_getter_would_choose_is_warned_of(selection: Any) -> None:
    (text,) = told(matching(selection))
    assert "Firestore finds no document by a field that it lacks" in text
    assert "Task.status" in text or "Task.done" in text


@pytest.mark.parametrize(
    "selection",
    [
        Task.where(status="done"),
        Task.where(Task.status != "open"),
        Task.where(done=True),
        Task.where(Task.done == None),  # noqa: E711  # Stored nulls are meant.
        Task.where(Task.done != True),  # noqa: E712
        Task.where(status="done").order_by(Task.title),
        Task.where(Task.status > "x").order_by(Task.status),
        Task.where(rank=1),
        Task.all().order_by(Task.title, Task.rank),
    ],
)
def test_a_query_that_such_a_document_would_not_meet_is_not(selection: Any) -> None:
    assert told(matching(selection)) == []


def test_referrers_children_and_totals_are_warned_of_too() -> None:
    class OwnerStore(Store):
        owner = reference(Owner)
        tasks = referrers(Task.owner).where(status="open")
        open = referrers(Task.owner).where(status="open").count()

    class OwnerView(ViewModel[OwnerStore]):
        class Meta:
            path = "owned/{owner.doc_id}"

        @attrs.computed
        def number(self) -> int:
            return self.store.open

    class NoteStore(Store):
        task = reference(Task)
        notes = children(Note).order_by(Note.rank).limit(3)

    class NoteView(ViewModel[NoteStore]):
        class Meta:
            path = "noted/{task.doc_id}"

        @attrs.computed
        def number(self) -> int:
            return len(self.store.notes)

    app = Boiler("demo")
    for view in (OwnerView, NoteView):
        app.query(view)
    assert [each.about for each in misses(app.declarations)] == [
        "OwnerView.store.tasks",
        "OwnerView.store.open",
        "NoteView.store.notes",
    ]


def test_required_beside_a_default_gives_new_models_the_default_and_takes_no_document_without_the_field() -> None:
    database = MemoryDatabase()
    with use(database):
        assert Task.new(title="a").rank == 1
        database.commit([Put("tasks/a", {"title": "a"})])
        task = Task.get("a")
    assert task is not None
    with pytest.raises(InvalidDocument, match="rank: Missing data"):
        _ = task.rank


def test_a_total_by_a_value_with_a_default_leaves_out_documents_without_it() -> None:
    (text,) = told(matching(Task.all()).count(by=Task.status))
    assert "reads as 'open', and is counted under no value" in text
    assert told(matching(Task.all()).count(by=Task.done)) == []
