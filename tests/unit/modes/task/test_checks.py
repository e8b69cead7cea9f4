"""What is refused of the forms of an app together, by name, when it is compiled."""

from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference
from boiler_functions.exceptions import OverlappingPaths
from boiler_functions.modes.forms.task import Completion


class Page(DomainModel):
    class Meta:
        collection_name = "pages"

    text = attrs.string(default="")


class Copied(DomainModel):
    """Documents in which PageView is stored."""

    class Meta:
        collection_name = "copies"


class PageStore(Store):
    page = reference(Page)


class PageView(ViewModel[PageStore]):
    class Meta:
        path = "copies/{page.doc_id}"
        write = access.owner("page.doc_id")

    @attrs.computed
    def text(self) -> str:
        return self.store.page.text

    @text.setter
    def set_text(self, value: str) -> None:
        self.store.page.text = value


def form(name: str) -> type[ViewModel[Any]]:
    def propagate_change(self: object) -> None:
        """Does nothing."""

    return type(name, (ViewModel,), {"propagate_change": propagate_change})


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("wishes/{wish_id}", "wishes/{wish_id}"),
        ("wishes/{wish_id}", "wishes/{other}"),
        ("users/{user_id}/wishes/{wish_id}", "users/main/wishes/{wish_id}"),
        ("copies/{id}/_PATCH_PageView/{mutation}", None),
    ],
)
def test_two_tasks_that_could_take_one_document_are_refused_by_name(path: str, other: str | None) -> None:
    app = Boiler("demo")
    app.task(path, writes=[])(form("Wish"))
    if other is None:
        app.query(app.document()(PageView))
    else:
        app.task(other, writes=[])(form("Check"))
    with pytest.raises(OverlappingPaths, match=r"of Wish and|and @app\.task\(.*\) of Wish"):
        _ = app.compiled


def test_two_tasks_whose_forms_never_share_a_document_are_accepted() -> None:
    app = Boiler("demo")
    app.task("wishes/{wish_id}", writes=[])(form("Wish"))
    app.task("users/{user_id}/wishes/{wish_id}", writes=[])(form("Check"))
    assert len(app.compiled.functions) == 2


class EditStore(Store):
    page = reference(Page)
    copied = reference(Copied, doc_id="{doc_id}")


class EditView(ViewModel[EditStore]):
    """Changes, by a setter, a document in which PageView is stored."""

    class Meta:
        path = "edits/{page.doc_id}"
        write = access.owner("page.doc_id")

    @attrs.computed
    def is_there(self) -> bool:
        return self.store.copied is not None

    @is_there.setter
    def set_is_there(self, value: bool) -> None:
        assert self.store.copied
        self.store.copied.delete()


@pytest.mark.parametrize("mode", ["document", "rest", "websocket"])
def test_a_view_whose_setters_could_write_where_a_view_is_stored_is_refused_by_name(mode: str) -> None:
    app = Boiler("demo")
    app.query(PageView)
    decorate = {"document": app.document(), "rest": app.rest("/edits"), "websocket": app.websocket("/edits")}
    app.query(decorate[mode](EditView))
    with pytest.raises(OverlappingPaths, match=rf"@app\.{mode}.* writes Copied at .*, where PageView is stored"):
        _ = app.compiled


def test_a_task_that_writes_where_a_view_is_stored_is_refused_by_name() -> None:
    app = Boiler("demo")
    app.query(PageView)
    app.task("wishes/{wish_id}", writes=[Page, Copied])(form("Wish"))
    with pytest.raises(
        OverlappingPaths, match=r"of Wish writes Copied at 'copies/\{doc_id\}', where PageView is stored"
    ):
        _ = app.compiled


@pytest.mark.parametrize("on_completion", ["stamp", "delete"])
def test_a_task_whose_forms_are_the_copies_of_a_view_is_refused_as_it_would_stamp_or_delete_them(
    on_completion: Completion,
) -> None:
    app = Boiler("demo")
    app.query(PageView)
    app.task("copies/{id}", writes=[], on_completion=on_completion)(form("Wish"))
    with pytest.raises(OverlappingPaths, match="of Wish writes its forms' outcomes"):
        _ = app.compiled


def test_a_task_that_keeps_its_forms_may_follow_the_copies_of_a_view() -> None:
    app = Boiler("demo")
    app.query(PageView)
    app.task("copies/{id}", writes=[], on_completion="keep")(form("Wish"))
    assert "wish_task" in app.compiled.functions


def test_a_view_changed_by_documents_whose_store_could_write_where_another_view_is_stored_is_refused() -> None:
    class BothStore(Store):
        page = reference(Page)
        copied = reference(Copied, doc_id="main")

    class Both(ViewModel[BothStore]):
        class Meta:
            path = "both/{page.doc_id}"
            write = access.owner("page.doc_id")

        @attrs.computed
        def text(self) -> str:
            return self.store.page.text

        @text.setter
        def set_text(self, value: str) -> None:
            self.store.page.text = value

    app = Boiler("demo")
    app.query(PageView)
    app.query(app.document()(Both))
    with pytest.raises(OverlappingPaths, match=r"@app\.document of Both writes Copied"):
        _ = app.compiled
