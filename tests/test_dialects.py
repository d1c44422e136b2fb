"A table written in any dialect reads back equal, and no line of a file vanishes in silence."
import gzip
import io
import zipfile
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from aq_workbench.core import AqwError, UNITS, unit_factor, unit_shift
from aq_workbench.fetcher import read_file
from conftest import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CALM = dict(deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
FORMATS = {"ymd": ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y.%m.%d"], "dmy": ["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%y", "%d.%m.%y"],
           "mdy": ["%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y"]}
CLOCKS = ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%H.%M", "%H", "%I:%M %p", "%H.%M.%S"]
OFFSETS = ["Z", " UTC", "+00:00", "+0530", "-08", " GMT+1", "+01:00"]
GAS_UNITS = ["µg/m³", "ug/m3", "ppb", "PPB", "ug.m-3", "ppm", "mg/m3"]
UNITS_OF = {"pm25": ["µg/m³", "ug/m3", "μg m-3", "mg/m³", "Micrograms/cubic meter (LC)"], "no2": GAS_UNITS, "o3": GAS_UNITS,
            "co": ["mg/m³", "ppm", "µg/m³"], "temp": ["°C", "degC", "K", "F"], "ws": ["m/s", "km/h", "kt", "mph"],
            "pres": ["hPa", "mbar", "Pa"], "precip": ["mm"]}
PARSED = {"+0530": 330, "-08": -480, " GMT+1": 60, "+01:00": 60}


@st.composite
def tables(draw):
    "What was measured: the ends of hours in UTC, values by station and parameter, units, and a dialect to write it in."
    zone = draw(st.sampled_from(["UTC", "Asia/Kolkata", "Europe/London", "America/Los_Angeles", "Etc/GMT-8"]))
    autumn = zone in ("Europe/London", "America/Los_Angeles") and draw(st.booleans())
    first = datetime(2023, 10 if zone == "Europe/London" else 11, 29 if zone == "Europe/London" else 5, 0) if autumn else datetime(
        draw(st.integers(1999, 2030)), draw(st.integers(1, 12)), draw(st.integers(1, 28)), draw(st.integers(0, 23)))
    n = draw(st.integers(26 if autumn else 3, 40))
    start = first.replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc)
    ends = [start + timedelta(hours=i) for i in range(n)]
    parameters = draw(st.lists(st.sampled_from(sorted(UNITS_OF)), min_size=1, max_size=3, unique=True))
    stations = draw(st.sampled_from([["Kerb"], ["North", "South"], ["7", "12"]]))
    number = st.one_of(st.none(), st.integers(0, 99).map(float), st.decimals(0, 99, places=2).map(float))
    values = {(s, p, e): draw(number) for s in stations for p in parameters for e in ends}
    return {"zone": zone, "ends": ends, "stations": stations, "values": values,
            "units": {p: draw(st.sampled_from(UNITS_OF[p])) for p in parameters},
            "order": draw(st.sampled_from(sorted(FORMATS))), "date": draw(st.integers(0, 9)), "clock": draw(st.sampled_from(CLOCKS)),
            "stamps": draw(st.sampled_from(["wall", "wall", "wall", "offset", "epoch", "epoch_ms", "until"])),
            "offset": draw(st.sampled_from(OFFSETS)), "stamp": draw(st.sampled_from(["start", "end"])),
            "split": draw(st.booleans()), "h24": draw(st.booleans()), "shape": draw(st.sampled_from(["wide", "long", "units beside"])),
            "delimiter": draw(st.sampled_from(",;\t|")), "comma": draw(st.booleans()), "thousands": draw(st.booleans()),
            "quoted": draw(st.booleans()), "missing": draw(st.sampled_from(["", "NA", "-200", "-", "null", '""'])),
            "encoding": draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])),
            "above": draw(st.integers(0, 4)), "ending": draw(st.sampled_from(["\n", "\r\n"])), "trailing": draw(st.booleans()),
            "packing": draw(st.sampled_from(["", "", "gz", "zip", "xlsx"])), "blank": draw(st.booleans()),
            "reverse": draw(st.booleans())}


