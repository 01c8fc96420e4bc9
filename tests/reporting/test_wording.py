import csv
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from mi_analysis.measures.catalogue import CATALOGUE
from mi_analysis.reporting.wording import Words, catalogue, languages

DA, EN = Words("da"), Words("en")


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", text))


def test_every_language_has_the_same_keys_and_the_same_placeholders() -> None:
    danish, others = catalogue("da"), [catalogue(language) for language in languages() if language != "da"]

    assert {"da", "en"} <= set(languages())
    assert [key for other in others for key in set(danish) ^ set(other)] == []
    assert [key for other in others for key in danish if placeholders(danish[key]) != placeholders(other[key])] == []
    assert [key for words in (danish, *others) for key, text in words.items() if text != text.strip()] == []


def test_the_glossary_is_in_the_catalogue_word_for_word(glossary: Path) -> None:
    rows = list(csv.DictReader(glossary.read_text(encoding="utf-8-sig").splitlines()))

    assert len(rows) == 214
    for language in ("da", "en"):
        assert {r["key"]: r[language] for r in rows} == {r["key"]: catalogue(language)[r["key"]] for r in rows}


def test_every_measure_has_its_words() -> None:
    keys = [f"measure.{name}.{form}" for name in CATALOGUE for form in ("label", "short", "unit")]

    assert [key for key in keys if not DA.has(key)] == []
    assert {name for name, m in CATALOGUE.items() if (m.unit == "money") != DA.is_money(name)} == set()


@pytest.mark.parametrize(
    ("danish", "english"),
    [
        (DA.number(1234.5, 1), EN.number(1234.5, 1)),
        (DA.percent(12.3), EN.percent(12.3)),
        (DA.money(1_234_567), EN.money(1_234_567)),
        (DA.money(1_234_567, 1_000_000), EN.money(1_234_567, 1_000_000)),
        (DA.money(-83_000), EN.money(-83_000)),
        (DA.points(-2.45), EN.points(-2.45)),
        (DA.hours(7.4), EN.hours(7.4)),
        (DA.days(1), EN.days(1)),
        (DA.date("2025-03-31"), EN.date("2025-03-31")),
        (DA.date("2025-03-31", table=True), EN.date("2025-03-31", table=True)),
        (DA.period("2025-03"), EN.period("2025-03")),
        (DA.period(date(2025, 3, 1), window="ytd"), EN.period(date(2025, 3, 1), window="ytd")),
        (DA.period("2025-03", "quarter"), EN.period("2025-03", "quarter")),
        (DA.number(None), EN.number(float("nan"))),
    ],
)
def test_numbers_money_dates_and_periods_are_printed_as_definitions_say(danish: str, english: str) -> None:
    assert (danish, english) in {
        ("1.234,5", "1,234.5"),
        ("12,3 pct.", "12.3 per cent"),
        ("1.235 t.kr.", "DKK 1,235 thousand"),
        ("1,2 mio. kr.", "DKK 1.2 million"),
        ("−83 t.kr.", "DKK −83 thousand"),
        ("−2,5 procentpoint", "−2.5 percentage points"),
        ("7,4 timer", "7.4 hours"),
        ("1 dag", "1 day"),
        ("31. marts 2025", "31 March 2025"),
        ("31-03-2025", "31 Mar 2025"),
        ("marts 2025", "March 2025"),
        ("ÅTD marts 2025", "YTD March 2025"),
        ("1. kvt. 2025", "Q1 2025"),
        ("–", "–"),
    }


def test_half_is_rounded_away_from_zero_and_nothing_prints_as_minus_zero() -> None:
    assert [DA.number(value) for value in (0.5, 1.5, 2.5, -2.5, -0.4)] == ["1", "2", "3", "−3", "0"]
    assert DA.number(2.675, 2) == "2,68"
    assert DA.number(0, signed=True) == "0"


def test_a_deviation_carries_its_word_and_a_printed_zero_has_none() -> None:
    words = [DA.deviation_word(value, income=income) for value in (83e3, -83e3) for income in (False, True)]

    assert words == ["Merforbrug", "Mindreindtægt", "Mindreforbrug", "Merindtægt"]
    assert DA.signed_money(83e3) == "Merforbrug 83 t.kr."
    assert DA.signed_money(-43_210) == "Mindreforbrug 43 t.kr."
    assert (DA.deviation_word(400), DA.signed_money(400)) == ("", "0 t.kr.")


def test_another_currency_and_scale_need_no_other_words() -> None:
    dollars = Words("da", "USD", 1_000_000)

    assert dollars.money(1_250_000) == "1,3 mio. USD"
    assert dollars.measure("unit_cost", "unit") == "USD pr. sag"
    assert Words("en", "USD").measure("actual", "unit") == "USD thousand"


