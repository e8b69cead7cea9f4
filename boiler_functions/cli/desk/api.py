"""Answers with the JSON of the commands; the desk asks it in its own process, or in that of the app's functions."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from boiler_functions.cli.desk.commands import Commands
from boiler_functions.cli.desk.offers import offers
from boiler_functions.cli.output import Output
from boiler_functions.exceptions import BoilerError


def api_of(commands: Commands) -> Flask:
    """Returns the application of the commands, which checks no caller: the desk does."""
    app = Flask("boiler desk commands", static_folder=None)

    def get(rule: str, command: Callable[..., Output]) -> None:
        app.add_url_rule(rule, rule, lambda **given: answer(command(**given)), methods=["GET"])

    def answer(output: Output) -> Response:
        return Response(output.to_json(commands.context), content_type="application/json")

    @app.get("/about")
    def about() -> Response:
        return Response(json.dumps(commands.about()), content_type="application/json")

    @app.get("/offers")
    def offered() -> Response:
        return Response(json.dumps(offers(commands.context.app)), content_type="application/json")

    @app.get("/prices")
    def prices() -> Response:
        return Response(json.dumps(commands.prices()), content_type="application/json")

    @app.get("/explain")
    def explain() -> Response:
        return answer(commands.explain(request.args.get("path", "")))

    @app.post("/build")
    def build() -> Response:
        body = request.get_json()
        return answer(commands.build(str(body.get("view")), str(body.get("root") or "")))

    @app.post("/letters/<letter>/retry")
    def retry(letter: str) -> Response:
        return answer(commands.retry(letter))

    @app.errorhandler(BoilerError)
    def failed(error: BoilerError) -> Response:
        return refusal(422, f"{error.code} {error}")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return refusal(error.code or 500, error.description or error.name)

    @app.post("/versions/<view>/<act>")
    def move(view: str, act: str) -> Response:
        return answer(commands.move(view, act))

    get("/versions", commands.versions)
    get("/map", commands.map)
    get("/status", commands.status)
    get("/audit", commands.audit)
    get("/letters", commands.letters)
    get("/letters/<letter>", commands.letter)
    return app


def refusal(status: int, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, content_type="application/json")
