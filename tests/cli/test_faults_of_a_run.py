"""What goes wrong around a run: disks, clocks, links, deliveries that change, names meant to do harm.

Each is told with where, what and what would be right; nothing is half-written; the same command takes the run up again
and makes again nothing that was finished.
"""

import errno
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from mi_analysis import register
from mi_analysis.batch import executors, record, worker
from mi_analysis.batch.record import Record
from mi_analysis.cli import main
from mi_analysis.model import build as building
from mi_analysis.workbench import prepare

PERSONS = ("C1", "C2", "C3")
STANDS = "What is finished stands; the same command goes on once that is mended."


class Here(Executor):
    """Makes each report in this process, at once, and does something after each."""

    def __init__(self, after: Callable[[], object] = lambda: None) -> None:
        self.after = after

    def submit(self, function, /, *given, **named):
        future = Future()
        future.set_result(function(*given, **named))
        self.after()
        return future


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "processes", lambda _: Here())


def finished(outputs: Path) -> dict[Path, int]:
    """Files of the reports that the records call finished, and when they were written."""
    found = [Record.read(folder) for folder in outputs.glob("monthly/2025-0?/[0-9]*")]
    files = [
        entry.folder / out["file"] for entry in found for job in entry.finished().values() for out in job["outputs"]
    ]
    return {file: file.stat().st_mtime_ns for file in files}


def shown(version: Path) -> list[object]:
    """What the last cell of each executed notebook shows: its table."""
    books = [file.read_text("utf-8") for file in sorted(version.rglob("unit_report.ipynb"))]
    return [json.loads(book)["cells"][-1]["outputs"] for book in books]


def reports(place: Path) -> dict[str, bytes]:
    """What is read of every report below a folder, by name."""
    return {
        str(file.relative_to(place)): file.read_bytes()
        for file in sorted(place.rglob("unit_report.*"))
        if file.suffix != ".log"
    }


# Disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 64 kB; `mounted` makes it larger, or read-only."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def mounted(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


@pytest.mark.disk
def test_a_disk_that_fills_at_any_moment_is_told_and_once_there_is_room_the_run_goes_on(tiny, disk, capsys):
    """The disk grows by a little until the run gets to its end, so it fills in the model, the release and the reports."""
    assert tiny.run() == 0
    whole, told, before = reports(tiny.version), [], {}
    for size in range(64, 2000, 72):
        mounted(disk, f"size={size}k")
        capsys.readouterr()
        status = tiny.run("--out", str(disk))
        said = capsys.readouterr()
        assert "Traceback" not in said.out + said.err
        now = finished(disk / "tiny")
        assert before.items() <= now.items()
        before = now
        assert all(
            whole[f"{file.parent.name}/{file.name}"] == file.read_bytes()
            for file in disk.rglob("*.html")
            if file.parent.name in PERSONS
        )
        if status == 0:
            break
        told.append((status, said.err.splitlines()[-1].replace(str(disk), "disk")))

    model = (
        "the disk is full. Free some. What stood there still stands, and the same command goes on once there is room."
    )
    assert set(told) == {
        (2, f"disk/tiny/model: {model}"),
        (2, f"disk/tiny: {model}"),
        (2, f"disk/tiny/monthly: cannot be written to. The system says: No space left on device. {STANDS}"),
    }
    assert reports(disk / "tiny" / "monthly" / "2025-03" / "1") == whole
    assert not [*disk.rglob("*.new"), *disk.rglob("*.new-*"), *disk.rglob(".work")]


@pytest.mark.disk
def test_an_output_folder_that_cannot_be_written_to_is_named_before_anything_is_made(tiny, disk, capsys):
    mounted(disk, "ro")

    assert tiny.run("--out", str(disk)) == 2
    said = capsys.readouterr()
    assert said.err == f"{disk / 'tiny'}: cannot be written to. The system says: Read-only file system. {STANDS}\n"
    assert not any(disk.iterdir())


def test_a_report_that_the_disk_refuses_is_named_and_made_by_the_next_run(tiny, capsys, monkeypatch):
    put_in_place = worker._put_in_place

    def full(work, contents):
        if work.expected["unit"] == "C2":
            raise OSError(errno.ENOSPC, "No space left on device")
        return put_in_place(work, contents)

    with monkeypatch.context() as patched:
        patched.setattr(worker, "_put_in_place", full)
        assert tiny.run() == 1
    told = ": its files could not be written. The system says: No space left on device."
    assert told in capsys.readouterr().out
    before = finished(tiny.outputs)
    assert {file.parent.name for file in before} == {"C1", "C3"}

    assert tiny.run() == 0
    assert before.items() <= finished(tiny.outputs).items()
    assert {file.parent.name for file in finished(tiny.outputs)} == {"C1", "C2", "C3"}


# Clocks


