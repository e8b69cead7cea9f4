"""Adds to the site the pages that lie elsewhere in the repository, each where its links expect it.

mkdocs calls `on_files` once it has found the pages in `docs/`, and `on_page_markdown` for each page.
"""

from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
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
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Returns the pages of `docs/` and those that lie elsewhere."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Returns the page with its links as the site has them: there, `docs/` is the root."""
    up = "../" * page.file.src_uri.count("/")
    if page.file.src_uri in PAGES:
        return markdown.replace(f"]({up}docs/", f"]({up}")
    return markdown.replace(f"]({up}../", f"]({up}")
