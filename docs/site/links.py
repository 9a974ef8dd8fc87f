"""Links from a page to a file outside docs/ lead to the repository. Each must exist."""

import posixpath
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\]\((\.\./[^)#\s]*)(#[^)\s]*)?\)")


def on_page_markdown(markdown, page, config, files):
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def lead(match):
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        if target.startswith("docs/"):
            return match[0]
        if not (ROOT / target).exists():
            raise SystemExit(f"docs/{page.file.src_uri}: {match[1]} does not exist")
        return f"]({config['repo_url']}/blob/main/{target}{match[2] or ''})"

    return LINK.sub(lead, markdown)