@pytest.mark.thorough
def test_a_clock_that_jumps_between_runs_and_within_them_changes_times_and_nothing_else(tiny, monkeypatch):
    """Each look at the clock is 30 years before or after the one before; so are the times of the delivered files."""
    assert tiny.run("--out", str(tiny.root / "steady")) == 0
    looks = []

    class Jumping(datetime):
        @classmethod
        def now(cls, zone=None):
            looks.append(zone)
            return datetime(2026, 1, 8, tzinfo=zone) + timedelta(days=365 * 30 * (len(looks) % 3 - 1))

    monkeypatch.setattr(record, "datetime", Jumping)
    monkeypatch.setattr(register, "datetime", Jumping)
    monkeypatch.setattr(time, "time", lambda: Jumping.now().timestamp())

    assert tiny.run() == 0
    assert reports(tiny.version) == reports(tiny.root / "steady" / "tiny" / "monthly" / "2025-03" / "1")
    before = finished(tiny.outputs)
    for number, file in enumerate(tiny.deliveries.iterdir()):
        os.utime(file, (4e9 * (number % 2),) * 2)
    assert tiny.run() == 0  # nothing changed
    assert finished(tiny.outputs) == before
    tiny.deliver("2025-03", more=1)
    assert tiny.run() == 0
    assert tiny.version.name == "2"
    assert reports(tiny.version) != reports(tiny.version.with_name("1"))
    assert before.items() <= finished(tiny.outputs).items()
    assert len(looks) > 10


# Deliveries that change while a run is at work


@pytest.mark.thorough
def test_a_delivery_that_is_replaced_or_taken_away_while_reports_are_made_is_of_the_next_run(tiny, monkeypatch):
    """What was read counts for the whole run: no report mixes the two."""
    assert tiny.run("--out", str(tiny.root / "steady")) == 0

    def changed() -> None:
        tiny.deliver("2025-03", more=5)
        (tiny.deliveries / "ledger_2025-02.csv").unlink(missing_ok=True)

    monkeypatch.setattr(executors, "processes", lambda _: Here(changed))
    assert tiny.run() == 0
    first = tiny.version
    assert reports(first) == reports(tiny.root / "steady" / "tiny" / "monthly" / "2025-03" / "1")

    assert tiny.run() == 0
    assert (first.name, tiny.version.name) == ("1", "2")
    assert tiny.run("--out", str(tiny.root / "anew")) == 0
    assert shown(tiny.version) == shown(tiny.root / "anew" / "tiny" / "monthly" / "2025-03" / "1")
    assert shown(tiny.version) != shown(first)


def test_a_delivery_that_is_replaced_between_being_listed_and_read_is_known_by_what_was_read(tiny, monkeypatch):
    real = building.read

    def replaced(file, *more):
        if file.name == "time_2025-03.csv":
            tiny.deliver("2025-03", more=5)
        return real(file, *more)

    with monkeypatch.context() as patched:
        patched.setattr(building, "read", replaced)
        first = prepare("tiny", start=tiny.root)
    again = prepare("tiny", start=tiny.root)

    hours = again.released.look("C1", "month", "month").figure("*", pd.Timestamp("2025-03-01"), "registered_hours")
    assert hours == sum(100 + 7 * n + 5 for n in range(6))
    pd.testing.assert_frame_equal(first.released.values, again.released.values)
    assert first.fingerprint == prepare("tiny", start=tiny.root).fingerprint


