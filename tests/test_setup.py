"""Setting up: the locks cover what the project asks for, and run.py does its part on any machine."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPORT, DEVELOP = "requirements.lock", "requirements-dev.lock"
PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)(?: ; (.+?))? \\$")
PLACES = [
    {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.{patch}", "sys_platform": platform}
    for minor, patch in ((11, 0), (11, 9), (12, 5), (13, 0))
    for platform in ("linux", "darwin", "win32")
]


def pins(text: str) -> Iterator[tuple[str, Version, str]]:
    """Name, version and marker of every line of a lock file that pins something."""
    for line in text.splitlines():
        if found := PIN.match(line):
            yield canonicalize_name(found[1]), Version(found[2]), found[3] or ""


def pinned_at(text: str, place: dict[str, str]) -> dict[str, list[Version]]:
    """What a lock file installs on one Python and system."""
    here: dict[str, list[Version]] = {}
    for name, version, marker in pins(text):
        if not marker or Marker(marker).evaluate(place):
            here.setdefault(name, []).append(version)
    return here


def not_covered(requirements: list[str], text: str) -> set[str]:
    """Say each requirement that a lock file does not meet on every Python and system."""
    wrong = set()
    for place in PLACES:
        here = pinned_at(text, place)
        for requirement in map(Requirement, requirements):
            if requirement.marker and not requirement.marker.evaluate(place):
                continue
            versions = here.get(canonicalize_name(requirement.name), [])
            if not versions:
                wrong.add(f"{requirement.name} is missing")
            wrong |= {
                f"{requirement.name} {v} is not {requirement.specifier}"
                for v in versions
                if v not in requirement.specifier
            }
            if len(versions) > 1:
                wrong.add(f"{requirement.name} is pinned twice")
    return wrong


@pytest.fixture(scope="module")
def pyproject(project: Path) -> dict:
    return tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))


def group(pyproject: dict, name: str) -> list[str]:
    lines: list[str] = []
    for line in pyproject["dependency-groups"][name]:
        lines += [line] if isinstance(line, str) else group(pyproject, line["include-group"])
    return lines


@pytest.mark.parametrize(
    ("lock", "groups", "extras"), [(REPORT, ["build"], []), (DEVELOP, ["dev"], ["pdf", "dask", "postgresql", "spark"])]
)
def test_locks_cover_pyproject(project: Path, pyproject: dict, lock: str, groups: list[str], extras: list[str]) -> None:
    asked = pyproject["project"]["dependencies"] + [line for name in groups for line in group(pyproject, name)]
    asked += [line for name in extras for line in pyproject["project"]["optional-dependencies"][name]]

    assert not_covered(asked, (project / lock).read_text()) == set(), f"{lock} is old: run `python run.py lock`"


def test_building_the_project_needs_only_what_is_locked(pyproject: dict) -> None:
    build = {Requirement(line).name for line in group(pyproject, "build")}

    assert build >= {Requirement(line).name for line in pyproject["build-system"]["requires"]}


def test_the_cover_check_sees_what_is_wrong() -> None:
    lock = "pandas==4.0 \\\nnumpy==2.4 ; python_full_version < '3.12' \\\nscipy==1.0 \\\nscipy==1.1 ; sys_platform == 'win32' \\\n"

    asked = ["pandas<4", "numpy", "scipy>=1", "seaborn>=0.13", "colorama; sys_platform == 'beos'"]
    assert not_covered(asked, lock) == {
        "pandas 4.0 is not <4",
        "numpy is missing",
        "scipy is pinned twice",
        "seaborn is missing",
    }


def test_tests_run_on_what_reports_run_on(project: Path) -> None:
    report, develop = (set(pins((project / name).read_text())) for name in (REPORT, DEVELOP))

    assert len(report) > 100
    assert report <= develop


@pytest.mark.parametrize("lock", [REPORT, DEVELOP])
def test_locks_hold_pins_and_hashes_and_no_address(project: Path, lock: str) -> None:
    lines = (project / lock).read_text().splitlines()
    others = [
        line for line in lines if not PIN.match(line) and not re.match(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$", line)
    ]
    bare = [a for a, b in pairwise(lines) if PIN.match(a) and not b.startswith("    --hash=")]
    local = [name for name, version, _ in pins("\n".join(lines)) if version.local]

    assert (others, bare, local) == ([], [], [])
    assert "://" not in "\n".join(lines)


@pytest.fixture
def run(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """run.py in a project of its own; programs are noted in ``run.calls`` instead of started."""
    for name in ("run.py", "pyproject.toml", REPORT, DEVELOP):
        shutil.copy(project / name, tmp_path)
    spec = importlib.util.spec_from_file_location("run_under_test", tmp_path / "run.py")
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    run.calls = []

    def make_venv() -> None:
        run.calls.append("venv")
        shutil.rmtree(run.VENV, ignore_errors=True)
        run.SCRIPTS.mkdir(parents=True)
        run.PYTHON.touch()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "make_venv", make_venv)
    monkeypatch.setattr(run, "venv_works", run.PYTHON.exists)
    monkeypatch.setattr(run, "become", lambda *command: run.calls.append(" ".join(map(str, command[1:]))) or 7)
    monkeypatch.setattr(run.subprocess, "call", lambda command, **_: run.calls.append(command[-1]) or 0)
    return run


def test_a_verb_sets_up_once_and_passes_the_exit_status_on(run: ModuleType) -> None:
    assert run.main(["test", "-x", "--long"]) == 7
    assert run.calls == ["venv", DEVELOP, ".", "-m pytest -n auto --dist loadfile --no-loadscope-reorder -x --long"]

    run.calls.clear()

    assert run.main(["report", "--json"]) == 7
    assert run.calls == ["run parameters/example/monthly.yaml --json"]


def test_reports_need_only_their_own_lock(run: ModuleType) -> None:
    run.set_up(REPORT)
    run.set_up(REPORT)
    run.set_up(DEVELOP)

    assert run.calls == ["venv", REPORT, ".", DEVELOP, "."]


@pytest.mark.parametrize(
    ("changed", "calls"), [(REPORT, [REPORT, "."]), ("pyproject.toml", ["."]), (DEVELOP, []), ("run.py", [])]
)
def test_only_what_changed_is_installed_again(run: ModuleType, changed: str, calls: list[str]) -> None:
    run.set_up(DEVELOP)
    run.calls.clear()
    (run.ROOT / changed).write_text("changed")
    run.set_up(REPORT)

    assert run.calls == calls


@pytest.mark.parametrize(
    "stamp", ["{", "[1]", '{"folder": "elsewhere"}', '{"python": "elsewhere"}', '{"unfinished": true}']
)
def test_an_environment_that_is_broken_or_moved_is_made_anew(run: ModuleType, stamp: str) -> None:
    run.set_up(REPORT)
    run.STAMP.write_text(stamp)
    run.calls.clear()
    run.set_up(REPORT)

    assert run.calls == ["venv", REPORT, "."]


def test_an_environment_that_was_there_before_is_kept_and_filled(run: ModuleType) -> None:
    run.set_up(REPORT)
    run.STAMP.unlink()
    run.calls.clear()
    run.set_up(REPORT)

    assert run.calls == [REPORT, "."]


def test_an_interrupted_installation_is_made_anew(run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def interrupt(command: list[str], **_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run.subprocess, "call", interrupt)

        assert run.main(["report"]) == 130

    assert capsys.readouterr().err.endswith("Stopped; the same command takes up again.\n")

    run.calls.clear()
    run.set_up(REPORT)

    assert run.calls == ["venv", REPORT, "."]


def test_a_failed_installation_says_so_and_keeps_what_works(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    run.set_up(REPORT)
    with monkeypatch.context() as patch:
        patch.setattr(run.subprocess, "call", lambda command, **_: 1)

        assert run.main(["test"]) == 2

    assert capsys.readouterr().err.splitlines()[-1] == (
        "The installation failed; the reason stands above. Mend it and run the same command again,"
        " or remove the folder .venv first if it keeps failing."
    )

    run.calls.clear()
    run.set_up(REPORT)

    assert run.calls == ["."]


def test_nothing_is_installed_outside_the_environment(run: ModuleType) -> None:
    given = {"PATH": "here", "UV_SYSTEM_PYTHON": "1", "PIP_TARGET": "there", "VIRTUAL_ENV": "another"}

    assert run.only_venv(given) == {"PATH": "here", "VIRTUAL_ENV": str(run.VENV), "PIP_REQUIRE_VIRTUALENV": "1"}


@pytest.mark.parametrize(("arguments", "first"), [([], ""), (["raport"], "raport is not a verb here.\n")])
def test_wrong_use_prints_the_verbs(run: ModuleType, capsys, arguments: list[str], first: str) -> None:
    assert run.main(arguments) == 2
    assert capsys.readouterr().err == first + run.HELP
    assert set(re.findall(r"run\.py (\w+)", run.HELP)) == set(run.VERBS)
    assert run.calls == []


def test_a_missing_lock_is_named(run: ModuleType, capsys) -> None:
    (run.ROOT / REPORT).unlink()

    assert run.main(["report"]) == 2
    assert capsys.readouterr().err == "The file requirements.lock is missing beside run.py; fetch the project again.\n"


def old_python(run: ModuleType, monkeypatch: pytest.MonkeyPatch, found: list[str]) -> None:
    monkeypatch.setattr(run, "sys", SimpleNamespace(version_info=(3, 8, 18), executable="old"))
    monkeypatch.setattr(run, "candidates", lambda version: found)


def test_another_python_is_found_by_running_it(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old_python(run, monkeypatch, ["", str(tmp_path / "not-there"), str(tmp_path), sys.executable])

    assert run.find_python() == sys.executable


def test_without_a_supported_python_one_sentence_says_what_is_needed(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_python(run, monkeypatch, ["not-there"])

    with pytest.raises(run.Stop) as stop:
        run.find_python()

    assert str(stop.value) == (
        "This needs Python 3.13, 3.12 or 3.11 and none was found on this machine (this is 3.8.18):"
        " install one and run the same command again."
    )


def test_run_py_knows_the_pythons_that_pyproject_asks_for(run: ModuleType, pyproject: dict) -> None:
    assert pyproject["project"]["requires-python"] == f">=3.{min(run.MINORS)}"


def test_samples_are_kept_byte_for_byte(samples: Path) -> None:
    starts = {
        "tidsregistrering_2025-03.csv": b"\xef\xbb\xbf",
        "sager_2025_unicode.txt": b"\xff\xfe",
    }

    assert {name: (samples / name).read_bytes()[: len(start)] for name, start in starts.items()} == starts
    assert b"\r\n" in (samples / "sager_2025.csv").read_bytes()


SKIPPING = """
import pytest

