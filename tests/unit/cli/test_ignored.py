"""Nothing is uploaded that git or gcloud ignores, that pyproject.toml names as credentials, or that holds a key."""

import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from boiler_functions.cli import upload
from boiler_functions.cli.project import Project
from boiler_functions.cli.upload import Upload, stage, stage_for_firebase
from boiler_functions.exceptions import IncompleteUpload, KeyInUpload
from tests.unit.cli.conftest import APP, Run, Write

SEEDS = range(40)

NAMES = ["a", "b", "a.b", "k1", "#x", "!y", "a b", "keys", "é", "[z]", "a\\b", "x "]
GLOBS = ["*", "**", "***", "a*", "?", "??", "[ab]", "[!a]*", "[^a]", "[]a]", "[a", "[a-k]*", "[k-a]", "[[]z]", "*.b"]
GLOBS += ["[[:alpha:]]", "[[:digit:]k]*", "[[:no:]]", "[a\\-k]", "a\\*", "\\#x", "\\!y", "a\\\\b", "x\\ ", "a\\"]

KEY = """{
  "type": "service_account",
  "private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\n-----END PRIVATE KEY-----\\n"
}
"""


@pytest.fixture(autouse=True)
def git_of_nobody(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without settings of git."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setattr(upload, "_origin", lambda package: None)
    return home


@pytest.fixture
def project(folder: Path, module: Write) -> Project:
    """A project whose source is the folder of pyproject.toml."""
    name = module(APP)
    shutil.move(folder / "functions" / f"{name}.py", folder)
    (folder / "functions").rmdir()
    (folder / "main.py").write_text(f"from {name} import app\n\napp.export(globals())\n")
    (folder / "requirements.txt").write_text("boiler-functions[tasks]\n")
    with (folder / "pyproject.toml").open("a") as file:
        file.write('source = "."\n\n[tool.boiler_functions.env.prod]\ncredentials = "keys/prod.json"\n')
    return Project.find()


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def uploaded(project: Project) -> set[str]:
    """The files that either deployer uploads; they are the same."""
    manifest = project.load().manifest
    folder = project.folder / ".boiler"
    files = set(stage(project, manifest, folder / "upload").files)
    assert set(stage_for_firebase(project, manifest, folder / "firebase").files) == files
    return files


def git(folder: Path, *arguments: str, given: str = "") -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, input=given.encode(), capture_output=True, check=False)
    return os.fsdecode(done.stdout)


@pytest.fixture
def repository(project: Project) -> Project:
    if shutil.which("git") is None:
        pytest.skip("git is not installed; it is the judge here")
    git(project.folder, "init", "-q")
    return project


def ignored_by_git(folder: Path) -> set[str]:
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    files = [path.as_posix() for path in found if path.parts[0] not in (".git", ".boiler")]
    return set(git(folder, "check-ignore", "--stdin", "-z", given="\0".join(files)).split("\0")) - {""}


def _pattern(chance: random.Random) -> str:
    segments = [chance.choice(NAMES + GLOBS) for _ in range(chance.choice([1, 1, 1, 2, 2, 3]))]
    prefix, suffix = chance.choice(["", "", "", "!", "/", "!/"]), chance.choice(["", "", "", "/", " ", "\t", "\r"])
    return f"{prefix}{'/'.join(segments)}{suffix}"


def _tree(folder: Path, chance: random.Random) -> Iterator[Path]:
    """Folders with files and ignore files, made as it chances."""
    folder.mkdir()
    folders = [folder]
    for _ in range(8):
        path = chance.choice(folders) / chance.choice(NAMES)
        if not path.exists() and chance.random() < 0.6:
            path.mkdir()
            folders.append(path)
        elif not path.exists():
            yield write(path)
    for each in folders:
        if not (path := each / chance.choice(NAMES)).exists():
            yield write(path)
        if chance.random() < 0.5:
            write(each / ".gitignore", "\n".join(_pattern(chance) for _ in range(chance.randint(1, 5))))


@pytest.mark.parametrize("seed", SEEDS)
def test_just_what_git_ignores_stays_behind(seed: int, repository: Project) -> None:
    files = list(_tree(repository.folder / "data", random.Random(seed)))
    names = {path.relative_to(repository.folder).as_posix() for path in files}
    assert names & uploaded(repository) == names - ignored_by_git(repository.folder)


