"""A gcloud that gives prepared answers; `tests/emulator/test_deploy.py` runs the real one."""

import json
import shlex
from pathlib import Path
from typing import Any

# A shell starts in a millisecond, and a deployment runs forty commands.
STANDIN = """\
#!/bin/sh
echo "$*" >>{log}
case "$*" in
{cases}
*--format=json*) echo [] ;;
esac
"""

APIS = (
    "artifactregistry",
    "cloudbuild",
    "cloudfunctions",
    "cloudscheduler",
    "cloudtasks",
    "eventarc",
    "firestore",
    "iam",
    "logging",
    "monitoring",
    "pubsub",
    "run",
)


def _printing(text: str) -> str:
    return f'printf %s "{text}"' if text.startswith("as $") else f"printf %s {shlex.quote(text)}"


class Standin:
    """A gcloud that answers a command by what it begins with, and notes every command."""

    def __init__(self, folder: Path) -> None:
        self._program, self._log = folder / "gcloud", folder / "commands.log"
        self._told: dict[str, tuple[int, str]] = {}
        self.answers("services list", [{"config": {"name": f"{api}.googleapis.com"}} for api in APIS])
        self.answers("firestore databases describe", {"locationId": "nam5"})
        self.answers("billing projects describe", {"billingEnabled": True})
        self.answers("projects describe", {"projectNumber": "123"})
        self.answers("projects get-iam-policy", {"bindings": []})
        self._program.chmod(0o755)
        self.firebase = folder / "firebase"
        self.firebase.write_text(f"#!/bin/sh\necho firebase $* >>{shlex.quote(str(self._log))}\n")
        self.firebase.chmod(0o755)

    def answers(self, beginning: str, content: Any) -> None:
        self._tell(beginning, 0, json.dumps(content))

    def fails(self, beginning: str, said: str) -> None:
        self._tell(beginning, 1, said)

    def _tell(self, beginning: str, status: int, text: str) -> None:
        self._told[beginning] = (status, text)
        self._write()

    def _write(self) -> None:
        cases = [
            f"{shlex.quote(beginning)}*) {_printing(text)} {'>&2; exit 1' if status else ''} ;;"
            for beginning, (status, text) in sorted(self._told.items(), key=lambda told: -len(told[0]))
        ]
        self._program.write_text(STANDIN.format(log=shlex.quote(str(self._log)), cases="\n".join(cases)))

    def works(self) -> None:
        """Forgets what fails, and the commands."""
        self._told = {beginning: told for beginning, told in self._told.items() if told[0] == 0}
        self._write()
        self._log.write_text("")

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The functions that it lists."""
        functions: list[dict[str, Any]] = json.loads(self._told.get("functions list", (0, "[]"))[1])
        return functions

    @property
    def commands(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    @property
    def changes(self) -> list[str]:
        """The commands that change something."""
        reading = (" list ", " describe ", " get-iam-policy ")
        return [line for line in self.commands if not any(word in line for word in reading)]

    @property
    def deployed(self) -> set[str]:
        return {line.split()[2] for line in self.commands if line.startswith("functions deploy ")}

    def remember(self) -> None:
        """What was deployed is there from now on, as it was labelled, with its dead letters."""
        functions: list[dict[str, Any]] = []
        names: list[str] = []
        for line in self.commands:
            if line.startswith("functions deploy "):
                name = line.split()[2]
                labels = dict(each.split("=") for each in line.partition("--update-labels=")[2].split()[0].split(","))
                trigger = {"trigger": f"projects/p/locations/nam5/triggers/{name}-1"}
                content = {"name": f"projects/p/locations/us-central1/functions/{name}", "state": "ACTIVE"}
                names.append(name)
                functions.append({**content, "labels": labels, "eventTrigger": trigger})
        self.answers("functions list", functions)
        jobs = [line.split()[4] for line in self.commands if line.startswith("scheduler jobs create http ")]
        self.answers(
            "scheduler jobs list", [{"name": f"projects/p/locations/us-central1/jobs/{name}"} for name in jobs]
        )
        self.answers(
            "pubsub subscriptions list",
            [
                {"name": f"projects/p/subscriptions/eventarc-nam5-{name}-1-sub-9", "deadLetterPolicy": {}}
                for name in names
            ],
        )
        for kind in ("logging metrics", "monitoring dashboards", "alpha monitoring policies"):
            found = [{"name": f"projects/p/any/{number}", **each} for number, each in enumerate(self.written(kind))]
            self.answers(f"{kind} list", found)

    def written(self, kind: str) -> list[dict[str, Any]]:
        """What the files hold of which commands of this kind create or update resources."""
        lines = [line for line in self.commands if line.startswith((f"{kind} create", f"{kind} update"))]
        return [json.loads(Path(line.partition("-file=")[2].split()[0]).read_text()) for line in lines]


FUNCTIONS = {"towns-city-view-on-cities", "towns-city-form-task", "towns-continuations", "towns-upkeep"}
