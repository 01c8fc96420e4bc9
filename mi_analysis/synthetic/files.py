"""How Eksempelstyrelsen's figures look when four kinds of systems export them: the dirt, and nothing but dirt.

What is added here (spellings, formats, duplicates, impossible dates, closing entries, totals, columns that
nobody may read) must be seen through by the reading step: after it, the figures are those that came in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xlsxwriter
from babel.dates import get_month_names

REFERENCE = Path(__file__).with_name("reference")
CROSSWALK = pd.read_csv(REFERENCE / "aktivitet_krydstabel.csv", sep=";", dtype=str, keep_default_na=False)
TASKS = dict(zip(CROSSWALK["aktivitet"], CROSSWALK["aktivitetsnavn"], strict=True))
PURPOSE = {"A10": "1", "A15": "1", "A20": "2", "A25": "2", "A30": "3", "A40": "4", "A50": "2", "A60": "1", "A70": "5"}
SHARED = "A10+A15"
"""What is posted on finance code 1012, which the crosswalk shares between two activities."""
ACCOUNTS = {
    "181001": ("Løn, fastansatte", "Løn"),
    "183010": ("Over-/merarbejde", "Udbetalt merarbejde"),
    "221010": ("Rejser og befordring", '"Kørsel; besøg i ""marken"""'),
    "222530": ("Konsulentydelser", "Ekstern bistand (€-faktura)"),
    "227025": ("Kontorhold", "Møblement – §-gruppen"),
    "111010": ("Gebyrindtægter", "Gebyrer"),
}
GOALS = {  # name, direction, weight, unit of measure, limit of partly met
    "1.1": ("Andel afgjort inden for fristen", "højere", 40, "pct.", 0.9),
    "1.2": ("Tilsyn gennemført efter plan", "højere", 20, "pct.", 0.9),
    "1.3": ("Besvarede henvendelser af modtagne", "højere", 40, "pct.", 0.9),
    "2.1": ("Median sagsbehandlingstid", "lavere", 20, "dage", 0.8),
    "2.2": ("Sygefravær, dage pr. årsværk", "lavere", 20, "dage", 0.8),
    "3.1": ("Ny selvbetjening i drift", "milepæl", 20, "ja/nej", ""),
}
MONTHS = list(get_month_names("wide", locale="da").values())
BALANCES = {
    "overtime": "Overarbejde",
    "extra_hours": "Merarbejde",
    "balance_taken": "Afspadseret",
    "balance_paid": "Udbetalt",
    "balance_opening": "Saldo primo",
    "balance_closing": "Saldo ultimo",
    "flex_balance": "Flekssaldo ultimo",
}
NO_BALANCES, LATE, BROKEN = "2023-05", "2025-12", ("2230", 2.0)
NOT_DELIVERED = ("2430", "2025M12")


def number(value: float, decimals: int = 2) -> str:
    """A number as Danish systems print it: 1.234,56 and 1.234,56-."""
    text = f"{abs(value):,.{decimals}f}".translate(str.maketrans(",.", ".,"))
    return text + "-" if value < 0 and text.strip("0,.") else text


def clock(hours: float) -> str:
    """Hours as h:mm."""
    return f"{round(hours * 60) // 60}:{round(hours * 60) % 60:02d}"


def groups(frame: pd.DataFrame, by: Any) -> Iterator[tuple[Any, pd.DataFrame]]:
    """The parts of a frame, by a column or key."""
    yield from frame.groupby(by)


def records(frame: pd.DataFrame) -> Iterator[Any]:
    """The rows of a frame, with its columns as attributes."""
    yield from frame.itertuples(index=False)


def codes(system: str, year: int) -> dict[str, str]:
    """The code of each activity in a system in a year."""
    rows = CROSSWALK[(CROSSWALK["system"] == system) & (CROSSWALK["andel"] == "1,00")]
    last, first = rows["gyldig_til"].str[-4:].replace("", "9999").astype(int), rows["gyldig_fra"].str[-4:].astype(int)
    valid = rows[(first <= year) & (last >= year)]
    return dict(zip(valid["aktivitet"], valid["kildekode"], strict=True))


