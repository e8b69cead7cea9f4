"""The REST mode: its function `api`, its checks, its queries. Imports Flask only to serve."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from boiler_functions.database import Database, Query
from boiler_functions.manifest import Function, HttpTrigger, function_name
from boiler_functions.modes.advice import Advice
from boiler_functions.modes.drawing import Look, Node, source_node, view_node
from boiler_functions.modes.invocation import REAL, Surroundings
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.modes.rest.columns import check_orders, columns_of
from boiler_functions.modes.rest.copies import check_own
from boiler_functions.modes.rest.declaration import API, Rule
from boiler_functions.modes.written import changed_by, check_written
from boiler_functions.settings.options import MAX_HTTP_SECONDS

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from boiler_functions.modes.tokens import Tokens


class RestMode(Mode[Rule]):
    """Serves views over HTTP."""

    name = "rest"
    counted = "REST rules"
    look = Look("rest", "#efe6fd", "#7c3aed")
    longest = MAX_HTTP_SECONDS
    takes_own_copies = True

    def check(self, declarations: Declarations) -> None:
        for rule in declarations.of(self):
            check_own(f"@app.rest({rule.rule!r})", rule.view)
            if rule.filtered_orders:
                columns = columns_of(rule.view, is_stored=rule.view in declarations.stored)
                check_orders(rule.view, columns, rule.filtered_orders)
            if rule.can_change:
                check_written(f"@app.rest({rule.rule!r})", changed_by(rule.view), declarations.stored)

    def reads_copies(self, declaration: Rule) -> bool:
        return not declaration.can_change

    def functions(self, declarations: Declarations) -> Iterator[Function]:
        if rules := declarations.of(self):
            options = declarations.options_of(self, API, rules)
            trigger = HttpTrigger(options.invoker or ("public",))
            views = tuple(rule.view.__name__ for rule in rules)
            yield Function(function_name(declarations.app, API), API, self.name, trigger, views, options, "rest")

    def application(
        self,
        declarations: Declarations,
        database: Callable[[], Database],
        surroundings: Surroundings = REAL,
        project: str | None = None,
        tokens: Tokens | None = None,
        secret: bytes | None = None,
    ) -> WSGIApplication:
        from boiler_functions.modes.rest.application import create_app

        return create_app(declarations, database, surroundings, tokens, secret, project)

    def openapi(self, declarations: Declarations) -> str | None:
        if not declarations.of(self):
            return None
        from boiler_functions.modes.rest.apidocs import as_text
        from boiler_functions.modes.rest.application import document

        return as_text(document(declarations))

    def queries(self, declarations: Declarations) -> Iterator[Query]:
        yield from super().queries(declarations)
        if declarations.of(self):
            from boiler_functions.modes.rest.planned import list_queries

            yield from list_queries(declarations)

    def advice(self, declarations: Declarations) -> Iterator[Advice]:
        if declarations.of(self):
            from boiler_functions.modes.rest.planned import list_advice

            yield from list_advice(declarations)

    def drawn(self, declarations: Declarations) -> Iterator[tuple[Node, ...]]:
        for rule in declarations.of(self):
            shown = view_node(rule.view, stored=rule.view in declarations.stored)
            yield source_node(rule.rule, "HTTP"), Node(f"function {API}", self.look, API, "at most once"), shown


REST = RestMode()
