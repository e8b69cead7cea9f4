"""The module for Firestore's web SDK: a browser's code compiles against what the app declares."""

import re
import subprocess
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from boiler_functions import Boiler, DomainModel, GeoPoint, Store, ViewModel, access, attrs, reference
from boiler_functions.plan.security_rules import documents
from boiler_functions.plan.web_client import web_client
from emulator.live import live_app
from tests.unit.cli.conftest import APP, Run, Write, folder, module, run

__all__ = ["folder", "module", "run"]

ROOT = Path(__file__).parents[3]
LIVE = ROOT / "live"
TSC = ROOT / "node_modules" / ".bin" / "tsc"

CLIENT = """
import { getFirestore, onSnapshot, query, setDoc, where } from "firebase/firestore";
import { cityForm, meetingSession, meetingSessionCollection, type CityForm, type Outcome } from "./firestore";

const db = getFirestore();

onSnapshot(meetingSession(db, "ada", "standup"), (found) => {
  const view = found.data();
  const line: string = `${view?.address ?? "nowhere"}: ${view?.attending.map((each) => each.name.toUpperCase())}`;
  document.title = view?.inSession ? line : "later";
});

onSnapshot(query(meetingSessionCollection(db, "ada"), where("inSession", "==", true)), (found) => {
  document.title = `${found.docs.map((each) => each.data().numHearingAidRequested + 1)}`;
});

export async function send(form: CityForm): Promise<void> {
  const sent = cityForm(db, "ada", "torino");
  await setDoc(sent, form);
  onSnapshot(sent, (found) => told(found.data()?.outcome));
}

function told(outcome: Outcome | undefined): string[] {
  return outcome?.status === "done" ? [] : [...(outcome?.errors?.name ?? [])];
}

void send({ name: "Torino", country: "italy" });
"""

MISTAKES = (
    "meetingSession(db, 'ada');",
    "void setDoc(cityForm(db, 'ada', 'torino'), { name: 'Torino' });",
    "void setDoc(cityForm(db, 'ada', 'torino'), { name: 'Torino', country: 3 });",
    "onSnapshot(meetingSession(db, 'ada', 'standup'), (found) => found.data()?.color);",
    "onSnapshot(meetingSession(db, 'ada', 'standup'), (found) => found.data()?.address.length);",
    "export const change = (view: MeetingSession) => { view.inSession = true; };",
)


def compiled(folder: Path, **sources: str) -> list[tuple[str, int]]:
    """Returns the file and line of each error that the compiler finds, beside the module of the live page."""
    (folder / "node_modules").symlink_to(LIVE / "node_modules")
    (folder / "firestore.ts").write_text((LIVE / "src" / "firestore.ts").read_text("utf-8"), "utf-8")
    for name, source in sources.items():
        (folder / f"{name}.ts").write_text(source, "utf-8")
    options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--lib", "es2022,dom"]
    files = [f"{name}.ts" for name in sources]
    command = [str(TSC), *options, "--module", "esnext", "--moduleResolution", "bundler", *files]
    said = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False).stdout
    errors = re.findall(r"^(\w+)\.ts\((\d+),\d+\): error TS", said, re.MULTILINE)
    return [(name, int(line)) for name, line in dict.fromkeys(errors)]


def text(app: Boiler) -> str:
    return web_client(documents(app.declarations))


def test_the_live_page_has_the_module_of_its_app() -> None:
    assert (LIVE / "src" / "firestore.ts").read_text("utf-8") == text(live_app())


def test_the_compiler_accepts_a_client_that_knows_the_paths_and_refuses_each_mistake(tmp_path: Path) -> None:
    head = (
        'import { getFirestore, onSnapshot, setDoc } from "firebase/firestore";',
        'import { cityForm, meetingSession, type MeetingSession } from "./firestore";',
        "const db = getFirestore();",
    )
    found = compiled(tmp_path, client=CLIENT, mistakes="\n".join([*head, *MISTAKES]))
    first = len(head) + 1
    assert found == [("mistakes", line) for line in range(first, first + len(MISTAKES))]


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


class Shop(DomainModel):
    class Meta:
        collection_name = "shops"

    name = attrs.string(required=True)


class ShopStore(Store):
    shop = reference(Shop)


class Everything(ViewModel[ShopStore]):
    """A view with a value of each type."""

    class Meta:
        path = "everything/{shop.doc_id}"
        versioned = True
        write = access.owner("shop.doc_id")

    @attrs.computed
    def at(self) -> datetime:
        raise NotImplementedError

    @attrs.computed
    def day(self) -> date | None:
        raise NotImplementedError

    @attrs.computed
    def photo(self) -> bytes:
        raise NotImplementedError

    @attrs.computed
    def place(self) -> GeoPoint:
        raise NotImplementedError

    @attrs.computed
    def size(self) -> Size:
        raise NotImplementedError

    @attrs.computed
    def prices(self) -> dict[str, list[float]]:
        raise NotImplementedError

    @attrs.computed(data_key="any thing")
    def anything(self) -> Any:
        raise NotImplementedError

    name = attrs.string()

    @name.getter  # type: ignore[no-redef]
    def name(self) -> str:
        raise NotImplementedError

    @name.setter  # type: ignore[no-redef]
    def name(self, value: str) -> None:
        raise NotImplementedError


def test_each_type_of_value_is_the_one_that_the_web_sdk_gives() -> None:
    app = Boiler("shop")
    app.query(Everything)
    content = text(app).partition("export type Everything = ")[2].partition(";\n\nexport")[0]
    assert (
        content
        == """{
  readonly doc_version: string;
  readonly at: Timestamp;
  readonly day: string | null;
  readonly photo: Bytes;
  readonly place: GeoPoint;
  readonly size: "small" | "large";
  readonly prices: { readonly [key: string]: ReadonlyArray<number> };
  readonly "any thing": unknown;
  readonly name: string;
}"""
    )


def test_a_mutation_is_sent_beside_the_copy_with_any_of_the_values_that_have_a_setter() -> None:
    app = Boiler("shop")
    app.query(Everything)
    app.document(strict=True)(Everything)
    _, _, mutation = text(app).partition("/** EverythingMutation")
    assert (
        "export type EverythingMutation = {\n  name?: string;\n  if_version: string;\n  readonly outcome?: Outcome;\n};"
        in mutation
    )
    assert 'doc(db, "everything", shopDocId, "_PATCH_Everything", mutationId)' in mutation


def test_the_command_needs_no_tool(run: Run, module: Write, folder: Path) -> None:
    module(APP)
    assert run("types", "--firestore", "--output", "firestore.ts").stdout == "firestore.ts is written\n"
    assert 'doc(db, "cityView", cityDocId)' in (folder / "firestore.ts").read_text("utf-8")