def text_file(path: Path, lines: Iterable[str], encoding: str = "cp1252") -> None:
    """Lines with Windows line ends, in the encoding of the system."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("\r\n".join([*lines, ""]).encode(encoding))


def workbook(
    path: Path, sheet: str, cells: Sequence[Sequence[object]], merges: Sequence[tuple[int, int, int]] = ()
) -> None:
    """A workbook with a cover sheet; the creation date is fixed, so that the same cells give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with xlsxwriter.Workbook(path) as book:
        book.set_properties({"created": datetime(2026, 1, 5)})
        book.add_worksheet("Forside").write(0, 0, "Eksempelstyrelsen – opdigtede tal")
        page, percent = book.add_worksheet(sheet), book.add_format({"num_format": "0.0%"})
        for r, row in enumerate(cells):
            for c, value in enumerate(row):
                if value is not None and value != "":
                    page.write(r, c, value, percent if isinstance(value, float) and 0 < value <= 1 else None)
        for at, first, last in merges:
            page.merge_range(at, first, at, last, cells[at][first])


def reference(folder: Path, offices: Iterable[str]) -> None:
    """Organisation history, crosswalk and other names of units: UTF-8, as they lie beside this module."""
    for file in sorted(REFERENCE.glob("*.csv")):
        text = file.read_text("utf-8").splitlines()
        left_out = {"organisation_historik.csv": 0, "enhedsalias.csv": 2}.get(file.name)
        rows = [line.split(";") for line in text]
        kept = [line for line, row in zip(text, rows, strict=True)
                if left_out is None or not row[left_out].isdigit() or row[left_out][2:] == "00" or row[left_out] in offices]  # fmt: skip
        text_file(folder / "reference" / file.name, kept, "utf-8")


def time(folder: Path, rows: pd.DataFrame) -> None:
    """Per month, UTF-8 with BOM; hours as 7,40 or 7:24."""
    header = "Medarbejdernr.;Enhed;Uge fra;Alias;Fraværstype;Timer;Heraf over-/merarbejde;Normtid;Status;Periode;Sygeperiode fra;Sygeperiode til"
    for month, part in groups(rows, "period_start"):
        alias = codes("mtime", month.year) | {"~": "999000001", "": ""}
        dates = part[["first", "spell_start", "spell_end"]].melt()["value"].dropna().unique()
        days = {day: f"{day:%d-%m-%Y}" for day in dates} | {pd.NaT: ""}
        lines = [
            f"M-{r.person:04d};{r.unit};{days[r.first]};{alias[r.activity]};{r.kind};{clock(r.hours) if r.clock else number(r.hours)};"
            f"{number(r.overtime) if r.overtime else ''};{number(r.norm)};{r.status};{month:%Y%m};{days[r.spell_start]};{days[r.spell_end]}"
            for r in records(part)
        ]
        text_file(folder / f"tid/tidsregistrering_{month:%Y-%m}.csv", [header, *lines], "utf-8-sig")


def balances(folder: Path, names: Mapping[str, str], staff: pd.DataFrame) -> None:
    """Per month, cp1252, title rows, HR's unit codes, total line; one month is lost, one late, one balance wrong."""
    header = ";".join(["Enhed;Enhedsnavn;Periode;Årsværk", *(f"{label}, timer" for label in BALANCES.values())])
    hr = staff.assign(overtime=staff["overtime_hours"] - staff["extra_hours"])
    for month, part in groups(hr, "period_start"):
        name = f"{month:%Y-%m}"
        if name == NO_BALANCES:
            continue
        part = part.sort_values("unit").round(dict.fromkeys(BALANCES, 2))
        part.loc[(part["unit"] == BROKEN[0]) & (name == LATE), "balance_closing"] += BROKEN[1]
        cut = month + pd.offsets.MonthBegin(1) + pd.offsets.BDay(8 if name == LATE else 3)
        titles = ["Eksempelstyrelsen – over-/merarbejde og saldi", f"Udtrukket: {cut:%d-%m-%Y}"]
        lines = [*(title + ";" * 10 for title in titles), "", header]
        for unit, fte, *figures in records(part[["unit", "fte", *BALANCES]]):
            place = f"{unit[:2]}-{unit[2:]}-00;{names[unit]};{MONTHS[month.month - 1]} {month.year};{number(fte, 1)}"
            lines.append(";".join([place, *map(number, figures)]))
        lines.append(";".join([f"I alt;;;{number(part['fte'].sum(), 1)}", *map(number, part[list(BALANCES)].sum())]))
        text_file(folder / f"hr/overarbejde_saldi_{name}.csv", lines)


