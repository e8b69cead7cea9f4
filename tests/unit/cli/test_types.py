"""`boiler types`: a TypeScript client compiles against what the app declares."""

import os
import subprocess
from pathlib import Path

import pytest

from boiler_functions.cli.openapi import openapi_json
from boiler_functions.cli.types import typescript
from boiler_functions.exceptions import ConfigurationError
from functions.meeting_room import app as meeting_room
from tests.unit.cli.conftest import Run, Write
from tests.unit.cli.test_openapi import RULE

ROOT = Path(__file__).parent.parent.parent.parent
TSC = ROOT / "node_modules" / ".bin" / "tsc"

CLIENT = """
import type { MeetingSession, MeetingSessionPatch, operations } from "./types";

type Page = operations["listMeetingSession"]["responses"][200]["content"]["application/json"];
type Query = NonNullable<operations["listMeetingSession"]["parameters"]["query"]>;

export async function page(query: Query): Promise<MeetingSession[]> {
  const answer = await fetch(`/meeting_sessions?limit=${query.limit ?? 20}&inSession=${query.inSession ?? true}`);
  const found = (await answer.json()) as Page;
  return found.results;
}

export function line(session: MeetingSession): string {
  const attending: number = session.attending.length + session.numHearingAidRequested;
  const names = session.attending.map((each) => each.name.toUpperCase());
  return `${session.id} ${session.inSession ? "now" : "later"}: ${names} (${attending})`;
}

export const start: MeetingSessionPatch = { inSession: true };
"""

MISTAKES = {
    "a value that can be null": "export const text = (each: MeetingSession): string => each.address;",
    "a change of what is read-only": "export const set = (each: MeetingSession) => { each.address = null; };",
    "an attribute that is not there": "export const text = (each: MeetingSession) => each.color;",
    "a patch of what has no setter": "export const patch: MeetingSessionPatch = { address: null };",
}


def compile_client(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "types.ts").write_text(typescript(openapi_json(meeting_room), ROOT))
    (folder / "client.ts").write_text(text)
    command = [str(TSC), "--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--lib", "es2022,dom"]
    return subprocess.run([*command, "client.ts"], cwd=folder, capture_output=True, text=True, check=False)


def test_the_compiler_accepts_a_client_to_which_nothing_that_is_always_there_is_optional(tmp_path: Path) -> None:
    done = compile_client(tmp_path, CLIENT)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_compiler_refuses_a_clients_mistakes(tmp_path: Path) -> None:
    lines = ['import type { MeetingSession, MeetingSessionPatch } from "./types";', *MISTAKES.values()]
    done = compile_client(tmp_path, "\n".join(line.replace("const ", f"const c{n}") for n, line in enumerate(lines)))
    refused = {int(line.partition("(")[2].partition(",")[0]) for line in done.stdout.splitlines() if "error TS" in line}
    assert refused == set(range(2, 2 + len(MISTAKES))), done.stdout


def test_the_types_go_into_a_file(run: Run, module: Write, folder: Path) -> None:
    module(RULE)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    assert run("types", "--output", "types.ts").stdout == "types.ts is written\n"
    assert "export type CityView = components['schemas']['CityView'];" in (folder / "types.ts").read_text()


def test_a_missing_tool_is_reported_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="npm install --save-dev openapi-typescript typescript@5"):
        typescript("{}", tmp_path)


def test_a_document_that_the_tool_refuses_is_reported_with_its_output() -> None:
    assert os.access(TSC, os.X_OK)
    with pytest.raises(ConfigurationError, match="openapi-typescript ended with status 1"):
        typescript('{"openapi": "1.0"}', ROOT)
