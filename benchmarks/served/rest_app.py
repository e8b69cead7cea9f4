"""Notes, each shown to its owner together with the owner's name, and starred over HTTP."""

from boiler_functions import (
    Boiler,
    DomainModel,
    HttpSettings,
    Store,
    ViewModel,
    access,
    attrs,
    reference,
)


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    text = attrs.string(required=True)
    stars = attrs.integer(default=0)
    owner = attrs.relation(User)


class NoteStore(Store):
    note = reference(Note)
    owner = reference(Note.owner)


# The load comes from one caller, whom the limit would stop.
app = Boiler("rest-benchmark", http=HttpSettings(rate=None))


@app.query
@app.rest("/notes")
class NoteView(ViewModel[NoteStore]):
    class Meta:
        path = "users/{owner.doc_id}/noteViews/{note.doc_id}"
        read = access.owner("owner.doc_id")
        write = access.owner("owner.doc_id")

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text

    @attrs.computed
    def stars(self) -> int:
        return self.store.note.stars

    @stars.setter
    def set_stars(self, value: int) -> None:
        self.store.note.stars = value

    @attrs.computed
    def owner(self) -> str | None:
        return self.store.owner.name if self.store.owner else None