def stamp_texts(t, end):
    "One stamp as the file writes it, and the words of the mapping for it."
    at = end if t["stamp"] == "end" else end - timedelta(hours=1)
    if t["stamps"].startswith("epoch"):
        return [f"{int(at.timestamp() * (1000 if t['stamps'] == 'epoch_ms' else 1))}"], {"format": t["stamps"]}
    if t["stamps"] == "offset":
        at = at + timedelta(minutes=PARSED.get(t["offset"], 0))
        return [f"{at:%Y-%m-%d %H:%M:%S}{t['offset']}"], {}
    wall = at.astimezone(ZoneInfo(t["zone"]))
    dates = FORMATS[t["order"]]
    date, clock = dates[t["date"] % len(dates)], t["clock"]
    if clock == "%H" and not t["split"]: clock = "%H:%M"
    if date == "%Y%m%d" and not t["split"]: date = "%Y-%m-%d"
    if t["h24"] and t["stamp"] == "end" and not wall.hour and "%I" not in clock:
        day = f"{wall - timedelta(days=1):{date}}"
        texts = [day, f"{wall:{clock.replace('%f', '0')}}".replace("00", "24", 1)]
    else: texts = [f"{wall:{date}}", f"{wall:{clock.replace('%f', '0')}}"]
    how = {"zone": t["zone"]} | ({"order": t["order"]} if t["order"] != "ymd" else {})
    return (texts if t["split"] else [" ".join(texts)]), how


def number_text(t, value):
    "A number as the file writes it."
    if value is None: return t["missing"]
    text = f"{value:,.2f}" if t["thousands"] else f"{value:g}"
    return text.translate(str.maketrans(",.", ".,")) if t["comma"] else text


def written(t):
    "The file's text, and its mapping."
    stamps = [stamp_texts(t, e) for e in t["ends"]]
    names = ["day", "time"][:len(stamps[0][0])] if len(stamps[0][0]) > 1 else ["at"]
    time = {"column": names if len(names) > 1 else names[0], "stamp": t["stamp"], "period_min": 60} | stamps[0][1]
    rows, mapping = [], {"city": "Delhi", "location": "Kerb", "time": time, "missing": ["-", -200]}
    if t["comma"]: mapping["decimal"] = ","
    if t["thousands"]: mapping["thousands"] = "." if t["comma"] else ","
    if t["stamps"] == "until":
        time |= {"column": "at", "until": "to", "stamp": "start", "zone": "UTC"}
        time.pop("period_min")
        names, stamps = ["at", "to"], [([f"{e - timedelta(hours=1):%Y-%m-%d %H:%M}", f"{e:%Y-%m-%d %H:%M}"], {}) for e in t["ends"]]
        time.pop("order", None), time.pop("format", None)
    units, several = t["units"], len(t["stations"]) > 1
    if several: mapping["site"] = "site"
    for s in t["stations"]:
        for end, (texts, _) in zip(t["ends"], stamps):
            own = [*texts, *([s] if several else [])]
            cells = [(p, number_text(t, t["values"][s, p, end])) for p in units]
            if t["shape"] == "long": rows += [[*own, p, v, units[p]] for p, v in cells]
            elif t["shape"] == "wide": rows.append([*own, *(v for _, v in cells)])
            else: rows.append([*own, *(f for p, v in cells for f in (v, units[p]))])
    header = [*names, *(["site"] if several else [])]
    if t["shape"] == "long":
        header += ["what", "value", "unit"]
        mapping["rows"] = {"parameter": "what", "value": "value", "unit": "unit"}
    elif t["shape"] == "wide":
        header += list(units)
        mapping["columns"] = {p: {"parameter": p, "unit": u} for p, u in units.items()}
    else:
        header += [f for p in units for f in (p, f"unit of {p}")]
        mapping["columns"] = {p: {"parameter": p, "unit_column": f"unit of {p}"} for p in units}
    return header, rows[::-1] if t["reverse"] else rows, mapping


