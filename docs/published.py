"""Adds to the site the pages that lie elsewhere in the repository, a page for each error code, and `llms.txt`.

A page that lies elsewhere is put where its links expect it. mkdocs calls `on_config` first, `on_files` once it has
found the pages in `docs/`, `on_page_markdown` for each page, and `on_post_build` when the site is written.
"""

import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

from boiler_functions.cli.codes import explanations, introduction
from boiler_functions.exceptions import BoilerError
from boiler_functions.types import subclasses

ROOT: Final = Path(__file__).parents[1]

# A page of the site, and the file that it shows.
PAGES: Final = {
    "README.md": "README.md",
    "ARCHITECTURE.md": "ARCHITECTURE.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "SECURITY.md": "SECURITY.md",
    "LICENSE.md": "LICENSE",
    "tests/README.md": "tests/README.md",
    "boiler_functions/plan/alerts.md": "boiler_functions/plan/alerts.md",
}

ERRORS: Final = "reference/errors.md"
"""The page that lists the error codes."""

_ERRORS: Final[dict[str, type[BoilerError]]] = {each.code: each for each in (BoilerError, *subclasses(BoilerError))}

# An error code in a sentence, outside code, a link or a heading.
_CODE: Final = re.compile(r"```.*?^```|`[^`\n]*`|^#.*?$|\[[^]]*\]\([^)]*\)|\b(BF\d{3})\b", re.MULTILINE | re.DOTALL)

# What the hooks keep of a build for the next one, as mkdocs passes it to none of them whole.
_pages: list[Page] = []
_texts: dict[str, str] = {}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Puts the page of each error code below the list of them."""
    groups = (entries for group in config.nav or () for entries in group.values() if isinstance(entries, list))
    (errors,) = (entry for entries in groups for entry in entries if entry == {"Errors": ERRORS})
    errors["Errors"] = [ERRORS, *(f"reference/errors/{code}.md" for code in explanations())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Returns the pages of `docs/` and those that lie elsewhere."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    files.append(File.generated(config, ERRORS, content=_list_of_errors()))
    for code, text in explanations().items():
        files.append(File.generated(config, f"reference/errors/{code}.md", content=_page_of_error(code, text)))
    return files


def _list_of_errors() -> str:
    rows = (f"| [{code}](errors/{code}.md) | `{each.__name__}` | {_meaning(each)} |" for code, each in _ERRORS.items())
    return "\n".join(
        ("# Errors", "", introduction(), "", "| code | name | means |", "|---|---|---|", *sorted(rows), "")
    )


def _page_of_error(code: str, text: str) -> str:
    """Returns what `boiler check --explain` prints, with the errors of which it is a kind, and its reference."""
    error = _ERRORS[code]
    bases = (each for each in error.__mro__[1:] if issubclass(each, BoilerError))
    kinds = " and ".join(f"[{each.code} {each.__name__}]({each.code}.md)" for each in bases)
    reference = f"::: {error.__module__}.{error.__name__}\n    options: {{heading_level: 2}}\n"
    return "\n\n".join((f"# {text}", *([f"It is a kind of {kinds}."] if kinds else []), reference))


def _meaning(error: type[BoilerError]) -> str:
    return (error.__doc__ or "").splitlines()[0]


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Returns the page with its links as the site has them, where `docs/` is the root, and each code as a link."""
    up = "../" * page.file.src_uri.count("/")
    text = markdown.replace(f"]({up}docs/" if page.file.src_uri in PAGES else f"]({up}../", f"]({up}")
    text = _CODE.sub(lambda found: f"[{found[1]}]({up}reference/errors/{found[1]}.md)" if found[1] else found[0], text)
    _texts[page.url] = text
    return text


def on_nav(nav: Navigation, **_: object) -> Navigation:
    """Keeps the order of the pages."""
    _pages[:] = nav.pages
    return nav


def on_post_build(config: MkDocsConfig) -> None:
    """Writes `llms.txt`, an index of the pages in the form of https://llmstxt.org, and `llms-full.txt`, their text."""
    index = [f"- [{page.title}]({page.url}): {_first_sentence(_texts[page.url])}" for page in _pages]
    head = f"# {config.site_name}\n\n> {config.site_description}\n"
    site = Path(config.site_dir)
    (site / "llms.txt").write_text(f"{head}\n## Pages\n\n{chr(10).join(index)}\n", "utf-8")
    (site / "llms-full.txt").write_text("\n\n".join([head, *(_texts[page.url] for page in _pages)]), "utf-8")


def _first_sentence(text: str) -> str:
    """Returns the first sentence of the page's first paragraph, without links."""
    paragraphs = (part for part in text.split("\n\n") if part[0].isalpha() or part[0] in "`*")
    words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", " ".join(next(paragraphs, "").split()))
    return re.split(r"(?<=[.:])\s", words)[0].rstrip(":")