def test_two_runs_at_once_make_one_model_after_the_other(tiny, monkeypatch):
    order, real = [], building.assemble
    second = threading.Thread(target=lambda: order.append(("second ends", prepare("tiny", start=tiny.root).built)))

    def slow(*given, **named):
        order.append("first builds")
        second.start()
        second.join(1)
        return real(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(building, "assemble", lambda *given: slow(*given) if not order else real(*given))
        order_of_first = prepare("tiny", start=tiny.root).built
    second.join()

    assert (order, order_of_first) == (["first builds", ("second ends", False)], True)


def test_a_release_that_was_cut_off_leaves_nothing_behind(tiny):
    prepare("tiny", start=tiny.root)
    released = tiny.outputs / "model" / "released"
    (released / "unit_manager.new-cut").mkdir()
    with (tiny.outputs / "kept" / "hidden.jsonl").open("a") as kept:
        kept.write("\n")  # so that what is released has to be judged anew

    prepare("tiny", start=tiny.root)

    assert [path.name for path in released.iterdir()] == ["unit_manager"]


# Links


def test_a_link_among_the_deliveries_is_told_and_not_followed(tiny, capsys):
    outside = tiny.root / "secret.csv"
    outside.write_text("Unit;Task;Month;Who;Hours;Overtime\nC1;A;2025-03;x;31337;0\n")
    (tiny.deliveries / "time_out.csv").symlink_to(outside)
    (tiny.deliveries / "time_loop.csv").symlink_to("time_loop.csv")
    (tiny.deliveries / "ledger_away.csv").symlink_to("nowhere.csv")

    audit = prepare("tiny", start=tiny.root).audit

    told = {
        item.file: [(found.severity, found.key) for found in item.findings] for item in audit.received if item.stopped
    }
    link = [("stop", "delivery.link")]
    assert told == {"time_out.csv": link, "time_loop.csv": link, "ledger_away.csv": link}
    assert all(b"31337" not in file.read_bytes() for file in tiny.outputs.rglob("*") if file.is_file())
    assert tiny.run() == 4
    with pytest.raises(SystemExit):
        main(["check", str(tiny.run_file.parent)])
    assert "The file is a link, which may lead anywhere, so it is not read." in capsys.readouterr().out


def test_a_link_among_the_outputs_is_replaced_and_never_written_through(tiny):
    outside = tiny.root / "outside"
    outside.mkdir()
    (outside / "precious").write_text("precious")
    assert tiny.run() == 0
    for name in ("latest.html", "2025-03/1/index.html", "2025-03/1/run.json", "2025-03/1/C1/unit_report.html"):
        file = tiny.outputs / "monthly" / name
        if name.endswith(("latest.html", "C1/unit_report.html")):
            file.unlink()
            file.symlink_to(outside / "precious")
    (tiny.outputs / "monthly" / ".work").symlink_to(outside)
    tiny.deliver("2025-03", more=1)

    assert tiny.run() == 0
    assert [(file.name, file.read_text()) for file in outside.iterdir()] == [("precious", "precious")]
    assert not (tiny.outputs / "monthly" / "latest.html").is_symlink()
    assert tiny.version.name == "2"


def test_an_output_folder_that_is_a_link_to_itself_is_named(tiny, capsys):
    (tiny.root / "loop").symlink_to("loop")

    assert tiny.run("--out", str(tiny.root / "loop")) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{tiny.root / 'loop'}")
    assert "Too many levels of symbolic links" in said


# Names and cells meant to do harm

HOSTILE = ("../../x", "CON", "x" * 300, "C4.", "=1+1", "'; drop table units; --")


def test_units_and_files_with_names_meant_to_do_harm_stay_within_the_folder_of_the_run(tiny, capsys):
    """Codes as a traversal, a device, too long, with a trailing dot, a formula and SQL; names of files likewise."""
    file = tiny.run_file.with_name("institution.yaml")
    units = "".join(f"  - {{ unit: {json.dumps(code)}, name: N, parent: I, level: kontor }}\n" for code in HOSTILE)
    file.write_text(file.read_text("utf-8").replace("activities:\n", units + "activities:\n"), "utf-8")
    rows = [f"{code};A;2025-03;{code}{n};{100 + n};0" for code in HOSTILE for n in range(6)]
    for name in ("time_=1+1.csv", "time_'; drop table hours; --.csv"):
        (tiny.deliveries / name).write_text("\n".join(["Unit;Task;Month;Who;Hours;Overtime", *rows]) + "\n", "utf-8")
        rows = [row.replace("2025-03", "2025-02") for row in rows]
    around = {path for path in tiny.root.parent.rglob("*") if tiny.outputs not in path.parents}

    status = tiny.run()

    folders = sorted(path.name for path in tiny.version.iterdir() if path.is_dir())
    assert status == 0
    assert len(folders) == 3 + len(HOSTILE)
    assert all((tiny.version / folder / "unit_report.html").is_file() for folder in folders)
    assert (
        not {path for path in tiny.root.parent.rglob("*") if tiny.outputs not in path.parents}
        - around
        - {tiny.outputs, tiny.outputs.parent}
    )
    held = {
        job["unit"]: (tiny.version / job["outputs"][0]["file"]).read_text("utf-8")
        for job in Record.read(tiny.version).jobs.values()
    }
    assert set(held) == {*PERSONS, *HOSTILE}


@pytest.mark.thorough
def test_gigantic_cells_are_told_in_short_and_cost_their_own_row_only(tiny, capsys):
    """Three million letters in a number, two codes and a date, with and without quotation marks in the file."""
    huge = "9" * 3_000_000
    for month, quoted in (("2025-02", '"A"'), ("2025-03", "A")):
        file = tiny.deliveries / f"time_{month}.csv"
        bad = (f"C1;A;{month};p;{huge};0", f"{huge};A;{month};p;1;0", f"C1;A;{huge};p;1;0", f"C1;{huge};{month};p;1;0")
        file.write_text("\n".join([*file.read_text().splitlines(), *bad, f"C1;{quoted};{month};p;1;0"]) + "\n")

    status = tiny.run()
    said = capsys.readouterr()

    assert status == 0
    assert len(said.out + said.err) < 5_000
    quarantine = pd.read_parquet(tiny.outputs / "model" / "quarantine.parquet")
    assert quarantine["column"].tolist() == ["Hours", "Month"] * 2
    used = {item.file: item.account.used for item in prepare("tiny", start=tiny.root).audit.received}
    assert (used["time_2025-02.csv"], used["time_2025-03.csv"]) == (20, 20)
    assert max(file.stat().st_size for file in tiny.outputs.rglob("*") if file.is_file()) < 1_000_000