def ledger(folder: Path, rng: np.random.Generator, names: Mapping[str, str], postings: pd.DataFrame) -> None:
    """Per year, cp1252: quoted text, blanks after codes, shared code 1012, closing entries of the year, total line."""
    header = "Bogføringsdato;Bilagsnr.;Finanskontonr.;Kontonavn;Beskrivelse;Delregnskab;FL-formål;Sted;Aktivitet;Projekt;Beløb"
    for year, part in groups(postings, postings["date"].dt.year):
        part = part.sort_values(["date", "unit", "account"], kind="stable")
        code = codes("navision", year) | {"": "", SHARED: "1012"}
        lines = [header]
        for n, (r, untidy) in enumerate(zip(records(part), rng.random(len(part)) < 0.01, strict=True)):
            name, about = ACCOUNTS[r.account]
            key = f"{PURPOSE.get(r.activity[:3], '9')};{r.unit};{code[r.activity]}{' ' if untidy else ''}"
            about = about if about.startswith('"') else f"{about} – {names[r.unit]}"
            voucher = f"{r.date:%d-%m-%Y};K{year % 100}{n:05d}"
            lines.append(f"{voucher};{r.account};{name};{about};001;{key};;{number(r.amount)}")
        closing = part[part["account"] == "181001"].groupby("unit")["amount"].sum()
        for unit, amount in closing.items():
            about = "Løn, fastansatte;Nulstilling af resultatopgørelse"
            lines.append(f"U31-12-{year % 100};LUK{year};181001;{about};001;9;{unit};;;{number(-amount)}")
        lines += ["", f"I alt{';' * 10}{number(part['amount'].sum() - closing.sum())}"]
        text_file(folder / f"finans/finansposter_{year}_udtrukket_{year + 1}-01-09.csv", lines)


def budget(folder: Path, names: Mapping[str, str], amounts: pd.DataFrame) -> None:
    """Per year, xlsx: cover, title rows, two header rows with merges, months across in t.kr., subtotals, text minus."""
    kinds = {"pay": "Løn", "other": "Øvrig drift", "income": "Gebyrindtægter"}
    for year, part in groups(amounts, amounts["period_start"].dt.year):
        code = codes("navision", year)
        rows: dict[tuple[str, ...], dict[int, float]] = {}
        columns = (part[c] for c in ("version", "unit", "activity", "account_group", "amount"))
        for version, unit, activity, group, amount, month in zip(*columns, part["period_start"].dt.month, strict=True):
            rows.setdefault((version, unit, activity, group), {})[month] = amount / 1000
        months = [f"{m[:3]}." if m != "maj" else m for m in MONTHS]
        cells: list[list[object]] = [
            ["Eksempelstyrelsen"],
            [f"Periodiseret budget {year}"],
            [f"Udtrukket 05-01-{year + 1} 08:12 · Alle beløb i t.kr."],
            [],
            ["Version", "Organisation", "", "Opgave", "", "Art", str(year), *[""] * 11, "Hele året"],
            ["", "Sted", "Stednavn", "Aktivitet", "Aktivitetsnavn", "", *months, "I alt"],
        ]
        for (version, unit), keys in groupby(sorted(rows), key=lambda key: key[:2]):
            place: list[object] = [float(unit) if int(unit) % 3 == 0 else unit, names[unit]]
            sums = np.zeros(12)
            for key in keys:
                figures = [rows[key].get(month) for month in range(1, 13)]
                sums += [figure or 0 for figure in figures]
                shown = [number(f, 0) if f is not None and f < 0 else f for f in figures]
                about = [version, *place, code[key[2]], TASKS[key[2]], kinds[key[3]]]
                cells.append([*about, *shown, sum(rows[key].values())])
                place = ["", ""]
            cells.append(["", f"{names[unit]} i alt", *[""] * 4, *map(float, sums), float(sums.sum())])
        cells += [[], ["Note: Negative tal er indtægter. Udtrukket fra budgetsystemet."]]
        workbook(folder / f"budget/budget_{year}.xlsx", "Budget", cells, [(4, 1, 2), (4, 3, 4), (4, 6, 17)])