@pytest.mark.real_data
def test_a(): pass

def test_b(real_data): pass

@pytest.mark.long
def test_c(): pass

@pytest.mark.shared
def test_d(shared): assert shared.is_dir()
"""


def closing_lines(project: Path, folder: Path, *arguments: str, **environment: str) -> list[str]:
    shutil.copy(project / "tests" / "conftest.py", folder)
    (folder / "test_it.py").write_text(SKIPPING)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MI_", "PYTEST_"))}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        *arguments,
        str(folder),
    ]
    done = subprocess.run(command, cwd=folder, env=kept | environment, capture_output=True, text=True)
    return done.stdout.splitlines()


def test_one_closing_line_counts_the_skips_by_reason(project: Path, tmp_path: Path) -> None:
    lines = closing_lines(project, tmp_path, MI_SHARED=str(tmp_path / "nowhere"))

    assert [line for line in lines if line.startswith("Skipped:")] == [
        "Skipped: 2 real data (MI_REAL_DATA is not set), 1 long (run with --long),"
        " 1 shared reference cases (MI_SHARED names no folder)."
    ]
    assert lines[-1].startswith("4 skipped")


def test_where_everything_is_required_a_lack_is_a_failure(project: Path, tmp_path: Path) -> None:
    lines = closing_lines(project, tmp_path, "--long", MI_SHARED=str(tmp_path), MI_REQUIRE_ALL="1")
    lack = "MI_REQUIRE_ALL is set, so nothing may be missing, but this is: real data (MI_REAL_DATA is not set)."

    assert lines.count(lack) == 2
    assert lines[-1].startswith("2 passed, 2 errors")
