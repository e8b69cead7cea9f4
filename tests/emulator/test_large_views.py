"""Views of many documents and many copies on the emulator, whose limits are Firestore's: no ledger is in their way."""

from random import Random

from boiler_functions import DomainModel, Store, ViewModel, attrs, reference, references, referrers
from boiler_functions.database import Put
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, document_size
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.modes.invocation import Outcome
from boiler_functions.modes.ledger import Ledger, ledger_path
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance

LIKES, MEMBERS = 3_000, 60


class Member(DomainModel):
    class Meta:
        collection_name = "members"


class Post(DomainModel):
    class Meta:
        collection_name = "posts"

    text = attrs.string(default="")
    members = attrs.relation(Member, many=True)


class Like(DomainModel):
    class Meta:
        collection_name = "likes"

    post = attrs.relation(Post)


class LikesStore(Store):
    post = reference(Post)
    likes = referrers(Like.post)


class MembersStore(Store):
    post = reference(Post)
    members = references(Post.members)


class LikesView(ViewModel[LikesStore]):
    class Meta:
        path = "likeViews/{post.doc_id}"

    @attrs.computed
    def likes(self) -> int:
        return len(self.store.likes)


class MembersView(ViewModel[MembersStore]):
    class Meta:
        path = "members/{members.doc_id}/posts/{post.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return self.store.post.text


def build(database: FirestoreDatabase, view: type[ViewModel[MembersStore]] | type[ViewModel[LikesStore]]) -> Ledger:
    """The ledger of the post's view after a build, as the emulator holds it."""
    outcomes = [step.outcomes for step in RebuildAll("demo", view, database).run()]
    assert sum(each[Outcome.BUILT] for each in outcomes) == 1
    instance = Instance(view, "posts/p")
    (document,) = database.read([ledger_path(f"demo/{view.__name__}", instance)]).documents
    assert document_size(document.path, document.fields or {}) < MAX_DOCUMENT_BYTES
    return Ledger.of(instance, document)


def test_a_view_of_more_documents_than_a_plain_ledger_could_list_is_built(
    firestore_emulator: FirestoreEmulator, project: str
) -> None:
    database, random = FirestoreDatabase(project, emulator=firestore_emulator.host), Random(7)
    database.commit([Put("posts/p", {})])
    # Ids as long as this stand for ten times as many documents.
    paths = [f"likes/{random.getrandbits(1600):0400x}" for _ in range(LIKES)]
    for start in range(0, LIKES, 1000):
        database.commit([Put(path, {"post": Reference("posts/p")}) for path in paths[start : start + 1000]])
    ledger = build(database, LikesView)
    assert database.read(["likeViews/p"]).documents[0].fields == {
        "likes": LIKES,
        "obj_type": "LikesView",
        "doc_ref": "likeViews/p",
    }
    assert ledger.versions.keys() <= {*paths, "posts/p"}
    assert len(ledger.versions) > LIKES // 2


def test_copies_that_no_one_request_could_hold_are_all_written(
    firestore_emulator: FirestoreEmulator, project: str
) -> None:
    database = FirestoreDatabase(project, emulator=firestore_emulator.host)
    members = [f"members/{number}" for number in range(MEMBERS)]
    database.commit([Put(path, {}) for path in members])
    database.commit([Put("posts/p", {"text": "x" * 100_000, "members": [Reference(path) for path in members]})])
    build(database, MembersView)
    copies = database.read([f"{path}/posts/p" for path in members]).documents
    assert [len((copy.fields or {})["text"]) for copy in copies] == [100_000] * MEMBERS
