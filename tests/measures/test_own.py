"""Measures that an institution names itself: counted, divided, guarded and refused like those of the catalogue."""

import json
from pathlib import Path

import pytest

from mi_analysis.disclosure import release
from mi_analysis.measures.own import catalogue_of, check_measures
from mi_analysis.parameters import Privacy, WrongUse, load_institution

from .conftest import institution

LABELS = {"da": "Navn", "en": "Name"}
WITHIN = {
    "numerator": {"name": "within"}, "denominator": {"name": "visits"}, "kind": "ratio", "direction": "higher", "unit": "pct",
    "labels": LABELS,
}  # fmt: skip


def count(unit: str, month: str, name: str, value: float, **more: object) -> dict:
    return {"unit": unit, "period_start": f"{month}-01", "name": name, "value": value, **more}


def test_a_ratio_of_counts_is_sum_over_sum_at_every_level_and_window(measured, cell) -> None:
    frames = measured(
        settings={"measures": {"within_pct": WITHIN}},
        volumes=[
            count("A", "2025-02", "visits", 100), count("A", "2025-02", "within", 90), count("A", "2025-03", "visits", 300),
            count("A", "2025-03", "within", 150), count("B", "2025-03", "visits", 100), count("B", "2025-03", "within", 50),
        ],
    )  # fmt: skip

    assert cell(frames, "within_pct", "A", "2025-03-01") == 50
    assert cell(frames, "within_pct", "A", "2025-03-01", "ytd") == 60
    assert cell(frames, "within_pct", "I", "2025-03-01") == 50
    assert cell(frames, "within_pct", "I", "2025-03-01", "ytd") == pytest.approx(58)


def test_a_unit_without_the_other_part_is_not_in_the_ratio_and_the_total_says_so(measured, cell, state) -> None:
    frames = measured(
        settings={"measures": {"within_pct": WITHIN}},
        volumes=[count("A", "2025-03", "visits", 100), count("A", "2025-03", "within", 80), count("B", "2025-03", "visits", 900)],
    )  # fmt: skip

    assert cell(frames, "within_pct", "I", "2025-03-01") == 80
    assert state(frames, "within_pct", "I", "2025-03-01") == "incomplete:units"
    assert state(frames, "within_pct", "A", "2025-03-01") == ""


def test_a_count_that_is_not_delivered_is_missing_and_never_zero(measured, cell) -> None:
    own = {"beds": {"numerator": {"name": "beds"}, "kind": "level", "labels": LABELS}}
    frames = measured(
        settings={"measures": own}, volumes=[count("A", "2025-03", "beds", 10), count("B", "2025-02", "beds", 5)]
    )

    assert cell(frames, "beds", "A", "2025-03-01") == 10
    assert cell(frames, "beds", "B", "2025-03-01") != cell(frames, "beds", "B", "2025-03-01")  # NaN


@pytest.mark.parametrize(("kind", "to_date"), [("flow", 30), ("level", 15), ("stock", 20)])
def test_a_flow_is_summed_a_level_averaged_and_a_stock_is_the_last(measured, cell, kind: str, to_date: float) -> None:
    own = {"beds": {"numerator": {"name": "beds"}, "kind": kind, "labels": LABELS}}
    frames = measured(
        settings={"measures": own}, volumes=[count("A", "2025-02", "beds", 10), count("A", "2025-03", "beds", 20)]
    )

    assert cell(frames, "beds", "A", "2025-03-01", "ytd") == to_date


def test_counts_of_a_month_over_staff_of_a_year_exist_for_the_year_only(measured, cell, state) -> None:
    own = {
        "visits_per_fte": {
            "numerator": {"name": "visits", "where": {"activity": ["EYE"]}}, "denominator": {"table": "staff", "name": "fte"}, "kind": "ratio",
            "labels": LABELS,
        }
    }  # fmt: skip
    frames = measured(
        as_of="2024-12-31", settings={"measures": own},
        volumes=[count("A", "2024-03", "visits", 40, activity="EYE"), count("A", "2024-03", "visits", 7), count("A", "2024-04", "visits", 60, activity="EYE")],
        staff=[{"unit": "A", "period_start": "2024-01-01", "grain": "year", "fte": 10.0}],
    )  # fmt: skip

    assert cell(frames, "visits_per_fte", "A", "2024-01-01", grain="year") == 10
    assert state(frames, "visits_per_fte", "A", "2024-03-01") == "not_applicable:grain"


