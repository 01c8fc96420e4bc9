"""Every run file of the real institutions: whole where the data is there, and one sentence where it is not."""

import re
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest

from mi_analysis.cli import main
from mi_analysis.parameters import load_institution


@pytest.mark.parametrize("name", ["boston", "boston_departments", "boston_police", "nhs", "nhs_trusts", "permits"])
def test_without_its_data_one_sentence_says_what_to_fetch_from_where_and_which_variable_names_the_folder(
    project, monkeypatch, capsys, name
) -> None:
    monkeypatch.delenv("MI_REAL_DATA", raising=False)
    monkeypatch.delenv("MI_DELIVERIES", raising=False)
    institution = load_institution(project / "parameters" / name)
    (run_file,) = (file for file in (project / "parameters" / name).glob("*.yaml") if file.name != "institution.yaml")

    with pytest.raises(SystemExit) as ended:
        main(["run", str(run_file)])

    says, line = institution.deliveries, institution.line("deliveries")
    assert ended.value.code == 2
    assert capsys.readouterr().err.strip() == (
        f"parameters/{name}/institution.yaml line {line}: the deliveries are not here. {says.fetch} "
        f"Set MI_REAL_DATA to the folder that has {says.folder} in it."
    )
    words = [word.strip("().,") for word in says.fetch.replace("<year>", "2022").split()]
    wanted = {PurePosixPath(pattern).name for source in institution.sources.values() for pattern in source.files}
    assert [one for one in sorted(wanted) if not any(fnmatch(word, one) for word in words)] == []
    assert re.search(r"\b(from|Ask|4TU|GitHub)\b", says.fetch)
    assert not says.folder.startswith(("/", "..", "~"))