def test_a_measure_prints_with_its_own_decimals_and_unit() -> None:
    assert DA.quantity(5.24, "sick_days_per_fte") == "5,2 dage pr. årsværk"
    assert DA.quantity(8_380_400, "actual") == "8.380 t.kr."
    assert DA.quantity(9803.4, "unit_cost") == "9.803 kr. pr. sag"
    assert DA.quantity(None, "actual") == "–"


def test_a_text_of_another_grain_is_said_only_where_it_is_meant_as_one() -> None:
    year = Words("da", grain="year")

    assert year.text("caption.key_figures", period="2025") == "Nøgletal, 2025"
    assert (year.text("column.period_start"), Words("da").text("column.period_start")) == ("År", "Måned")


def test_an_institution_adds_labels_of_its_own_measures() -> None:
    own = Words(
        "da", extra={"measure.beds.label": "Senge", "measure.beds.short": "Senge", "measure.beds.unit": "senge"}
    )

    assert own.quantity(12, "beds") == "12,0 senge"


def test_danish_order_puts_aa_with_å_last_and_numbers_by_size() -> None:
    names = ["Ålborg", "Zoo", "Aarhus", "Ærø", "Østerbro", "Kontor 10", "Kontor 2", "kontor 1", "Anden"]

    assert sorted(names, key=DA.sort_key) == [
        "Anden", "kontor 1", "Kontor 2", "Kontor 10", "Zoo", "Ærø", "Østerbro", "Ålborg", "Aarhus",
    ]  # fmt: skip
    assert sorted(["b", "Á", "a2"], key=EN.sort_key) == ["Á", "a2", "b"]


def test_a_sentence_that_opens_with_a_placeholder_gets_a_capital() -> None:
    values = {"value": "1,8", "unit": "dage", "lcl": "0,3", "ucl": "1,4"}

    assert DA.text("verdict.spc.point", month="februar 2025", **values).startswith("Februar 2025 (1,8 dage) ligger")


def test_an_unknown_key_names_the_nearest_and_an_unknown_language_those_there_are() -> None:
    with pytest.raises(KeyError) as error:
        DA.text("kpi.overtyme")
    assert error.value.args[0] == "No text 'kpi.overtyme' in da; nearest is 'kpi.overtime'."

    with pytest.raises(ValueError, match=r"^No words for the language 'sv'; there are da, en\.$"):
        Words("sv")


NEW_LANGUAGE = """
import sys
from pathlib import Path

import nbformat
import pandas as pd
from mi_analysis.reporting import export, figures, standard
from mi_analysis.reporting.presentation import message
from mi_analysis.reporting.sentences import said
from mi_analysis.reporting.wording import Words
from mi_analysis.run_file import load_run

words, run = Words(load_run(Path("run.yaml")).language), Path("run.yaml")
days = pd.date_range("2025-01-01", periods=3, freq="MS")
data = pd.DataFrame({"period_start": days, "closed": [50.0, 52.0, 71.0], "signal": "none"})
frame = pd.DataFrame({"measure": ["actual"], "month": [1_234_567.0], "signal": ["trend_up"]})
over = ("verdict.budget.over", {"amount": 200_000, "pct": 12.0, "tone": "attention"})
shown = [message(said([over], words), words=words), standard.key_figures(frame, words.text("heading.key_figures"), words),
         figures.control_figure(data, "closed", words, "A")]
cells = [nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("display_data", data=one._repr_mimebundle_())]) for one in shown]
Path("page.html").write_text(export.html(nbformat.v4.new_notebook(cells=cells), language=words.language, title="A"), encoding="utf-8")
"""


def test_a_language_is_one_file_more_and_no_line_of_code(project: Path, tmp_path: Path) -> None:
    shutil.copytree(project / "mi_analysis", tmp_path / "mi_analysis", ignore=shutil.ignore_patterns("__pycache__"))
    words = tmp_path / "mi_analysis" / "reporting" / "words"
    vowels = str.maketrans("aeiou", "áéíóú")

    def strange(found: re.Match[str]) -> str:
        return "".join(
            part if part.startswith("{") else part.translate(vowels) for part in re.split(r"({\w+})", found[0])
        )

    head, formats, rest = re.split(r"(?ms)(^\[format\].*?(?=^\[))", (words / "en.toml").read_text(encoding="utf-8"))
    spoken = [re.sub(r'"[^"\n]*"', strange, part) for part in (head, rest)]
    (words / "xx.toml").write_text(formats.join(spoken), encoding="utf-8")
    (tmp_path / "run.yaml").write_text("reports: [{ notebook: x }]\ndefaults: { language: xx }\n", encoding="utf-8")

    told = subprocess.run([sys.executable, "-c", NEW_LANGUAGE], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(tmp_path)})  # fmt: skip

    assert (told.returncode, told.stderr) == (0, "")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert '<html lang="xx">' in page
    assert "Ovérspénd óf" in page
    assert "Shów thé númbérs béhínd thé fígúré" in page
    assert ">1,235<" in page
