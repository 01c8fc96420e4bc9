"""The register: what was asked stays asked, in the order it was asked, whoever writes at the same time."""

import json
import subprocess
import sys

import pytest

from mi_analysis.analysis.multiplicity import adjust
from mi_analysis.register import EXPLORATORY, answer, ask, read


@pytest.fixture
def file(tmp_path):
    return tmp_path / "kept" / "hypotheses.jsonl"


def asked(file, exposure="overtime_per_fte", **changes):
    about = {
        "who": "BOM",
        "outcome": "goal_degree",
        "exposure": exposure,
        "filters": {"units": ["07", "09"], "period": "2026-06"},
        "kind": "exploratory",
        "margin": 1.0,
    }
    return ask(file, **(about | changes))


def test_a_question_is_on_file_before_it_is_answered(file):
    identity = asked(file, question="Does overtime go together with goals?")
    found = read(file).hypotheses[identity]

    assert (found.who, found.outcome, found.exposure) == ("BOM", "goal_degree", "overtime_per_fte")
    assert found.filters == {"units": ["07", "09"], "period": "2026-06"}
    assert (found.kind, found.family, found.margin) == ("exploratory", EXPLORATORY, 1.0)
    assert found.question == "Does overtime go together with goals?"
    assert (found.p, found.answered_at, found.times_asked) == (None, "", 1)


def test_an_answer_stands_beside_its_question(file):
    identity = asked(file)
    answer(
        file, identity, p=0.03, estimate=-0.8, interval=(-1.5, -0.1), scale="level", verdict="verdict.assoc.clear_neg"
    )
    found = read(file).hypotheses[identity]

    assert (found.p, found.estimate, found.verdict) == (0.03, -0.8, "verdict.assoc.clear_neg")
    assert (found.lo, found.hi, found.scale) == (-1.5, -0.1, "level")
    assert found.asked_at <= found.answered_at


def test_an_exploratory_question_is_numbered_in_its_quarter_and_a_planned_one_in_its_family(file, monkeypatch):
    days = iter(["2026-09-30", "2026-10-01", "2026-10-02", "2026-12-31", "2027-01-01"])
    monkeypatch.setattr("mi_analysis.register._now", lambda: f"{next(days)}T10:00:00+00:00")
    names = [asked(file, exposure=name) for name in "abc"]
    names.append(asked(file, exposure="d", kind="planned", family="Plan 2026"))
    asked(file, exposure="a")  # again: it stays where it was first

    found = read(file).numbered()

    assert [found[name] for name in names] == [
        ("2026-Q3", 1, 1),
        ("2026-Q4", 1, 2),
        ("2026-Q4", 2, 2),
        ("Plan 2026", 1, 1),
    ]


def test_an_answer_without_a_question_is_refused(file):
    with pytest.raises(KeyError) as told:
        answer(file, "0000", p=0.01)

    assert told.value.args == ("No question 0000 in hypotheses.jsonl; ask before answering.",)


def test_lines_are_only_added(file):
    identity = asked(file)
    before = file.read_bytes()
    answer(file, identity, p=0.5)
    asked(file, exposure="sick_days_per_fte")

    assert file.read_bytes().startswith(before)
    assert file.read_bytes().count(b"\n") == 3


def test_the_same_question_asked_again_counts_once(file):
    assert asked(file) == asked(file, who="ANN")
    assert [h.times_asked for h in read(file).hypotheses.values()] == [2]


def test_an_edited_filter_is_another_question(file):
    asked(file)
    asked(file, filters={"units": ["07"], "period": "2026-06"})

    assert len(read(file).family(EXPLORATORY)) == 2


def test_what_was_stated_first_stands_and_a_later_change_shows(file):
    identity = asked(file)
    answer(file, identity, p=0.04)
    asked(file, kind="planned", family="Plan 2026", margin=0.1)
    found = read(file).hypotheses[identity]

    assert (found.kind, found.margin, found.restated) == ("exploratory", 1.0, True)
    assert read(file).family("Plan 2026") == ()


def test_planned_families_use_holm_and_exploratory_questions_benjamini_and_hochberg(file):
    p = [0.01, 0.02, 0.2]
    for kind, family in (("planned", "Plan 2026"), ("exploratory", "")):
        for value in p:
            answer(file, asked(file, exposure=f"{kind} {value}", kind=kind, family=family), p=value)

    assert tuple(read(file).adjusted("Plan 2026").values()) == adjust(p, "holm")
    assert tuple(read(file).adjusted(EXPLORATORY).values()) == adjust(p, "bh")


def test_failed_and_unanswered_questions_count(file):
    first = asked(file)
    answer(file, first, p=0.02)
    answer(file, asked(file, exposure="sick_pct"), failed="constant exposure")
    asked(file, exposure="flex_balance")

    assert read(file).adjusted(EXPLORATORY)[first] == pytest.approx(0.06)


def test_a_p_that_is_no_number_is_kept_as_none(file):
    identity = asked(file)
    answer(file, identity, p=float("nan"))

    assert read(file).hypotheses[identity].p is None
    assert all(json.loads(line) for line in file.read_text("utf-8").splitlines())


def test_a_damaged_line_is_told_and_counts_as_a_question(file):
    first = asked(file)
    answer(file, first, p=0.02)
    with file.open("ab") as end:
        end.write(b'{"event": "asked", "id": "12')
    second = asked(file, exposure="sick_pct")
    found = read(file)

    assert found.damaged == (3,)
    assert list(found.hypotheses) == [first, second]
    assert found.adjusted(EXPLORATORY)[first] == pytest.approx(0.06)


def test_an_absent_register_is_empty(file):
    assert read(file).hypotheses == {}
    assert read(file).adjusted(EXPLORATORY) == {}


@pytest.mark.parametrize(
    ("kind", "family", "message"),
    [
        ("planned", "", "A planned question needs the name of its family; it is ''."),
        ("planned", "exploratory", "A planned question needs the name of its family; it is 'exploratory'."),
        ("curious", "", "A question is planned or exploratory; it is 'curious'."),
    ],
)
def test_a_question_of_no_kind_is_refused_and_not_written(file, kind, family, message):
    with pytest.raises(ValueError, match=r"^A ") as told:
        asked(file, kind=kind, family=family)

    assert str(told.value) == message
    assert not file.exists()


WRITER = """
import sys
from pathlib import Path
from mi_analysis.register import answer, ask
file, writer = Path(sys.argv[1]), sys.argv[2]
for i in range(25):
    identity = ask(file, who=writer, outcome="goal_degree", exposure=f"{writer} {i} " + "\u00e6" * 3000,
                   filters={}, kind="exploratory")
    answer(file, identity, p=i / 25)
"""


def test_writers_at_the_same_time_neither_mix_nor_lose_lines(file, project):
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(file), str(i)], cwd=project) for i in range(4)]

    assert [writer.wait(60) for writer in writers] == [0, 0, 0, 0]

    found = read(file)

    assert found.damaged == ()
    assert len(found.hypotheses) == 100
    assert all(h.p is not None and h.times_asked == 1 for h in found.hypotheses.values())
