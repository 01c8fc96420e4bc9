"""The long check: every page of every run file of the project, in both languages and for every reader."""

import shutil
from pathlib import Path

import pytest

from mi_analysis.cli import main

PARAMETERS = Path(__file__).parents[2] / "parameters"
RUN_FILES = sorted(
    file.relative_to(PARAMETERS).as_posix() for file in PARAMETERS.glob("*/*.yaml") if file.stem != "institution"
)
OTHERWISE = [("da", "public"), ("en", "unit_manager"), ("en", "internal")]
"""Language and audience that the example's month is also made in."""


def made(file: Path, out: Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["run", str(file), "--out", str(out)])
    return int(ended.value.code or 0)


@pytest.mark.long
@pytest.mark.parametrize("run_file", RUN_FILES)
def test_every_page_of_a_run_is_read_by_everyone_and_valid(run_file, real_data, tmp_path, faults):
    assert made(PARAMETERS / run_file, tmp_path) in (0, 4)
    assert faults(tmp_path) == []


@pytest.mark.long
@pytest.mark.parametrize(("language", "audience"), OTHERWISE)
def test_every_page_of_the_month_is_sound_in_each_language_and_for_each_reader(
    project, language, audience, tmp_path, faults
):
    for folder in ("notebooks", "parameters/example"):
        shutil.copytree(project / folder, tmp_path / folder)
    file = tmp_path / "parameters" / "example" / "monthly.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("language: da, audience: unit_manager", f"language: {language}, audience: {audience}"), "utf-8"
    )

    assert made(file, tmp_path / "out") in (0, 4)
    assert faults(tmp_path / "out") == []
