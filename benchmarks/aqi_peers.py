"""What python-aqi 0.6.1 and aqi-hub 0.3.3 give beside ours and the standard's own value, on the same inputs.

Golden vectors are the bounds of each table and the values beside them, worked by hand from the standards; below them stand inputs on which public libraries are known to differ. Errors are shown as they are.
    python benchmarks/aqi_peers.py     needs a package index for the two peers and `uv`; ten seconds, and the peers' environment is gone afterwards
"""
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from aq_workbench.aqi import nowcast_of, sub_index

PEERS = Path(__file__).parent/"peers"
UNITS = {"pm25": "µg/m³", "pm10": "µg/m³", "o3": "ppm", "so2": "µg/m³"}


def cases(standard, parameter, hours, pairs):
    "Cases of one table from `value:index` words."
    return [(standard, parameter, hours, *word.split(":")) for word in pairs.split()]


GOLDEN = [
    *cases("us_epa_2024", "pm25", 24, "9.0:50 9.05:50 9.1:51 12:56 35.4:100 35.49:100 35.5:101 55.4:150 55.5:151 125.4:200 125.5:201 225.4:300 225.5:301 325.4:500 400:649"),
    *cases("us_epa_2024", "pm10", 24, "54:50 55:51 154:100 155:101 604:500"),
    *cases("us_epa_2024", "o3", 8, "0.054:50 0.055:51 0.070:100 0.071:101 0.0785:126 0.105:200 0.200:300"),
    *cases("in_cpcb_2014", "pm25", 24, "30:50 45:75 60:100 90:200 120:300 250:400"),
    *cases("in_cpcb_2014", "pm10", 24, "100:100 250:200 350:300 430:400"),
    *cases("cn_hj633_2026", "pm25", 24, "35:50 50:80 60:100 75:114 115:150 150:200"),
    *cases("cn_hj633_2012", "pm25", 24, "50:69 60:82 75:100"),
]
ODD = [   # NaN and what is no concentration have no index; 600 µg/m³ is 1047 by the last row, or 500 where the index is capped
    *cases("us_epa_2024", "pm25", 24, "-999:none 600:1047 nan:none"),
    *cases("cn_hj633_2026", "so2", 24, "150:100"),
    *cases("cn_hj633_2026", "pm25", 24, "60.5:100 nan:none 600:500"),
    *cases("cn_hj633_2012", "pm25", 24, "60.5:82 600:500"),
    *cases("cn_hj633_2026", "pm10", 24, "7:7"),
]
GAP = float("nan")
NOWCASTS = {"steady": ([10]*12, 10.), "rising": ([80, 60, 40, 20, *[10]*8], 61.888), "an hour is missing": ([50, GAP, 48, *[45]*9], 46.184),
            "the newest two are missing": ([GAP, GAP, 30, *[30]*9], GAP), "EPA's slides": ([13, 16, 10, 21, 74, 64, 53, 82, 90, 75, 80, 50], 17.414)}


def theirs(asked):
    "What both peers answer, in an environment of their own."
    uv = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if not uv: sys.exit("This needs uv, in this environment or on the path: pip install uv")
    with TemporaryDirectory() as folder:
        python = Path(folder)/("env/Scripts/python.exe" if os.name == "nt" else "env/bin/python")
        subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(Path(folder)/"env")], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", str(python), "-r", str(PEERS/"aqi.txt")], check=True)
        done = subprocess.run([str(python), "-E", str(PEERS/"aqi_values.py")], input=json.dumps(asked), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def ours(standard, parameter, hours, value):
    row = sub_index([float(value)], parameter, standard=standard, hours=hours, unit=UNITS[parameter]).row(0, named=True)
    return row["reason"] if row["index"] is None else row["index"]


def is_right(wanted, got):
    "Whether an answer is the standard's; an error is no answer."
    if isinstance(got, str) or got is None or math.isnan(got): return wanted == "none" and (got is None or isinstance(got, float))
    return str(round(got)) == wanted and got == round(got)


def shown(got): return "none" if got is None else got if isinstance(got, str) else f"{got:g}"


def main():
    golden, asked = len(GOLDEN), [*GOLDEN, *ODD]
    answers = [[ours(*case[:4]), *peers] for case, peers in zip(asked, theirs([case[:4] for case in asked]))]
    names = ["ours", "python-aqi", "aqi-hub"]
    for title, rows in (("Golden vectors", range(golden)), ("Known to differ", range(golden, len(asked)))):
        print(f"{title}\n{'standard':14} {'':5} {'h':>2} {'value':>7} {'index':>6}  {'ours':22} {'python-aqi':44} aqi-hub")
        for i in rows:
            standard, parameter, hours, value, wanted = asked[i]
            cells = [shown(got) + (" " if is_right(wanted, got) or isinstance(got, str) else " !") for got in answers[i]]
            print(f"{standard:14} {parameter:5} {hours:2} {value:>7} {wanted:>6}  {cells[0]:22} {cells[1]:44} {cells[2]}".rstrip())
        print()
    for k, name in enumerate(names):
        there = [i for i in range(golden) if answers[i][k] != "no table"]
        right = sum(is_right(asked[i][4], answers[i][k]) for i in there)
        print(f"{name:11} {right} of {golden} golden vectors right ({len(there)} are of a standard that it has)")
    print("\nNowCast (neither peer has one)")
    for what, (hours, wanted) in NOWCASTS.items(): print(f"{what:28} {wanted:7.3f}  ours {nowcast_of([float(v) for v in reversed(hours)])[-1]:7.3f}")


if __name__ == "__main__": main()