def test_what_comes_from_staff_is_hidden_where_few_persons_stand_behind_it(measured) -> None:
    own = {
        "overtime_per_visit": {
            "numerator": {"table": "staff", "name": "overtime_hours"}, "denominator": {"name": "visits"}, "kind": "ratio", "labels": LABELS,
        }
    }  # fmt: skip
    frames = measured(
        settings={"measures": own}, volumes=[count("A", "2025-03", "visits", 10)],
        staff=[{"unit": "A", "period_start": "2025-03-01", "overtime_hours": 20.0, "persons": 2.0}],
        persons=[{"unit": "A", "period_start": "2025-03-01", "domain": "staff", "persons": 2.0}],
    )  # fmt: skip
    released = release(frames, "internal", Privacy(), catalogue=catalogue_of(institution(measures=own)))

    told = released.states.query("unit == 'A' and measure == 'overtime_per_visit' and state == 'hidden'")
    assert set(told["reason"]) == {"few_persons"}
    assert released.values.query("unit == 'A'")["overtime_per_visit"].isna().all()


WRONG = """name: {da: Sygehus, en: Hospital}
deliveries: {folder: deliveries}
key_figures: [visits, wihtin_pct]
sources:
  visits:
    files: visits.csv
    facts:
      - {table: volumes, columns: {unit: Unit, period: Month, value: Visits}, constants: {name: visits}}
      - {table: volumes, columns: {unit: Unit, period: Month, value: Within}, constants: {name: within}}
measures:
  visits: {numerator: {name: visits}, kind: flow, labels: {da: Besøg, en: Visits}}
  within_pct:
    numerator: {name: wihtin}
    denominator: {name: visits, where: {activty: [EYE]}}
    kind: ratio
    labels: {da: Inden, en: Within}
  per_fte: {numerator: {name: visits}, denominator: {table: staff, name: fte}, kind: ratio, labels: {da: Pr. årsværk, en: Per FTE}}
  closed: {numerator: {name: visits}, kind: ratio, labels: {da: Lukket, en: Closed}}
"""


def test_an_own_measure_that_names_nothing_is_told_with_line_and_nearest_name(tmp_path: Path) -> None:
    folder = tmp_path / "parameters" / "hospital"
    folder.mkdir(parents=True)
    (folder / "institution.yaml").write_text(WRONG, encoding="utf-8")

    with pytest.raises(WrongUse) as told:
        check_measures(load_institution(folder))

    file = "parameters/hospital/institution.yaml"
    assert str(told.value).splitlines() == [
        f'{file} line 13: numerator of within_pct: no delivery gives the count "wihtin". Nearest: within.',
        f'{file} line 14: denominator of within_pct: "activty" is no column of volumes to choose rows by. Nearest: activity.',
        f'{file} line 17: denominator of per_fte: no delivery gives "staff.fte".',
        f'{file} line 18: "closed" is a measure of the catalogue. Choose another name of letters, digits and _.',
        f"{file} line 18: closed is a ratio without a denominator. A ratio has both parts, the others a numerator only.",
        f'{file} line 3: "wihtin_pct" is no measure. Nearest: within_pct.',
    ]


EXPRESSIONS = (
    "visits + within",
    "visits) from volumes; drop table volumes; --",
    "__import__('os').getcwd()",
    "{0.__class__}",
)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_where_a_name_belongs_is_told_as_no_name_and_never_run(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "parameters" / "hospital"
    folder.mkdir(parents=True)
    written = json.dumps(text)
    right = WRONG.replace("wihtin_pct", "within_pct").replace("wihtin", "within").replace("activty", "activity")
    right = "\n".join(
        line for line in right.splitlines() if not line.startswith(("  per_fte", "  closed", "  visits: {"))
    )
    (folder / "institution.yaml").write_text(right, encoding="utf-8")
    with pytest.raises(WrongUse, match='"visits" is no measure'):
        check_measures(load_institution(folder))
    right = right.replace("[visits, within_pct]", "[within_pct]")
    (folder / "institution.yaml").write_text(right, encoding="utf-8")
    check_measures(load_institution(folder))

    told = {}
    for old, new in (
        ("numerator: {name: within}", f"numerator: {{name: {written}}}"),
        ("[within_pct]", f"[{written}]"),
        ("  within_pct:", f"  {written}:"),
    ):
        (folder / "institution.yaml").write_text(right.replace(old, new), encoding="utf-8")
        with pytest.raises(WrongUse) as error:
            check_measures(load_institution(folder))
        told[old] = str(error.value)

    assert f'numerator of within_pct: no delivery gives the count "{text}".' in told["numerator: {name: within}"]
    assert f'"{text}" is no measure.' in told["[within_pct]"]
    assert f'"{text}" is no name of a measure.' in told["  within_pct:"]
