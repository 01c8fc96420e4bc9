"""`mi new`: what is proposed for a folder of samples, however they are named, ordered, encoded and written."""

import csv
import io
import re
import shutil
from pathlib import Path

import pytest

from mi_analysis import cli
from mi_analysis.model.build import build
from mi_analysis.parameters import Institution, load_institution
from mi_analysis.proposal import draft
from mi_analysis.proposal.draft import pattern_of
from mi_analysis.proposal.form import look_at
from mi_analysis.proposal.names import near_names, quoted
from mi_analysis.run_file import load_run

OTHER_NAMES = {
    "Enhed": "Kontor", "Timer": "Antal timer", "Sagsnummer": "Sagsnr.", "Modtaget dato": "Modtaget", "Afsluttet dato": "Afgjort", "Alias": "Opgave",
    "Sagsfrist": "Frist", "Bogføringsdato": "Posteringsdato", "Beløb": "Beløb i kr.", "Finanskontonr.": "Konto", "Ansvarlig enhed": "Kontor",
    "Medarbejdernr.": "Ansat nr.", "enhedskode": "Enhed", "enhedsnavn": "Kontornavn", "kildekode": "Kode", "Periode": "Måned", "Sagstype": "Type",
    "Sygefravær, dagsværk": "Fraværsdage",
}  # fmt: skip
ENCODINGS = ("utf-8", "utf-16", "cp1252")


def proposed(folder: Path, tmp_path: Path) -> Institution:
    """The institution that is proposed for a folder, read back from its own file."""
    file = tmp_path / "institution.yaml"
    file.write_text(draft(folder, folder.as_posix(), "Prøve").text, encoding="utf-8")
    return load_institution(file)


def accounts(institution: Institution, folder: Path, place: Path) -> dict[str, tuple]:
    """Rows used and amounts of each file."""
    received = build(institution, "x", folder, place).received
    return {
        item.file: (item.account.used, {name: round(sums["used"], 2) for name, sums in item.account.amounts.items()})
        for item in received
    }


def written_otherwise(text: str) -> str:
    """A number in English, a date as ISO."""
    if re.fullmatch(r"-?\d{1,3}(\.\d{3})*,\d+-?", text):
        return text.translate(str.maketrans(",.", ".,"))
    day = re.fullmatch(r"(\d\d)-(\d\d)-(\d{4})", text)
    return f"{day[3]}-{day[2]}-{day[1]}" if day else text


@pytest.fixture
def changed(samples, tmp_path) -> dict[str, str]:
    """The samples with other file names, headers, order of columns, encodings, delimiters, numbers and dates; new name to old."""
    names = {}
    for number, file in enumerate(sorted(samples.glob("*.csv"))):
        if file.name.startswith("statistikbank"):
            continue
        raw = file.read_bytes()
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("cp1252")
        rows = [*csv.reader(io.StringIO(text), delimiter=";")]
        width, out = max(map(len, rows)), io.StringIO()
        for row in rows:
            cells = [written_otherwise(OTHER_NAMES.get(cell, cell)) for cell in row]
            csv.writer(out).writerow(cells[::-1] if len(row) == width and sum(map(bool, row)) > 1 else cells)
        place = tmp_path / "changed" / f"Udtræk nr. {number} {'af 2025-03' * (number % 2)}.csv"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(out.getvalue().encode(ENCODINGS[number % 3]))
        names[place.name] = file.name
    return names


def test_the_samples_need_no_line_changed_to_give_the_figures_of_the_profiles_written_by_hand(samples, tmp_path):
    by_hand = accounts(load_institution(samples), samples, tmp_path / "hand")
    made = accounts(proposed(samples, tmp_path), samples, tmp_path / "made")

    left = {"statistikbank_benchmark.csv"}  # a benchmark of other agencies is no delivery
    assert made == {file: account for file, account in by_hand.items() if file not in left}


