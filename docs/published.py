"""Adds to the site the pages that lie elsewhere in the repository, each where its links expect it, and `llms.txt`.

mkdocs calls `on_files` once it has found the pages in `docs/`, `on_page_markdown` for each page, and `on_post_build`
when the site is written.
"""

import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

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
    "reference/errors.md": "boiler_functions/cli/codes.md",
    "boiler_functions/plan/alerts.md": "boiler_functions/plan/alerts.md",
}

# What the hooks keep of a build for the next one, as mkdocs passes it to none of them whole.
_pages: list[Page] = []
_texts: dict[str, str] = {}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Returns the pages of `docs/` and those that lie elsewhere."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Returns the page with its links as the site has them: there, `docs/` is the root."""
    up = "../" * page.file.src_uri.count("/")
    text = markdown.replace(f"]({up}docs/" if page.file.src_uri in PAGES else f"]({up}../", f"]({up}")
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
