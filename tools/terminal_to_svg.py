"""Draws what a terminal shows as an SVG picture, for the README.

Usage, with the terminal of a real run in tmux:
    tmux capture-pane -e -p -t SESSION | python -m tools.terminal_to_svg docs/demo.svg "make demo"
"""

import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text


def main(path: Path, title: str, screen: str) -> None:
    """Write the picture of a screen, its colours as ANSI escapes."""
    lines = screen.rstrip().splitlines()
    width = max(Text.from_ansi(line).cell_len for line in lines)
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=width, file=nowhere, force_terminal=True)
        for line in lines:
            console.print(Text.from_ansi(line), no_wrap=True, crop=False)
        picture = console.export_svg(title=title)
    # The reader's own monospaced font will do: a picture should fetch nothing.
    path.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.stdin.read())
