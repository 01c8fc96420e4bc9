"""Sentences on what an analysis found: no claim names a cause, and no clear verdict stands without its reservation."""

import re

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.answers import Answer
from mi_analysis.analysis.basis import Sentence
from mi_analysis.measures.catalogue import CATALOGUE
from mi_analysis.reporting import verdicts
from mi_analysis.reporting.wording import Words, catalogue

DA, EN = Words("da"), Words("en")
CAUSE = {
    "da": r"\bfør(er|e|te|t)? til|skyld(es|tes)|effekt af|på grund af|årsag|medfør|bevirk|resulter|påvirk|følge af|fordi|giver anledning",
    "en": r"\b(leads?|led|leading) to|\bdue to|because|effects? of|\bcaus|results? (in|from)|\baffect|influenc|\bdriv|owing to|consequence",
}
HELD_BACK = r"\b(ikke|kan|not|cannot|may)\b"
ALLOWED = {
    "tallene kan ikke vise, om det ene fører til det andet.",
    "Mere {x} kan være en følge af pres på {y}, og omvendt.",
    "Sæson og arbejdspres kan desuden påvirke begge dele.",
    "En del af samvariationen kan skyldes den fælles nævner.",
    "Forskellen mellem enhederne kan skyldes tilfældig variation;",
    "Diagrammet viser ikke årsagen.",
    "the figures cannot tell whether one leads to the other.",
    "Seasonality and workload may influence both.",
    "The difference between the units may be due to chance;",
    "The chart does not show the cause.",
}
"""Every sentence with a cause word that a reader may see: each only says what is not known, or what may be."""
OF_THE_REPORT = {
    "{x} og {y} indeholder begge {part} og følges derfor ad alene på grund af opgørelsen.",
    "Nogle tal er skjult, fordi de vedrører få personer.",
    "Det sædvanlige niveau er genberegnet fra {start} på grund af {reason}.",
    "Der skal gives en afvigelsesforklaring, fordi afvigelsen overstiger {limit}.",
    "Some figures are hidden because they concern few persons.",
    "The usual level was recalculated from {start} because of {reason}.",
    "A comment is required because the deviation exceeds {limit}.",
}
"""Why the report itself does something: nothing about what happened in a unit."""
OPENS_A_CLAIM = {
    key
    for key in catalogue("en")
    if key.startswith("verdict.") and not verdicts.is_reservation(key)
}  # fmt: skip


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.:;]) ", text)


def answered(key: str = "verdict.assoc.clear_neg", outcome: str = "kept_closed_pct", **values) -> Answer:
    known = {
        "est": 1.9,
        "lo": -2.77,
        "hi": -0.95,
        "n": 405,
        "k": 15,
        "margin": 1.0,
        "p_adjusted": 0.2,
        "asked": 4,
        "what": "2110",
    }
    method = Sentence("method.assoc.panel", {"inference": "crv3", "df": 14.0, "scale": "level"})
    numbers = {
        "estimate": -1.9,
        "lo": -2.77,
        "hi": -0.95,
        "p": 0.0004,
        "p_adjusted": 0.002,
        "asked": 4.0,
        "n": 405.0,
        "k": 15.0,
    }
    return Answer(
        outcome, "overtime_per_fte", Sentence(key, {**known, **values}), (), method, period=("2023-01", "2025-12"), numbers=numbers,
        slopes=pd.DataFrame({"unit": ["2110"], "own": [-2.0], "own_lo": [-3.0], "own_hi": [-1.0], "pooled": [-1.9], "lo": [-2.8], "hi": [-1.0]}),
    )  # fmt: skip


@pytest.mark.parametrize("language", ["da", "en"])
def test_no_sentence_names_a_cause_but_those_that_say_it_is_not_known(language):
    found = {
        sentence
        for key, text in catalogue(language).items()
        if key.startswith(("verdict.", "warning."))
        for sentence in sentences(text)
        if re.search(CAUSE[language], sentence, re.IGNORECASE)
    }

    assert found - ALLOWED - OF_THE_REPORT == set()
    assert [text for text in found & ALLOWED if not re.search(HELD_BACK, text)] == []


@pytest.mark.parametrize("language", ["da", "en"])
def test_what_a_claim_claims_has_no_cause_word_at_all(language):
    claimed = {key: sentences(catalogue(language)[key])[0] for key in OPENS_A_CLAIM}

    assert {key: text for key, text in claimed.items() if re.search(CAUSE[language], text, re.IGNORECASE)} == {}


def test_every_verdict_is_a_claim_or_a_reservation_and_each_reservation_is_a_template():
    assert {key for key in verdicts.RESERVATIONS if not DA.has(key)} == set()
    assert {key for key in OPENS_A_CLAIM if key.startswith(("verdict.assoc.", "verdict.own."))} == {
        *(f"verdict.assoc.{name}" for name in ("clear_neg", "clear_pos", "shorter", "longer", "equivalent", "small")),
        *(f"verdict.own.{name}" for name in ("clear_neg", "clear_pos", "shorter", "longer")),
    }
    assert verdicts.is_reservation("warning.assoc.lag")


