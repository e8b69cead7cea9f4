"""The app that is attacked: entries of a diary, of which each reader sees some, and nobody sees all fields."""

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
)


class Entry(DomainModel):
    class Meta:
        collection_name = "entries"

    owner = attrs.string(required=True)
    title = attrs.string(required=True)
    stars = attrs.integer(default=0)
    shared = attrs.boolean(default=False)
    secret = attrs.string()
    tags = attrs.list(str)
    follows = attrs.relation("Entry")


class EntryStore(Store):
    entry = reference(Entry)
    follows = reference(Entry.follows)


class Shown(ViewModel[EntryStore]):
    """The attributes that every view of an entry shows."""

    @attrs.computed
    def title(self) -> str:
        return self.store.entry.title

    @title.setter
    def set_title(self, value: str) -> None:
        self.store.entry.title = value

    @attrs.computed
    def stars(self) -> int:
        return self.store.entry.stars

    @stars.setter
    def set_stars(self, value: int) -> None:
        self.store.entry.stars = value

    @attrs.computed
    def tags(self) -> list[str]:
        return self.store.entry.tags or []

    @attrs.computed
    def after(self) -> str | None:
        return self.store.follows.title if self.store.follows else None

    @after.setter
    def set_after(self, value: str | None) -> None:
        self.store.entry.follows = value  # the path of a document, or an id

    @operation
    def praise(self, times: int = 1) -> None:
        if times < 1:
            raise Rejected("that is no praise")
        self.store.entry.stars += 1


class EntryView(Shown):
    """Stored once for its owner."""

    class Meta:
        path = "users/{entry.owner}/entries/{entry.doc_id}"
        read = write = access.owner("entry.owner")

    def on_create(self) -> None:
        assert self.caller
        self.store.entry.owner = self.caller.uid


class BoardView(Shown):
    """Stored once for all; the entry decides who may see it."""

    class Meta:
        path = "board/{entry.doc_id}"
        read = staticmethod(lambda caller, view: view.store.entry.shared)


class NoticeView(Shown):
    """Not stored; the entry decides who may see it, and some entries raise."""

    class Meta:
        read = write = staticmethod(
            lambda caller, view: caller is not None and view.store.entry.owner.split("@")[0] == caller.uid
        )


class Profile(DomainModel):
    class Meta:
        collection_name = "profiles"

    name = attrs.string(default="")


class ProfileStore(Store):
    profile = reference(Profile)


class ProfileView(ViewModel[ProfileStore]):
    """Stored once for its owner, under their id."""

    class Meta:
        path = "profileViews/{profile.doc_id}"
        read = write = access.owner("profile.doc_id")

    @attrs.computed
    def name(self) -> str:
        return self.store.profile.name

    @name.setter
    def set_name(self, value: str) -> None:
        self.store.profile.name = value


class Wish(ViewModel):
    """A form that creates an entry."""

    class Meta:
        write = access.owner("user_id")

    title = attrs.string(required=True)

    def propagate_change(self) -> None:
        Entry.new(owner=self.params["user_id"], title=self.title).save()


app = Boiler("diary", http=HttpSettings(rate=None))
app.query(app.rest("/entries", create=True, delete=True, filtered_orders=["-stars"])(EntryView))
app.query(app.rest("/board")(BoardView))
app.query(app.rest("/profiles", create=True)(ProfileView))
app.rest("/notices", filtered_orders=["title"])(NoticeView)
app.task("wishes/{user_id}/all/{wish_id}", writes=[Entry])(Wish)