def test_the_samples_written_in_every_other_way_give_the_same_figures(samples, changed, tmp_path):
    by_hand = accounts(load_institution(samples), samples, tmp_path / "hand")
    made = accounts(proposed(tmp_path / "changed", tmp_path), tmp_path / "changed", tmp_path / "made")

    assert made == {new: by_hand[old] for new, old in changed.items()}


def test_every_guess_has_its_reason_and_what_is_unsure_is_marked(samples):
    made = draft(samples, "samples", "Prøve")
    lines = made.text.splitlines()

    guesses = [
        line
        for line in lines
        if re.match(r"    (encoding|delimiter|decimal|header|unit_scale|wide|files|duplicates|extracted_at)\b", line)
    ]
    assert len(guesses) >= 40
    assert [line for line in guesses if "  # " not in line] == []
    assert "    unit_scale: 1000  # a title says t.kr." in lines
    assert "    encoding: cp1252  # not UTF-8; Windows-1252 reads every byte" in lines
    assert made.to_confirm == made.text.count("CONFIRM: ") == 21
    assert made.left_out == (
        "README.md: no table of the model has these columns", "expected.json: no table of the model has these columns",
        "institution.yaml: no table of the model has these columns", "statistikbank_benchmark.csv: no table of the model has these columns",
    )  # fmt: skip


def test_near_names_are_proposed_on_lines_of_their_own_and_marked(samples):
    assert (
        "  - { system: goals, codes: Klager, to: A30 }  # CONFIRM: near Klager"
        in draft(samples, "samples", "Prøve").text
    )
    assert near_names({"21-10-00": 1, "Tilsyn": 1, "Økonomi": 1}, {"2110": "Kontor for tilsyn", "2120": "Klager"}) == {
        "21-10-00": "2110", "Tilsyn": "2110",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("files", "pattern"),
    [
        (["tid/timer_2025-03.csv"], "tid/timer_*.csv"),
        (["sygefravaer_2025M03.csv.gz"], "sygefravaer_*.csv.gz"),
        (["A-April-2025.csv", "A-May-2025-revised.csv"], "A-*.csv"),
        (["enheder.csv"], "enheder.csv"),
    ],
)
def test_what_changes_from_month_to_month_becomes_a_star(files, pattern):
    assert pattern_of(files) == pattern


def test_a_number_that_may_be_read_in_two_ways_is_marked():
    sample = look_at(b"Kontor;Antal\nA;1.234\nB;2.345\n", "a.csv")

    assert {guess.name: (guess.value, guess.sure) for guess in sample.guesses if guess.name in ("decimal", "thousands")} == {
        "decimal": (",", False), "thousands": (".", False),
    }  # fmt: skip


def test_of_plain_letters_no_encoding_is_guessed_so_that_the_next_file_is_read_in_its_own(tmp_path):
    folder, row = tmp_path / "log", "{};Nord;Skilt;0{}-06-2025\n"
    folder.mkdir()
    (folder / "log_2025-06.csv").write_text("Sagsnr;Kontor;Type;Modtaget\n" + row.format(1, 1) + row.format(2, 2))
    institution = proposed(folder, tmp_path)
    (folder / "log_2025-07.csv").write_bytes(
        ("Sagsnr;Kontor;Type;Modtaget\n" + "3;Nørre;Skilt;01-07-2025\n").encode("cp1252")
    )

    assert [used for used, _ in accounts(institution, folder, tmp_path / "made").values()] == [2, 1]


def test_american_dates_withheld_figures_and_missing_headers_are_seen():
    dated = look_at(b"Case,Received\n1,03/31/2025\n2,04/28/2025\n", "a.csv")
    withheld = look_at("Enhed;Årsværk\nA;2,5\nB;..\nC;For få årsværk\nD;3,5\n".encode("cp1252"), "b.csv")
    bare = look_at(b"A;1,5;2025-03\nB;2,5;2025-03\n", "c.csv")

    assert dated.settings["dates"] == "month_first"
    assert (withheld.settings["na_tokens"], withheld.settings["suppressed_tokens"]) == ([".."], ["For få årsværk"])
    assert (bare.settings["header"], bare.settings["names"]) == (0, ["column 1", "column 2", "column 3"])