@pytest.mark.parametrize("words", [DA, EN])
@pytest.mark.parametrize("outcome", ["kept_closed_pct", "case_days_median"])
@pytest.mark.parametrize("key", ["clear_neg", "clear_pos", "small", "equivalent"])
def test_a_claim_is_followed_by_its_reservation(words, outcome, key):
    lines = verdicts.spoken(answered(f"verdict.assoc.{key}", outcome), words)
    of_unit = verdicts.spoken_of_unit(answered(outcome=outcome), "2110", words)

    assert lines[1] == of_unit[1] == words.text("verdict.assoc.reservation")
    assert verdicts.spoken_of_unit(answered(outcome=outcome), "2120", words) == []


def test_a_clear_verdict_is_a_sentence_a_leader_can_repeat():
    assert verdicts.spoken(answered(), DA)[0] == (
        "I 2023–2025 var der i gennemsnit 1,9 procentpoint lavere andel sager afsluttet inden for fristen i måneder med én time pr. årsværk "
        "mere over-/merarbejde (95-procents-konfidensinterval: 1,0 til 2,8; 405 enhedsmåneder, 15 enheder)."
    )
    assert verdicts.spoken_of_unit(answered(), "2110", EN, {"2110": "Tilsyn Øst"}.get)[0] == (
        "Tilsyn Øst: months with one hour per FTE more overtime had on average 1.9 percentage points lower share of cases closed within "
        "deadline (95 per cent confidence interval: 1.0 to 2.8). The unit's own figures are weighed together with those of all units."
    )


def test_durations_are_shorter_or_longer_and_never_lower_or_higher():
    said = [
        verdicts.spoken(answered(f"verdict.assoc.{key}", "case_days_median"), EN)[0]
        for key in ("clear_neg", "clear_pos")
    ]

    assert ["days shorter in months" in said[0], "days longer in months" in said[1]] == [True, True]


@pytest.mark.parametrize("words", [DA, EN])
def test_every_sentence_about_an_association_can_be_said(words):
    values = {
        "x": "overtime_per_fte", "y": "kept_closed_pct", "scale": "level", "est": 1.0, "est2": -1.0, "lo": -2.0, "hi": 1.0, "n": 5, "n_min": 6,
        "of": "units", "k": 5, "margin": None, "period": ("2023-01", "2025-11"), "part": ("closed", "deadline"), "what": "2110", "share": 0.06,
        "measure": "overtime_per_fte", "asked": 4, "p_adjusted": 0.2, "effective": 2.3, "largest": 1e15, "missing": 3, "expected": 9,
        "units": ("2110", "2120"), "slope_low": -1.0, "slope_high": 2.0, "at": 4.25, "r": 0.41, "p": 0.0001, "explained": 1.0,
    }  # fmt: skip
    keys = [key for key in catalogue("en") if key.startswith(("verdict.assoc.", "verdict.own.", "warning.assoc."))]
    said = [verdicts.in_words(Sentence(key, values), answered(), words) for key in keys]

    assert [text for text in said if re.search(r"[{}]|\bnan\b|None|verdict\.|_|= <", text)] == []


def test_a_unit_that_the_reader_may_not_see_is_not_named():
    text = verdicts.in_words(
        Sentence("verdict.assoc.sensitive", {"what": "*", "est": 1.0, "est2": -1.0}), answered(), EN, str
    )

    assert "without another unit the estimate" in text


def test_estimates_have_two_digits_by_the_largest_bound():
    assert [
        verdicts.decimals_for(*values) for values in ((-1.9, 0.2), (0.018, -0.008), (120, 30), (np.nan, None), (1e-9,))
    ] == [1, 3, 0, 1, 4]


def test_what_two_measures_can_share_has_words():
    atoms = {atom for measure in CATALOGUE.values() for atom in measure.contains}

    assert [atom for atom in atoms if not verdicts.part(atom, DA) or not verdicts.part(atom, EN)] == []


def test_the_numbers_behind_tell_estimate_interval_p_and_what_was_left_out():
    rows = dict(verdicts.behind(answered(), EN).itertuples(index=False))

    assert rows["Estimate, percentage points per one hour per FTE"] == "−1.9"
    assert rows["95 per cent confidence interval"] == "−2.8 to −1.0"
    assert rows["p-value, seen alone"] == "< 0.001"
    assert rows["p-value, adjusted for 4 questions"] == "0.002"
    assert rows["Unit-months left out"] == "none"
    assert rows["Method"].startswith("Linear regression with effects for unit and month;")