def test_the_ignore_files_of_the_clone_and_of_the_user_count(repository: Project, git_of_nobody: Path) -> None:
    for name in ("clone.txt", "user.txt", "other.txt"):
        write(repository.source / name)
    write(repository.folder / ".git" / "info" / "exclude", "clone.txt\n")
    write(git_of_nobody / "config" / "git" / "ignore", "user.txt\n")
    assert ignored_by_git(repository.folder) == {"clone.txt", "user.txt"}
    assert uploaded(repository) & {"clone.txt", "user.txt", "other.txt"} == {"other.txt"}


def test_an_ignore_file_counts_where_there_is_neither_a_repository_nor_a_git(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(project.folder / ".gitignore", "/data/*\n!/data/kept.csv\n")
    for name in ("kept.csv", "dropped.csv"):
        write(project.source / "data" / name)
    monkeypatch.setenv("PATH", "")
    assert {name for name in uploaded(project) if name.startswith("data/")} == {"data/kept.csv"}


def test_what_gcloud_ignores_stays_behind_with_what_its_file_includes(project: Project) -> None:
    write(project.source / ".gcloudignore", "#!include:.more\n*.csv\n!kept.csv\n")
    write(project.source / ".more", "/secret/\n")
    for name in ("a.csv", "kept.csv", "secret/x", "deep/secret/x"):
        write(project.source / name)
    found = uploaded(project)
    assert {"kept.csv", "deep/secret/x"} <= found
    # It would be obeyed a second time, and include what is not there.
    assert not {"a.csv", "secret/x", ".gcloudignore"} & found


def test_an_ignore_file_that_includes_a_missing_file_is_refused(project: Project) -> None:
    write(project.source / ".gcloudignore", "#!include:.gone\n")
    with pytest.raises(IncompleteUpload, match=r"\.gcloudignore includes .*\.gone, which does not exist"):
        uploaded(project)


def test_the_credentials_of_every_stage_stay_behind(project: Project) -> None:
    write(project.folder / "keys" / "prod.json", KEY)
    assert "keys/prod.json" not in uploaded(project)


def test_a_link_to_what_is_ignored_stays_behind(project: Project) -> None:
    key = write(project.folder / "keys" / "prod.json", KEY)
    write(project.folder / ".gitignore", "/private\n")
    write(project.folder / "private" / "list.txt")
    (project.source / "key.json").symlink_to(key)
    (project.source / "lists").symlink_to(project.folder / "private")
    (project.source / "data").mkdir()
    (project.source / "data" / "list.txt").symlink_to(project.folder / "private" / "list.txt")
    assert not {"key.json", "lists/list.txt", "data/list.txt"} & uploaded(project)


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        KEY.replace("\\n", "\n"),
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234567890\n",
        '{"type": "authorized_user", "refresh_token": "1//0abcdefghijk"}',
        "TOKEN = '''-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY\n'''",
    ],
)
def test_a_private_key_of_any_name_is_refused_by_the_name_of_its_file(text: str, project: Project) -> None:
    write(project.source / "data" / "notes.txt", text)
    with pytest.raises(KeyInUpload, match=r"data/notes\.txt holds a private key .* name it in \.gitignore"):
        uploaded(project)
    write(project.folder / ".gitignore", "notes.txt\n")
    assert "data/notes.txt" not in uploaded(project)


def test_a_text_that_speaks_of_keys_is_uploaded(project: Project) -> None:
    write(project.source / "keys.py", 'if text.startswith("-----BEGIN PRIVATE KEY-----"):\n    "service_account"\n')
    assert "keys.py" in uploaded(project)


@pytest.mark.parametrize("pattern", ["main.py", "requirements.txt", "*"])
def test_an_ignored_file_that_the_functions_need_is_refused(pattern: str, project: Project) -> None:
    write(project.folder / ".gitignore", pattern)
    with pytest.raises(IncompleteUpload, match=r"is ignored by \.gitignore or \.gcloudignore"):
        uploaded(project)


def test_a_deployment_uploads_none_of_it(project: Project, run: Run) -> None:
    write(project.folder / "keys" / "prod.json", KEY)
    write(project.folder / "prod.env", "PASSWORD=1")
    write(project.folder / ".gitignore", "*.env\n")
    assert run("deploy", "--dry-run", "--project", "p").exit_code == 0
    assert run("compile").exit_code == 0
    for staged in ("upload", "firebase"):
        files = {path.name for path in (project.folder / ".boiler" / staged).iterdir()}
        assert files >= {"main.py", "requirements.txt"}
        assert not {"keys", "prod.env"} & set(Upload(project.folder / ".boiler" / staged).files)
