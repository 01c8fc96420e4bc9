"""What the model asks of its data engine: memory within a limit, spilling, a disk that fills."""

import errno
from pathlib import Path

import duckdb
import pytest

from mi_analysis.model import build as building
from mi_analysis.model import database
from mi_analysis.parameters import Institution, WrongUse, load_institution

KEPT = "What stood there still stands, and the same command goes on once there is room."


def setting(name: str) -> str:
    with database.connect() as connection:
        return connection.execute(f"select current_setting('{name}')").fetchall()[0][0]


def test_an_engine_takes_half_of_the_machine_or_what_is_said(tmp_path):
    half = setting("memory_limit")
    with database.limited("300MiB", "x.yaml", tmp_path):
        assert setting("memory_limit") == "300.0 MiB"

    assert setting("memory_limit") == half != "300.0 MiB"


def test_what_does_not_fit_in_memory_is_spilled(tmp_path):
    query = "select count(distinct k), sum(n) from (select hash(i) % 1500000 as k, count(*) as n from range(3000000) t(i) group by k)"

    def answer(*settings: str) -> tuple:
        with database.connect() as connection:
            for text in ("set threads = 1", *settings):
                connection.execute(text)
            return connection.execute(query).fetchall()[0]

    with database.limited("60MB", "x.yaml", tmp_path):
        assert answer() == answer("set memory_limit = '4GB'")
    with pytest.raises(WrongUse, match="60MB is not enough"), database.limited("60MB", "x.yaml", tmp_path):
        answer("set temp_directory = ''")


def test_a_limit_that_is_too_small_is_told_and_the_model_before_stands(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.build()
    before = tiny.table("hours", "unit", "hours")
    tiny.deliver("time_2", "C1;A;2025-02;p;10;")
    tiny.institution = tiny.institution.model_copy(update={"memory_limit": "100KB"})

    with pytest.raises(WrongUse) as error:
        tiny.build()

    assert (
        str(error.value)
        == f"institution.yaml: memory_limit: 100KB is not enough for these deliveries. Give more, such as memory_limit: 8GB. {KEPT}"
    )
    assert tiny.table("hours", "unit", "hours") == before
    assert [path.name for path in tiny.model.parent.iterdir()] == ["model"]


def test_a_disk_that_fills_is_told_and_nothing_is_half_written(office, monkeypatch):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.build()
    before = tiny.table("hours", "unit", "hours")
    tiny.deliver("time_2", "C1;A;2025-02;p;10;")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(building, "assemble", full)
    with pytest.raises(WrongUse) as error:
        tiny.build()

    assert str(error.value) == f"{tiny.model}: the disk is full. Free some. {KEPT}"
    assert tiny.table("hours", "unit", "hours") == before
    assert [path.name for path in tiny.model.parent.iterdir()] == ["model"]


def test_any_other_trouble_of_the_disk_is_not_called_full(tmp_path):
    with pytest.raises(duckdb.IOException), database.limited("", "", tmp_path), database.connect() as connection:
        connection.execute("from read_parquet('nowhere.parquet')")


def test_a_size_of_memory_is_checked_where_it_is_written(tmp_path):
    file = tmp_path / "institution.yaml"
    file.write_text("name: {da: A, en: A}\ndeliveries: {folder: x}\nsources: {}\nmemory_limit: four\n")

    with pytest.raises(WrongUse) as error:
        load_institution(file)

    assert (
        str(error.value) == 'institution.yaml line 4: memory_limit: "four" is not a size of memory. Write 800MB or 4GB.'
    )
    assert Institution.model_fields["memory_limit"].default == ""


def test_a_new_month_leaves_the_parts_of_the_others_as_they_are(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.build()
    first = {file.relative_to(tiny.model): file.stat().st_ino for file in (tiny.model / "parts").rglob("*.parquet")}
    tiny.deliver("time_2", "C1;A;2025-02;p;20;")
    tiny.build()

    assert {place: (tiny.model / place).stat().st_ino for place in first} == first
    assert tiny.table("hours", "period_start::varchar", "hours") == [("2025-01-01", 10), ("2025-02-01", 20)]


def test_a_file_is_put_beside_by_copying_where_the_disk_cannot_link(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("x")

    def refused(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refused)
    database.put_beside(str(tmp_path / "a"), str(tmp_path / "b"))

    assert Path(tmp_path / "b").read_text() == "x"
