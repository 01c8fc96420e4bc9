"""Reading a delivery: a csv file of a million rows and a workbook of 100,000, from bytes to the stored part of the model.

Run: ``python benchmarks/reading.py [csv rows] [workbook rows]``. Text with Danish numbers and dates, every cell checked, persons
counted, codes placed. The files are written first; what is measured is a process of its own per file, without imports.
"""

import json
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

OFFICES, ACTIVITIES = 40, 20
COLUMNS = {
    "unit": "Enhed",
    "activity": "Alias",
    "period": "Dato",
    "person_key": "Medarbejdernr.",
    "hours": "Timer",
    "status": "Status",
}


def rows(count: int) -> list[list[str]]:
    """Fixed pseudo-random rows: 40 offices, 20 activities, 900 persons, three years of days, hours with decimal comma."""
    found, state = [], 12345
    days = [f"{date(2023, 1, 1) + timedelta(number):%d-%m-%Y}" for number in range(1090)]
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        part = state >> 20
        hours = f"{part % 740 / 100:.2f}".replace(".", ",")
        office = part % OFFICES
        found.append([f"2{office:03}", f"K{part // 7 % ACTIVITIES}", days[part // 11 % 1090], f"M-{office}-{part // 13 % 22:04}", hours,
                      "Auto" if part % 9 == 0 else "Godkendt"])  # fmt: skip
    return found


def write(folder: Path, csv_rows: int, book_rows: int) -> None:
    """The two files."""
    import xlsxwriter

    header = list(COLUMNS.values())
    lines = [";".join(header), *(";".join(row) for row in rows(csv_rows))]
    (folder / "time.csv").write_bytes(("\r\n".join(lines) + "\r\n").encode("cp1252"))
    book = xlsxwriter.Workbook(folder / "time.xlsx", {"constant_memory": True})
    sheet, form = book.add_worksheet("Data"), book.add_format({"num_format": "dd-mm-yyyy"})
    sheet.write_row(0, 0, header)
    for number, (unit, alias, day, person, hours, status) in enumerate(rows(book_rows), start=1):
        sheet.write_string(number, 0, unit)
        sheet.write_string(number, 1, alias)
        sheet.write_datetime(number, 2, date(int(day[6:]), int(day[3:5]), int(day[:2])), form)
        sheet.write_string(number, 3, person)
        sheet.write_number(number, 4, float(hours.replace(",", ".")))
        sheet.write_string(number, 5, status)
    book.close()


def measure(file: Path) -> None:
    """Read one file into a part of the model; print what it took."""
    import resource
    import time

    from mi_analysis.model import audit, database, facts  # noqa: F401  imports are not what is measured
    from mi_analysis.model.build import read_part
    from mi_analysis.model.keys import keys
    from mi_analysis.parameters import Institution

    parents = [
        {"unit": "R", "name": "R"},
        *({"unit": f"2{u:03}", "name": f"U{u}", "parent": "R"} for u in range(OFFICES)),
    ]
    fact = {"table": "hours", "columns": COLUMNS, "values": {"status": {"Auto": "auto", "Godkendt": "approved"}}}
    given = Institution.model_validate({
        "name": {"da": "M", "en": "M"}, "deliveries": {"folder": "none"}, "units": parents,
        "activities": [{"activity": f"A{a}", "name": f"A{a}"} for a in range(ACTIVITIES)],
        "crosswalk": [{"system": "*", "codes": [f"K{a}"], "to": f"A{a}"} for a in range(ACTIVITIES)],
        "sources": {"time": {"files": ["time.*"], "facts": [fact]}},
    })  # fmt: skip
    known, _ = keys(given, {})
    connection = database.connect()
    connection.execute("set threads = 2")
    facts.add_above(connection, known, given.structure)
    begun = time.process_time()
    read_part(connection, given, known, "time", file, file.parent / "part", "part")
    took = time.process_time() - begun
    stored = json.loads((file.parent / "part" / "received.json").read_text())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        json.dumps(
            {"file": file.name, "rows": stored["account"]["used"], "cpu_seconds": round(took, 2), "peak_mb": peak}
        )
    )


def main() -> None:
    csv_rows, book_rows = (int(text) for text in (sys.argv[1:] + ["1000000", "100000"][len(sys.argv) - 1 :])[:2])
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), csv_rows, book_rows)
        for name in ("time.csv", "time.xlsx"):
            subprocess.run([sys.executable, __file__, "--measure", str(Path(folder) / name)], check=True)


if __name__ == "__main__":
    measure(Path(sys.argv[2])) if sys.argv[1:2] == ["--measure"] else main()
