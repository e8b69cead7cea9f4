"""Notes that belong to somebody, over HTTP, on the memory database."""

from marshmallow import Schema, fields, validate

from boiler_functions import (
    Boiler,
    DomainModel,
    HttpSettings,
    Rejected,
    Store,
    ViewModel,
    access,
    attrs,
    operation,
    reference,
    references,
    use,
)
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.views.build import Instance
from tests.unit.modes.rest.meeting_api import Api, Faulty


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    text = attrs.string(required=True)
    stars = attrs.integer(default=0)
    status = attrs.string(default="open")
    last_editor = attrs.string()
    readers = attrs.relation(User, many=True)


class NoteStore(Store):
    note = reference(Note)
    readers = references(Note.readers)


class Renaming(Schema):
    title = fields.String(required=True, validate=validate.Length(max=10))


class NoteView(ViewModel[NoteStore]):
    """Has a copy for each reader; all readers may write, and an admin may read."""

    class Meta:
        path = "users/{readers.doc_id}/notes/{note.doc_id}"
        read = access.owner("readers.doc_id") | access.claim("admin")
        write = access.owner("readers.doc_id")

    def on_create(self) -> None:
        self.store.note.readers = [self.caller.uid] if self.caller else []

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text

    @text.setter
    def set_text(self, value: str) -> None:
        self.store.note.text = value
        self.store.note.last_editor = self.caller.uid if self.caller else None

    @attrs.computed
    def stars(self) -> int:
        return self.store.note.stars

    @stars.setter
    def set_stars(self, value: int) -> None:
        self.store.note.stars = value

    @attrs.computed
    def status(self) -> str:
        return self.store.note.status

    @attrs.computed
    def names(self) -> list[str]:
        return [user.name for user in self.store.readers]

    @operation
    def close(self, reason: str, times: int = 1) -> None:
        """Close the note."""
        if self.store.note.status == "closed":
            raise Rejected("the note is closed already")
        self.store.note.status = "closed"
        self.store.note.text = f"{reason} x{times} by {self.caller.uid if self.caller else None}"

    @operation
    def add_star(self) -> None:
        self.store.note.stars += 1

    @operation(schema=Renaming)
    def rename(self, title: str) -> None:
        self.store.note.text = title


class ProfileStore(Store):
    user = reference(User)


class ProfileView(ViewModel[ProfileStore]):
    """One copy, of one owner; read-only."""

    class Meta:
        path = "profiles/{user.doc_id}"
        read = access.owner("user.doc_id")

    @attrs.computed
    def name(self) -> str:
        return self.store.user.name


class HiddenView(ProfileView):
    """Declares nobody."""

    class Meta:
        path = "hidden/{user.doc_id}"
        read = access.nobody


class OpenView(ViewModel[NoteStore]):
    """Not stored; whoever may read it depends on the note itself."""

    class Meta:
        read = staticmethod(lambda caller, view: view.store.note.status == "open")
        write = access.claim("editor")

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text

    @text.setter
    def set_text(self, value: str) -> None:
        self.store.note.text = value


app = Boiler("notes", http=HttpSettings(rate=None))
app.query(app.rest("/notes", create=True, delete=True)(NoteView))
app.query(app.rest("/profiles")(ProfileView))
app.rest("/hidden")(HiddenView)
app.rest("/open_notes")(OpenView)


def store_views(api: Api) -> None:
    """Stores the views as Query mode's functions do for the documents that exist, or existed."""
    for view, collection in ((NoteView, "notes"), (ProfileView, "users")):
        roots = list(api.memory._collections[collection])
        Rebuild(Invocation("notes", "test", Metered(api.memory)), (view,)).rebuild(
            [Instance(view, root) for root in roots]
        )


def notes_api(memory: MemoryDatabase | None = None) -> Api:
    """Stores n1 of Ada and Bob, n2 of Bob, and all views."""
    memory = memory or MemoryDatabase()
    with use(memory):
        for name in ("Ada", "Bob"):
            User.new(doc_id=name.lower(), name=name).save()
        Note.new(doc_id="n1", text="one", readers=["ada", "bob"]).save()
        Note.new(doc_id="n2", text="two", readers=["bob"], stars=5).save()
    api = Api(memory, Faulty(memory), app=app)
    store_views(api)
    return api
