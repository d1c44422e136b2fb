"""Draw the terminal pictures of the README from what the commands really print.

    python docs/terminal_pictures.py          both pictures, some minutes
    python docs/terminal_pictures.py demo     one of them

Each command runs in a fresh home, whose path is shortened in the picture. Of the demo one step is shown.
"""
import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

IMAGES = Path(__file__).resolve().parent.parent / "nbs/images"
WIDTH = 80
FONT = "ui-monospace, 'Cascadia Mono', 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"
DARK = TerminalTheme((22, 27, 34), (201, 209, 217),
                     [(22, 27, 34), (255, 123, 114), (126, 231, 135), (227, 179, 65), (121, 192, 255), (210, 168, 255), (86, 212, 221), (201, 209, 217)],
                     [(110, 118, 129), (255, 161, 152), (126, 231, 135), (242, 204, 96), (165, 214, 255), (226, 197, 255), (179, 240, 255), (240, 246, 252)])
PICTURES = {"run": (["run", "--cities", "Delhi,Beijing,London"], r".*"),
            "demo": (["demo", "--step", "5"], r"(?<=\n)[^\n]*5 of 6.*(?=\n[^\n]*Done:)")}


def printed(arguments, home):
    "What aqw prints in colour, with the end of its moving lines only."
    env = {**os.environ, "AQW_HOME": str(home), "COLUMNS": str(WIDTH), "OPENAQ_API_KEY": "", "FORCE_COLOR": "1", "TTY_INTERACTIVE": "0", "COLORTERM": "truecolor", "TERM": "xterm-256color"}
    done = subprocess.run([str(Path(sys.executable).with_name("aqw")), *arguments], env=env, capture_output=True, text=True, encoding="utf-8", check=True)
    return re.sub(r"\x1b\[\?25[lh]", "", done.stdout).replace(str(home), "~/air")


def draw(command, text):
    "An SVG of a terminal that needs no font from elsewhere."
    page = Console(record=True, width=WIDTH, file=open(os.devnull, "w", encoding="utf-8"), color_system="truecolor", force_terminal=True, highlight=False)
    page.print(Text.assemble(("$ ", "bold green"), (command, "bold")))
    for line in text.strip("\n").splitlines(): page.print(Text.from_ansi(line.rstrip()))
    svg = page.export_svg(title=command, theme=DARK, unique_id="terminal")
    return re.sub(r"font-family: [^;}]*", f"font-family: {FONT}", re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.S))


def main():
    for name in sys.argv[1:] or PICTURES:
        arguments, part = PICTURES[name]
        with TemporaryDirectory() as folder: text = printed(arguments, Path(folder).resolve())
        (IMAGES / f"{name}.svg").write_text(draw(" ".join(["aqw", *arguments]), re.search(part, text, re.S)[0]), encoding="utf-8")


if __name__ == "__main__":
    main()