def saved(t, folder):
    "The file on disk, its mapping, and how many lines of values it has."
    header, rows, mapping = written(t)
    d = t["delimiter"]
    if t["comma"] and d == "," or t["thousands"] and d == ",": d = ";"
    def field(text): return text if text in ("", '""') or not (t["quoted"] or d in text) else f'"{text}"'
    lines = [d.join(map(field, r)) + d * t["trailing"] for r in [header, *rows]]
    if t["blank"]: lines.insert(2, "")
    lines = [f"Made up line {i} of a fact sheet" for i in range(t["above"])] + lines
    encoding = t["encoding"] if t["encoding"] != "cp1252" or not any("μ" in u for u in t["units"].values()) else "utf-8"
    raw = (t["ending"].join(lines) + t["ending"]).encode(encoding)
    path = folder / "made.csv"
    if t["packing"] == "gz": raw = gzip.compress(raw)
    elif t["packing"] == "zip":
        with zipfile.ZipFile(box := io.BytesIO(), "w") as z: z.writestr("inner.csv", raw)
        raw = box.getvalue()
    elif t["packing"] == "xlsx":
        import openpyxl
        book = openpyxl.Workbook()
        for row in [*([f"Made up {i}"] for i in range(t["above"])), header, *rows]: book.active.append([None if f in ("", '""') else f for f in row])
        book.save(path)
        return path, mapping, len(rows)
    path.write_bytes(raw)
    return path, mapping, len(rows)


def expected(t):
    "(station, parameter, end, value) of everything that was measured, in our units."
    return sorted((s, p, e, v * unit_factor(p, t["units"][p]) + unit_shift(t["units"][p]))
                  for (s, p, e), v in t["values"].items() if v is not None)


@given(tables())
@settings(max_examples=examples(200, soak=10_000), **CALM)
def test_a_table_in_any_dialect_reads_back_equal(tmp_path_factory, t):
    path, mapping, lines = saved(t, tmp_path_factory.mktemp("dialect"))
    batch = read_file(path, mapping=mapping)
    kept = batch.readings.select("location", "parameter", "event_ts", "value", "unit").sort("location", "parameter", "event_ts")
    want = expected(t)
    assert kept.select("location", "parameter", "event_ts").rows() == [w[:3] for w in want]
    assert kept["value"].to_list() == pytest.approx([w[3] for w in want], rel=1e-9, abs=1e-9)
    assert kept["unit"].to_list() == [UNITS[w[1]] for w in want]
    assert batch.account["lines"] == lines
    assert batch.account["readings"] == batch.readings.height
    assert batch.refused.is_empty()


def test_no_line_vanishes_in_silence(tmp_path_factory):
    "Of files with up to three letters changed most are read, and every line and value of these is accounted for."
    was_read = []

    @given(tables(), st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from("0x;,\"-\n 9")), max_size=3))
    @settings(max_examples=examples(200, soak=10_000), **CALM)
    def each(t, changes):
        t = {**t, "packing": "", "encoding": "utf-8", "above": 0, "blank": False, "ending": "\n"}
        path, mapping, _ = saved(t, tmp_path_factory.mktemp("torn"))
        text = path.read_text(encoding="utf-8")
        for at, letter in changes:
            at = text.index("\n") + 1 + at % (len(text) - text.index("\n"))
            text = text[:at] + letter + text[at + 1:]
        path.write_text(text, encoding="utf-8")
        lines = sum(bool(line.strip(' \r",;\t|')) for line in text.split("\n")[1:])
        try: batch = read_file(path, mapping=mapping)
        except AqwError as e:
            assert path.name in str(e)
            was_read.append(False)
            return
        was_read.append(True)
        assert batch.account["lines"] == lines
        assert batch.account["readings"] == batch.readings.height
        named = {line for line in batch.refused["line"]} | {int(n.split("line ")[1].split(",")[0]) for n in batch.notes if "put apart: line" in n}
        assert batch.account["lines refused"] <= len(named)
        cells = 1 if t["shape"] == "long" else len(t["units"])
        assert batch.account["readings"] + batch.account["values missing"] + batch.account["values refused"] == cells * batch.account["lines read"]

    each()
    assert sum(was_read) >= len(was_read)/2, "what is refused as a whole proves nothing"


def test_the_account_is_of_the_file_itself(tmp_path):
    (tmp_path / "a.csv").write_text("date,pm25,nh3\n2016-01-01 00:00,12,1\n2016-01-01 01:00,,2\n")
    batch = read_file(tmp_path / "a.csv", mapping={"city": "Delhi", "location": "x", "time": {"column": "date", "stamp": "end"},
                                                   "columns": {"pm25": {"parameter": "pm25"}}})
    assert batch.account == {"values": 2, "readings": 1, "values missing": 1, "values refused": 0, "lines": 2, "lines read": 2,
                             "lines left out": 0, "lines refused": 0}
    assert pl.DataFrame(batch.refused)["reason"].to_list() == ["column nh3 is not modelled: 2 values left out"]
