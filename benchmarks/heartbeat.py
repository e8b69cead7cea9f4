"""A field that no view shows, of a document that a thousand views read, changes."""

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.results import Row, at_most
from benchmarks.stage import Stage
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.database.metered import Usage

VIEWS = 1000
NAME = f"a heartbeat of a document in {VIEWS:,} views"


class Writer(DomainModel):
    """Somebody whose document notes when they were last seen."""

    class Meta:
        collection_name = "writers"

    name = attrs.string(required=True)
    beats = attrs.integer(default=0)


class Article(DomainModel):
    """A text of one writer."""

    class Meta:
        collection_name = "articles"

    writer = attrs.relation(Writer)


class WholeStore(Store):
    """The article, and its writer's whole document."""

    article = reference(Article)
    writer = reference(Article.writer)


class NamedStore(Store):
    """The article, and its writer's name alone."""

    article = reference(Article)
    writer = reference(Article.writer, fields=[Writer.name])


def _name(store: Any) -> str:
    return str(store.writer.name)


def _name_in_whole(store: Any) -> str:
    return str(store.writer.to_view_dict()["name"])


def _app(store: Any, read: Callable[[Any], str]) -> tuple[Boiler, type[ViewModel[Any]]]:
    class Byline(ViewModel[store]):
        class Meta:
            path = "bylines/{article.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return read(self.store)

    app = Boiler("bylines")
    return app, app.query(Byline)


def heartbeat(stage: Stage) -> Iterator[Row]:
    """Changes the field: with `fields`, as the getter reads the name, and as one reads the whole document."""
    stage.save([Writer.new(doc_id="ada", name="Ada")])
    stage.save(Article.new(doc_id=str(number), writer="ada") for number in range(VIEWS))
    cost: list[Usage] = []
    for store, read in ((NamedStore, _name), (WholeStore, _name), (WholeStore, _name_in_whole)):
        app, view = _app(store, read)
        stage.build_all(app, view)
        report = stage.handle(app, "byline_on_writers", stage.change("writers/ada", {"beats": 1 + len(cost)}))
        cost.append(report.usage)
    named, recorded, whole = cost
    peer = "a getter that reads all"
    yield Row(f"{NAME}, with `fields`", named.rpcs, whole.rpcs, peer, "RPCs", at_most(0))
    yield Row(f"{NAME}, without", recorded.writes, whole.writes, peer, "writes", at_most(0))
    yield Row(f"{NAME}, without", recorded.rpcs, whole.rpcs, peer, "RPCs", at_most(2))