def cases(folder: Path, rng: np.random.Generator, names: Mapping[str, str], log: pd.DataFrame) -> None:
    """Per year of receipt in cp1252, the last month as UTF-16: mixed dates, spellings, duplicates, negative times."""
    header = "Sagsnummer Sagstype Ansvarlig_enhed Sagsbehandler Modtaget_dato Fuldt_oplyst_dato Afsluttet_dato Sagsfrist Status"
    days = ["received", "informed", "closed", "deadline"]
    known = {day: day.strftime for column in days for day in log[column].dropna().unique()}
    texts = {form: {day: to(form) for day, to in known.items()} for form in ("%d-%m-%Y", "%Y-%m-%d", "%d-%m-%y")}
    form, spelling, twice = (rng.random(len(log)) for _ in range(3))
    worker, types = rng.integers(1, 400, len(log)), codes("esdh", 2025) | {"A20": "Ansøgning, enkel", "~": "Diverse"}
    title, first = "Sagsliste pr. 31-12-2025, udtrukket 06-01-2026", f"{log['closed'].min():%Y}"
    parts: dict[str, list[list[str]]] = {}
    for i, r in enumerate(records(log)):
        kind = types[r.activity]
        date = texts["%Y-%m-%d" if form[i] < 0.1 else "%d-%m-%y" if form[i] < 0.2 else "%d-%m-%Y"]
        if spelling[i] < 0.03:
            other = "Ansøgn. (enkel)" if r.activity == "A20" else kind.upper()
            kind = f"{kind} " if spelling[i] < 0.01 else kind.replace(" - ", " – ") if spelling[i] < 0.02 else other
        dates = [date.get(day, "") for day in (r.received, r.informed, r.closed, r.deadline)]
        row = [r.case, kind, f"{names[r.unit]} ({r.unit})", f"SB{worker[i]:03d}", *dates, r.status]
        month = f"{r.received:%Y-%m}"
        part = parts.setdefault(month if month == LATE else max(month[:4], first), [])
        part += [row] * (2 if twice[i] < 0.001 else 1)
        if i % 2000 == 999:  # closed before it was received: set aside, and told
            received, before = (f"{day:%d-%m-%Y}" for day in (r.received, r.received - pd.Timedelta(days=5)))
            part.append([f"{month[:4]}-9{i:05d}", *row[1:4], received, "", before, "", "Afsluttet"])
    for name, rows in parts.items():
        mark, ending, encoding = ("\t", "_unicode.txt", "utf-16") if name == LATE else (";", ".csv", "cp1252")
        lines = [title, header.replace(" ", mark).replace("_", " "), *map(mark.join, rows)]
        text_file(folder / f"sager/sager_{name}{ending}", lines, encoding)


def counts(folder: Path, volumes: pd.DataFrame) -> None:
    """Per year: enquiries (one office is missing in the last month, a merger is known a month late) and plans."""
    for year, part in groups(volumes, volumes["period_start"].dt.year):
        rows = ["Enhed;Opgave;Måned;Modtaget;Besvaret;Ubesvaret ultimo"]
        asked = part[part["activity"] == "A40"].pivot_table("value", ["unit", "period_start"], "name", fill_value=0)
        for unit, start, *figures in records(asked[["received", "closed", "stock"]].reset_index()):
            month, whole = f"{start:%YM%m}", np.array(figures, int)
            late = (unit, month) == ("2440", "2025M07")
            for code, share in {"2441": whole // 2, "2442": whole - whole // 2}.items() if late else [(unit, whole)]:
                if (code, month) != NOT_DELIVERED:
                    rows.append(f"{code};{TASKS['A40']};{month};" + ";".join(map(str, share)))
        text_file(folder / f"drift/henvendelser_{year}.csv", rows, "utf-8")
        plans = records(part[part["name"] == "planned"])
        rows = [f"{r.unit};{TASKS[r.activity]};{r.period_start:%m-%Y};{r.value:.0f}" for r in plans]
        text_file(folder / f"drift/planlagt_{year}.csv", ["Enhed;Opgave;Måned;Planlagt", *rows], "utf-8")


def goals(folder: Path, table: pd.DataFrame) -> None:
    """Per year, xlsx typed by hand: percent as text or number, Ikke opgjort, milestones, total row, foot note."""
    header = "Mål nr.;Mål;Kontor;Opgave/aktivitet;Periode;Retning;Måltal;Resultat;Vægt;Enhed;Grænse for delvist opfyldt"
    for year, part in groups(table, table["period"].str[:4]):
        cells: list[list[object]] = [
            [f"Mål- og resultatplan {year} – opfølgning pr. 31. december {year}"],
            [],
            [*header.split(";")],
        ]
        weights = 0
        for n, r in enumerate(records(part)):
            name, direction, weight, unit, partly = GOALS[r.goal]
            period, result = r.period, r.result
            if len(period) == 7:
                period = f"{MONTHS[int(period[5:]) - 1]} {year}" if n % 2 else f"{year}M{period[5:]}"
            if pd.isna(result):
                result = "Ikke opgjort"
            elif n % 2 and unit != "ja/nej":
                result = f"{number(100 * result, 1)} %" if unit == "pct." else number(result, 1)
            task = TASKS.get(r.activity, "")
            cells.append([r.goal, name, r.unit, task, period, direction, r.target, result, weight, unit, partly])
            weights += weight
        cells += [["I alt", *[""] * 7, weights], [], ["Mål 3.1 opgøres i 1. kvartal året efter."]]
        workbook(folder / f"maal/maal_{year}.xlsx", f"MRP {year}", cells)
