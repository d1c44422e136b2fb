"""Bring everything that is derived up to date: package, asset copies, README.

    python docs/export.py            export notebooks, copy assets, render the README
    python docs/export.py --check    change nothing; exit 1 and name what differs
"""
import re
import sys
from pathlib import Path
from shutil import copyfile, copytree, rmtree
from tempfile import TemporaryDirectory

import nbformat
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("pipelines", "dashboard")
PROJECT = {".env.example": "env.example", "cities.yaml": "cities.yaml"}  # what `aqw init` hands out; a leading dot would stay out of the wheel


def export_package(root):
    """Export the library notebooks of a checkout (or of a copy of its nbs/) into its package."""
    from nbdev.export import nb_export
    for notebook in sorted((root / "nbs").glob("[0-9]*/[0-9]*.ipynb")):
        nb_export(notebook, lib_path=root / "aq_workbench")


def render_readme():
    """README text: nbs/index.ipynb as Markdown, without hidden cells and directives."""
    notebook = nbformat.read(ROOT / "nbs/index.ipynb", as_version=4)
    notebook.cells = [c for c in notebook.cells if "#| hide" not in c.source.splitlines()[:1]]
    for cell in notebook.cells:
        cell.source = "\n".join(line for line in cell.source.splitlines() if not line.startswith("#|"))
    notebook.metadata["language_info"] = {"name": "python"}
    text, _ = MarkdownExporter().from_notebook_node(notebook)
    text = re.sub(r"\n{3,}", "\n\n", text.replace("](images/", "](nbs/images/"))
    return "<!-- made from nbs/index.ipynb by docs/export.py -->\n\n" + text.strip() + "\n"


def copy_assets(assets):
    for name in COPIED:
        if (assets / name).exists(): rmtree(assets / name)
        copytree(ROOT / "nbs" / name, assets / name, ignore=lambda folder, names: [n for n in names if not n.endswith(".ipynb")])
    for source, name in PROJECT.items(): copyfile(ROOT / source, assets / "project" / name)


def files_under(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts}


def exported_files(package):
    "The modules that come from notebooks; faces are written by hand."
    return {k: v for k, v in files_under(package).items() if k.endswith(".py") and not k.endswith("__init__.py") and k != "_modidx.py"}


def differences():
    """What differs between the derived files and what they are derived from."""
    found = [] if (ROOT / "README.md").read_text(encoding="utf-8") == render_readme() else ["README.md is not nbs/index.ipynb"]
    for name in COPIED:
        source = {k: v for k, v in files_under(ROOT / "nbs" / name).items() if k.endswith(".ipynb")}
        if source != files_under(ROOT / "aq_workbench/assets" / name): found.append(f"aq_workbench/assets/{name} is not nbs/{name}")
    for source, name in PROJECT.items():
        if (ROOT / source).read_bytes() != (ROOT / "aq_workbench/assets/project" / name).read_bytes(): found.append(f"aq_workbench/assets/project/{name} is not {source}")
    with TemporaryDirectory() as folder:
        copytree(ROOT / "nbs", Path(folder) / "nbs")
        lib = Path(folder) / "aq_workbench"
        export_package(Path(folder))
        mine, made = exported_files(ROOT / "aq_workbench"), exported_files(lib)
        found += [f"aq_workbench/{name} is not its notebook's export" for name in sorted(made) if mine.get(name) != made[name]]
        found += [f"aq_workbench/{name} has no notebook" for name in sorted(set(mine) - set(made))]
    return found


def main():
    if "--check" in sys.argv:
        found = differences()
        print("\n".join(found) or "package, assets and README are up to date")
        sys.exit(bool(found))
    from nbdev.doclinks import nbdev_export
    nbdev_export()
    copy_assets(ROOT / "aq_workbench/assets")
    (ROOT / "README.md").write_text(render_readme(), encoding="utf-8")


if __name__ == "__main__":
    main()
