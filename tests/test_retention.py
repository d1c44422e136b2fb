"What `aqw tidy` does with runs of more than a year, against a plain reading of the rules."
import json
import os
import random
from datetime import datetime, timedelta

import pytest
from aq_workbench.core import Settings
from aq_workbench.commands.retention import tidy_runs

START = datetime(2025, 1, 1)


def made_run(runs, at, kind, cities, rng):
    folder = runs / f"{at:%Y%m%d-%H%M%S}-{len(cities)}-cities"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(json.dumps({"source": kind, "cities": {c: {"trained": False} for c in cities}, "failed": {}}))
    if rng.random() < .3:
        (folder / "x").mkdir()
        (folder / "x/1_ingest.ipynb").write_bytes(b"{}" * rng.randrange(2000))
    return folder


def year(home, seed):
    "Some three hundred runs of two kinds and two sets of cities in four hundred days, with things of a user among them; what a user relies on."
    rng, runs = random.Random(seed), home / "reports/runs"
    made, held = {}, {}
    for n in sorted(rng.sample(range(400 * 24), 300)):
        kind, cities = rng.choice([("live", ("Delhi",)), ("live", ("Delhi", "London")), ("sandbox", ("Delhi",))])
        made[made_run(runs, START + timedelta(hours=n, seconds=n % 3600), kind, cities, rng)] = kind, cities
    for folder in rng.sample(sorted(made), 40):
        what = rng.choice(("keep", "notes", "saved", "paper"))
        held[folder] = what
        if what == "keep": (folder / "keep").touch()
        if what == "notes": (folder / "my notes.md").write_text("mine")
        if what == "saved": os.utime(folder / "results.json", (0, 0))
        if what == "paper":
            (home / "paper").mkdir(exist_ok=True)
            with (home / "paper/numbers.tex").open("a") as f: f.write(rf"\newcommand{{\aqwRun}}{{{folder.name}}}" "\n")
    (runs / "thesis").mkdir()
    (runs / "thesis/chapter.md").write_text("mine")
    (runs / "notes.txt").write_text("mine")
    return made, {f: w for f, w in held.items() if w != "saved" or (f / "x").exists()}


def expected(made, held, settings):
    "Which runs stay, by the rules as they are written."
    alone = {f for f, w in held.items() if w in ("notes", "saved")}
    ours, stay = sorted(set(made) - alone), set(held)
    for kind in ("live", "sandbox"): stay |= set([f for f in ours if made[f][0] == kind][-settings.keep_runs:])
    for key in set(made.values()):
        mine = [f for f in ours if made[f] == key]
        for day in sorted({f.name[:8] for f in mine})[-settings.keep_run_days:]: stay.add([f for f in mine if f.name[:8] == day][-1])
    return stay


@pytest.mark.parametrize("seed", range(3))
def test_a_year_of_runs(tmp_path, seed):
    made, held = year(tmp_path, seed)
    rng = random.Random(seed)
    settings = Settings(home=tmp_path, source="live", keep_runs=rng.randrange(1, 40), keep_run_days=rng.randrange(1, 60))
    before = {p: p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()}
    stay = expected(made, held, settings)
    assert {f.run.path for f in tidy_runs(settings) if f.rule} - {tmp_path / "reports/runs/thesis", tmp_path / "reports/runs/notes.txt"} == stay
    assert all(p.exists() for p in before), "a dry run deletes nothing"
    went = [f for f in tidy_runs(settings, dry_run=False) if not f.rule]
    after = {p: p.stat().st_size for p in tmp_path.rglob("*") if p.is_file()}
    assert {p for p in made if p.exists()} == stay
    assert sum(before.values()) - sum(after.values()) == sum(f.run.bytes for f in went), "the sizes that are said are true"
    assert all(any(p.is_relative_to(f.run.path) for f in went) for p in before.keys() - after.keys()), "nothing else went"
    assert not [f for f in tidy_runs(settings, dry_run=False) if not f.rule], "a second time finds nothing"


def test_only_one_kind(tmp_path):
    made, held = year(tmp_path, 9)
    settings = Settings(home=tmp_path, source="live", keep_runs=1, keep_run_days=0)
    tidy_runs(settings, "sandbox", dry_run=False)
    assert all(f.exists() for f, (kind, _) in made.items() if kind == "live")
    assert sum(f.exists() for f, (kind, _) in made.items() if kind == "sandbox" and f not in held) <= 1