def test_a_log_with_words_of_its_own_is_recognised_and_one_without_is_told(project, capsys):
    rows = [f"T{n};North;Sign;{n:02}/06/2025;{n + 2:02}/06/2025" for n in range(1, 20)]
    for place, headers in (("parking", "Ticket;Area;Kind;Reported;Solved"), ("riddle", "A;B;C;D;E")):
        (project / place).mkdir()
        (project / place / "log_2025.csv").write_text("\n".join([headers, *rows]))

    assert mi(capsys, "new", "riddle") == (
        2,
        "",
        "log_2025.csv: no table of the model has these columns. docs/extending.md shows how to write a source by hand.\n",
    )
    status, out, _ = mi(capsys, "new", "parking")

    assert status == 0
    assert "cases     log_2025.csv    19    19      0        0         100.0%" in out.splitlines()


def test_what_a_small_agency_types_itself_is_recognised(tmp_path):
    months = ["januar", "februar", "marts"]
    for name, *rows in (
        ("Timer 2025.csv", "Måned;Kontor;Medarb.nr;Ydelse;Antal timer;Heraf overtid", *(f"{m} 2025;Nord;F{n};F1;120,5;1,0" for m in months for n in range(9))),
        ("Regnskab 2025.csv", "Bogført;Afdeling;Art;Formål;Beløb i kr.", *(f"28-0{n}-2025;A-01;510;100;1.234,50" for n in range(1, 9))),
        ("Budget 2024.csv", "Kontor;Ydelse;Januar;Februar;Marts;Året", "Nord;F1;10;10;10;30", "Syd;F1;20;20;20;60"),
        ("Budget 2025.csv", "Kontor;Ydelse;Januar;Februar;Marts;Året", "Nord;F1;10;10;10;30", "Syd;F1;20;20;20;60"),
        ("Sagsliste.csv", "Journalnr.;Afd.;Emne;Indkommet;Færdig;Svarfrist", *(f"25-{n};Nord;Klage;0{n}-01-2025;1{n}-01-2025;1{n}-02-2025" for n in range(1, 9))),
        ("Mål.csv", "Nr.;Mål;Kontor;Kvartal;Skal være;Måltal;Nået", "1;Til tiden;;1. kvartal 2025;mindst;90 %;85 %", "2;Dage;Nord;2. kvartal 2025;højst;30;36"),
        ("Krav.csv", "Nr.;Mål;Kontor;Periode;Måltal;Resultat", "1;Til tiden;Nord;2025;90 %;85 %"),
    ):  # fmt: skip
        (tmp_path / name).write_text("\n".join(rows), encoding="utf-8")
    institution = proposed(tmp_path, tmp_path)

    assert {name: source.facts[0].table for name, source in institution.sources.items()} == {
        "budget": "budget", "goals": "goals", "goals_2": "goals", "ledger": "ledger", "cases": "cases", "time": "hours",
    }  # fmt: skip
    assert institution.sources["time"].facts[0].columns["person_key"] == "Medarb.nr"
    assert (institution.sources["budget"].files, institution.sources["budget"].period) == (
        ["Budget *.csv"],
        "(20[0-9]{2})",
    )
    directions = [institution.sources[name].facts[0] for name in ("goals", "goals_2")]
    assert [(one.values.get("direction"), one.constants) for one in directions] == [
        (None, {"direction": "higher"}), ({"mindst": "higher", "højst": "lower"}, {}),
    ]  # fmt: skip
    assert accounts(institution, tmp_path, tmp_path / "model")["Budget 2024.csv"] == (2, {"budget.amount": 90.0})


