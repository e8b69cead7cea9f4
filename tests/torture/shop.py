"""A shop whose HTTP API has a route of each kind, and in its bodies a value of each type."""

from datetime import datetime
from enum import Enum
from typing import NotRequired, TypedDict

from boiler_functions import (
    Boiler,
    DomainModel,
    Embedded,
    GeoPoint,
    Rejected,
    Store,
    ViewModel,
    access,
    attrs,
    operation,
    reference,
)
from boiler_functions.settings.http import HttpSettings


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(Enum):
    SMALL = 1
    LARGE = 2


class Address(Embedded):
    street = attrs.string(required=True)
    city = attrs.string()


class Line(TypedDict):
    text: str
    number: NotRequired[int]


class Shelf(DomainModel):
    class Meta:
        collection_name = "shelves"

    title = attrs.string(required=True)
    level = attrs.integer(default=0)


class Article(DomainModel):
    class Meta:
        collection_name = "articles"

    owner = attrs.string(required=True)
    name = attrs.string(default="new")
    count = attrs.integer(default=0)
    price = attrs.float()
    is_new = attrs.boolean(default=True)
    since = attrs.timestamp()
    picture = attrs.bytes()
    place = attrs.geopoint()
    tags = attrs.list(str)
    scores = attrs.mapping(int)
    color = attrs.enum(Color)
    size = attrs.enum(Size)
    address = attrs.embedded(Address)
    lines = attrs.list(Line)
    shelf = attrs.relation(Shelf)


class ArticleStore(Store):
    article = reference(Article)
    shelf = reference(Article.shelf)


class ShelfStore(Store):
    shelf = reference(Shelf)


app = Boiler("shop", http=HttpSettings(rate=None, max_wait=0.05))


@app.rest("/articles", create=True, delete=True)
class ArticleView(ViewModel[ArticleStore]):
    """An article for sale, for its owner."""

    class Meta:
        path = "users/{article.owner}/articles/{article.doc_id}"
        read = access.owner("article.owner") | access.claim("admin")
        write = access.owner("article.owner")

    def on_create(self) -> None:
        assert self.caller is not None, "Meta.write admits owners alone"
        self.store.article.owner = self.caller.uid

    @attrs.computed
    def name(self) -> str:
        """The label of an article."""
        return self.store.article.name

    @name.setter
    def set_name(self, value: str) -> None:
        self.store.article.name = value

    @attrs.computed
    def count(self) -> int:
        return self.store.article.count

    @count.setter
    def set_count(self, value: int) -> None:
        if value < -(2**62):
            raise Rejected("nobody owes that many", {"count": ["too few"]})
        self.store.article.count = value

    @attrs.computed
    def price(self) -> float | None:
        return self.store.article.price

    @price.setter
    def set_price(self, value: float | None) -> None:
        self.store.article.price = value

    @attrs.computed
    def is_new(self) -> bool:
        return self.store.article.is_new

    @is_new.setter
    def set_is_new(self, value: bool) -> None:
        self.store.article.is_new = value

    @attrs.computed
    def since(self) -> datetime | None:
        return self.store.article.since

    @since.setter
    def set_since(self, value: datetime | None) -> None:
        self.store.article.since = value

    @attrs.computed
    def picture(self) -> bytes | None:
        return self.store.article.picture

    @picture.setter
    def set_picture(self, value: bytes | None) -> None:
        self.store.article.picture = value

    @attrs.computed
    def place(self) -> GeoPoint | None:
        return self.store.article.place

    @place.setter
    def set_place(self, value: GeoPoint | None) -> None:
        self.store.article.place = value

    @attrs.computed
    def tags(self) -> list[str]:
        return self.store.article.tags

    @tags.setter
    def set_tags(self, value: list[str]) -> None:
        self.store.article.tags = value

    @attrs.computed
    def scores(self) -> dict[str, int]:
        return self.store.article.scores

    @scores.setter
    def set_scores(self, value: dict[str, int]) -> None:
        self.store.article.scores = value

    @attrs.computed
    def color(self) -> Color | None:
        return self.store.article.color

    @color.setter
    def set_color(self, value: Color | None) -> None:
        self.store.article.color = value

    @attrs.computed
    def size(self) -> Size | None:
        return self.store.article.size

    @size.setter
    def set_size(self, value: Size | None) -> None:
        self.store.article.size = value

    @attrs.computed
    def address(self) -> Address | None:
        return self.store.article.address

    @address.setter
    def set_address(self, value: Address | None) -> None:
        self.store.article.address = value

    @attrs.computed
    def lines(self) -> list[Line]:
        return self.store.article.lines

    @lines.setter
    def set_lines(self, value: list[Line]) -> None:
        self.store.article.lines = value

    @attrs.computed
    def shelf(self) -> str | None:
        return self.store.shelf.title if self.store.shelf else None

    @operation
    def rename(self, name: str, shout: bool = False) -> None:
        """Give it another name.

        Loudly, if that is wanted.
        """
        self.store.article.name = name.upper() if shout else name


@app.query
@app.rest("/shelves")
class ShelfView(ViewModel[ShelfStore]):
    """Where articles stand, for everybody."""

    class Meta:
        path = "shelfViews/{shelf.doc_id}"
        read = access.public
        write = access.signed_in

    @attrs.computed
    def title(self) -> str:
        return self.store.shelf.title

    @title.setter
    def set_title(self, value: str) -> None:
        self.store.shelf.title = value

    @attrs.computed
    def level(self) -> int:
        return self.store.shelf.level
