"""Everything a run writes, byte for byte: no person of the deliveries is in it, and no other unit in a unit's report."""

import io
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_analysis import synthetic
from mi_analysis.cli import main
from mi_analysis.model import facts

KEY, NAME, OWN = "QX-PLANTET-77", "Zacharias Quistgaard-Plantet", "2140"
SUSPECT = ("qx-plantet", "zacharias", "quistgaard")


def planted(deliveries: Path) -> None:
    """Let the recognisable person stand wherever a supplier might put him in the time registration of one month."""
    file = deliveries / "tid" / "tidsregistrering_2025-11.csv"
    header, *lines = file.read_text(encoding="utf-8-sig").splitlines()
    key = next(line.split(";")[0] for line in lines if f";{OWN};" in line)
    rows = [line.replace(f"{key};", f"{KEY};") + ";" + (NAME if line.startswith(f"{key};") else "") for line in lines]
    place = header.split(";").index("Timer")
    for n, row in [(n, row.split(";")) for n, row in enumerate(rows) if row.startswith(KEY)][:2]:
        row[place] = NAME if n % 2 else "7,4 " + NAME  # in a column of numbers: the row is put aside
        rows[n] = ";".join(row)
    twice = next(row for row in rows if row.startswith(KEY))
    file.write_text("\n".join([header + ";Navn", *rows, twice]) + "\n", encoding="utf-8-sig")


def run(root: Path, *more: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["run", str(root / "parameters" / "example" / "monthly.yaml"), *more])
    return int(ended.value.code or 0)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A project with planted deliveries, checked and run for two units."""
    root = tmp_path_factory.mktemp("planted")
    source = Path(__file__).parents[2]
    for name in ("parameters/example", "notebooks"):
        shutil.copytree(source / name, root / name)
    shutil.copy(source / "pyproject.toml", root)
    synthetic.make(root / "outputs" / "example" / "deliveries", units=10, months=13)
    planted(root / "outputs" / "example" / "deliveries")
    assert run(root, "--only", f"unit={OWN},2110") in (0, 4)
    return root


def written(root: Path) -> Iterator[tuple[str, str]]:
    """Each file below a folder as text, those inside archives too; parquet as the values in it."""
    import pandas as pd

    for file in sorted(path for path in root.rglob("*") if path.is_file() and "deliveries" not in path.parts):
        name, content = str(file.relative_to(root)), file.read_bytes()
        if file.suffix == ".xlsx":
            with zipfile.ZipFile(io.BytesIO(content)) as book:
                yield name, "\n".join(book.read(part).decode("utf-8", "replace") for part in book.namelist())
        elif file.suffix == ".parquet":
            yield name, pd.read_parquet(file).to_csv()
        else:
            yield name, content.decode("utf-8", "replace")


def test_no_person_of_the_deliveries_is_in_anything_a_run_writes(project):
    texts = dict(written(project / "outputs"))

    assert len(texts) > 20
    assert any("quarantine" in name and len(text.splitlines()) > 2 for name, text in texts.items())  # he was put aside
    assert [name for name, text in texts.items() if any(word in text.lower() for word in SUSPECT)] == []


def test_what_is_said_of_a_delivery_names_no_person(project, capsys):
    with pytest.raises(SystemExit):
        main(["check", str(project / "parameters" / "example" / "institution.yaml")])
    said = capsys.readouterr()

    assert "tidsregistrering_2025-11.csv" in said.out
    assert [word for word in SUSPECT if word in (said.out + said.err).lower()] == []


def test_a_crash_while_deliveries_are_read_tells_where_and_names_no_person(project, capsys, monkeypatch):
    def broken(connection, *more):
        person = connection.execute("select person_key from placed where person_key like 'QX%' limit 1").fetchone()
        raise ValueError(f"cannot count {person} ({NAME})")

    monkeypatch.chdir(project)
    monkeypatch.setattr(facts, "count_persons", broken)
    status = run(project, "--out", str(project / "crashed"))
    said = capsys.readouterr().err
    log = (project / "outputs" / "mi-error.log").read_text(encoding="utf-8")
    (project / "outputs" / "mi-error.log").unlink()

    assert status == 1
    assert said.splitlines()[-1].startswith(
        "Something unforeseen while deliveries were read: ValueError. Details are in "
    )
    assert "count_persons" in log
    assert log.splitlines()[-1] == "ValueError"
    assert [word for word in SUSPECT if word in (said + log).lower()] == []


def test_a_units_report_holds_no_other_unit(project):
    """Its own, and the whole institution's; not those above it in between, nor their other parts."""
    (place,) = (project / "outputs").glob("example/monthly/*/1")
    units = synthetic.agency.OFFICES
    names = dict(zip(units["unit"], units["name"], strict=True))
    others = [
        name for unit, name in names.items() if unit != OWN and name not in ("HR", "Økonomi")
    ]  # words of any report
    codes = {f"{unit}" for unit in units["unit"]} - {OWN}
    texts = dict(written(place / OWN))

    assert {Path(name).suffix for name in texts} == {".html", ".ipynb", ".log", ".xlsx"}
    for name, text in texts.items():
        assert [other for other in others if other in text] == [], name
        assert [code for code in codes if f'"{code}"' in text or f">{code}<" in text or f" {code} " in text] == [], name


def test_the_kept_notebook_has_no_path_user_or_machine(project):
    import getpass
    import platform

    (place,) = (project / "outputs").glob("example/monthly/*/1")
    book = json.loads((place / OWN / "02_unit_report.ipynb").read_text(encoding="utf-8"))

    for told in (str(project), str(Path.home()) + "/", platform.node(), f"/{getpass.getuser()}/", "site-packages"):
        assert told not in json.dumps(book, ensure_ascii=False), told