def test_a_broken_file_is_left_out_with_its_reason(tmp_path):
    (tmp_path / "cut.xlsx").write_bytes(b"PK\x03\x04nothing")
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "cut.csv.gz").write_bytes(b"\x1f\x8b\x08")

    made = draft(tmp_path, "x", "X")

    assert made.sources == 0
    assert [text.partition(" (")[0] for text in made.left_out] == [
        "cut.csv.gz: cannot be opened",
        "cut.xlsx: cannot be opened",
        "empty.csv: empty",
    ]


def test_values_that_yaml_would_misread_are_quoted():
    assert (
        quoted({"kept": "yes", "a": "07", "b": "Tilsyn: øst", "c": [1, "x #"]})
        == '{ kept: "yes", a: "07", b: "Tilsyn: øst", c: [1, "x #"] }'
    )


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    (tmp_path / "parameters").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mi(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_new_writes_the_proposal_checks_it_and_says_what_is_next(project, samples, capsys):
    status, out, err = mi(capsys, "new", str(samples), "--name", "try")

    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "Proposed 10 sources in parameters/try/institution.yaml; 21 things to confirm."
    assert "ledger     navision_finansposter_2025-03.csv    15    12      0        3          91.7%" in lines
    assert lines[-2:] == [
        "Next: search for CONFIRM in parameters/try/institution.yaml, then mi check try",
        "Then: mi run parameters/try/monthly.yaml, a run file to change as you need",
    ]
    assert [one.notebook for one in load_run(project / "parameters" / "try" / "monthly.yaml").reports] == [
        "02_unit_report", "08_institution_report", "01_delivery_quality",
    ]  # fmt: skip


def test_new_refuses_what_it_cannot_use_and_never_writes_over(project, samples, tmp_path, capsys):
    (project / "parameters" / "old").mkdir()
    (project / "parameters" / "old" / "institution.yaml").write_text("name: mine\n")
    (project / "none").mkdir()

    assert mi(capsys, "new", "nowhere") == (
        2,
        "",
        "nowhere: is no folder. Name the folder that the sample deliveries lie in.\n",
    )
    assert mi(capsys, "new", "none") == (2, "", "none: there is no file.\n")
    assert mi(capsys, "new", str(samples), "--name", "old") == (
        2,
        "",
        "parameters/old: is there already. Choose another --name, or remove it first.\n",
    )
    assert (project / "parameters" / "old" / "institution.yaml").read_text() == "name: mine\n"
    assert not (project / "parameters" / "none").exists()


@pytest.mark.real_data
def test_boston_is_read_to_the_last_row_with_no_line_changed(real_data, tmp_path):
    folder = tmp_path / "two"
    folder.mkdir()
    for name in ("service_requests_311_2011_h2.csv.gz", "employee_earnings_2011.csv.gz"):
        shutil.copy(real_data / "boston-city" / name, folder)

    made = accounts(proposed(folder, tmp_path), folder, tmp_path / "model")

    assert {file: account[0] for file, account in made.items()} == {
        "service_requests_311_2011_h2.csv.gz": 58_251, "employee_earnings_2011.csv.gz": 20_509,
    }  # fmt: skip


@pytest.mark.real_data
def test_the_monthly_files_of_the_nhs_are_one_source_with_its_month_in_the_name(real_data, tmp_path):
    folder = real_data / "nhs-ae-monthly" / "raw_monthly_2024_25"

    institution = proposed(folder, tmp_path)
    received = build(institution, "x", folder, tmp_path / "model").received

    assert [(name, source.files) for name, source in institution.sources.items()] == [("counts", ["Monthly-AE-*.csv"])]
    assert len({item.periods for item in received}) == len(received) == 13
    assert sum(item.account.quarantined for item in received) == 0
    assert [finding.key for item in received for finding in item.findings if finding.severity != "note"] == []
    assert all(total.agrees for item in received for total in item.control_totals)
