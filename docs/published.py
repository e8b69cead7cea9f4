"""Adds to the site the pages that lie elsewhere in the repository, each where its links expect it.

mkdocs calls `on_files` once it has found the pages in `docs/`.
"""

import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

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
        text = (ROOT / source).read_text("utf-8")
        # In the repository the pages of the site lie in `docs/`; in the site they lie beside the others.
        files.append(File.generated(config, page, content=re.sub(r"\]\(docs/", "](", text)))
    return files
