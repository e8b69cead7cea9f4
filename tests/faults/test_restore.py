"""A restored database: documents, ledgers and markers of one moment, and no events for what is restored."""

from collections.abc import Callable

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference, referrers
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app

app = Boiler("library")


class Shelf(DomainModel):
    class Meta:
        collection_name = "shelves"

    room = attrs.string(required=True)


class Book(DomainModel):
    class Meta:
        collection_name = "books"

    shelf = attrs.relation(Shelf)
    lent_to = attrs.string()


class ShelfStore(Store):
    shelf = reference(Shelf)
    books = referrers(Book.shelf)


class SizeStore(Store):
    shelf = reference(Shelf)
    size = referrers(Book.shelf).count(kept=True)


@app.query
class ShelfView(ViewModel[ShelfStore]):
    class Meta:
        path = "shelfViews/{shelf.doc_id}"

    @attrs.computed
    def room(self) -> str:
        return self.store.shelf.room

    @attrs.computed
    def lent(self) -> list[str]:
        return sorted(book.lent_to for book in self.store.books if book.lent_to)


@app.query
class ShelfSize(ViewModel[SizeStore]):
    class Meta:
        path = "shelfSizes/{shelf.doc_id}"

    @attrs.computed
    def size(self) -> int:
        return self.store.size


@app.task("loans/{loan_id}", writes=[Book])
class Loan(ViewModel):
    class Meta:
        write = access.signed_in

    book = attrs.string(required=True)
    by = attrs.string(required=True)

    def propagate_change(self) -> None:
        book = Book.get(self.book)
        assert book
        book.lent_to = self.by
        book.save()


def restore(old: MemoryApp, new: MemoryApp) -> None:
    """Puts all documents of one database into another, as a restore does, whose events nobody receives."""
    for path, document in old.documents().items():
        new.write(path, document.fields)
    new.take()


def build_all(testing: MemoryApp) -> None:
    for view in (ShelfView, ShelfSize):
        for page in RebuildAll(app.name, view, testing.database).run():
            assert not page.outcomes.keys() & {"dead_letter"}


def fill(testing: MemoryApp) -> None:
    Shelf.new(doc_id="a", room="attic").save()
    for name in ("emma", "lolita"):
        Book.new(doc_id=name, shelf="a").save()
    testing.write("loans/1", {"book": "emma", "by": "ada"})


@pytest.mark.parametrize(
    "before_the_backup",
    [
        pytest.param(lambda old: old.deliver(), id="all events were delivered"),
        pytest.param(lambda old: old.deliver(drain=False), id="some events were on their way"),
        pytest.param(lambda old: None, id="no event was delivered"),
    ],
)
def test_a_build_of_all_views_makes_a_restored_database_right(before_the_backup: Callable[[MemoryApp], object]) -> None:
    with memory_app(app) as old:
        fill(old)
        before_the_backup(old)
        with memory_app(app) as new:
            restore(old, new)
            build_all(new)
            new.deliver()
            assert_views_equal_rebuild(new)
            book = Book.get("lolita")
            assert book
            book.lent_to = "eve"
            book.save()
            new.deliver()
            assert "eve" in (new.fields("shelfViews/a") or {})["lent"]
            assert_views_equal_rebuild(new)


def test_a_form_that_waited_at_the_backup_takes_effect_when_it_is_written_again() -> None:
    with memory_app(app) as old:
        fill(old)
        with memory_app(app) as new:
            restore(old, new)
            build_all(new)
            new.deliver()
            form = new.fields("loans/1") or {}
            assert "outcome" not in form
            new.write("loans/1", None)
            new.write("loans/1", form)
            new.deliver()
            assert (new.fields("loans/1") or {})["outcome"]["status"] == "done"
            assert (new.fields("shelfViews/a") or {})["lent"] == ["ada"]


def test_a_form_that_took_effect_before_the_backup_does_not_do_so_again() -> None:
    with memory_app(app) as old:
        fill(old)
        old.deliver()
        with memory_app(app) as new:
            restore(old, new)
            book = Book.get("emma")
            assert book
            book.lent_to = None
            book.save()
            new.write("loans/1", new.fields("loans/1"))
            new.deliver()
            assert (new.fields("shelfViews/a") or {})["lent"] == []
