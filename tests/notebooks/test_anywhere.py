"""Plain papermill gives the same numbers from wherever it is started."""

import shutil

import papermill
import pytest


@pytest.fixture(scope="module")
def root(small_agency, project, tmp_path_factory):
    root = tmp_path_factory.mktemp("anywhere") / "project"
    shutil.copytree(small_agency.root, root)
    shutil.copytree(project / "notebooks", root / "notebooks")
    return root


def outputs(notebook):
    return [
        {name: value for name, value in output.items() if name != "execution_count"}
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]


@pytest.mark.thorough
def test_from_the_root_from_the_notebooks_and_from_an_empty_folder_the_numbers_are_the_same(root, tmp_path):
    book, name = root / "notebooks" / "00_start_here.ipynb", str(root / "parameters" / "example")

    found = [
        outputs(
            papermill.execute_notebook(
                book, None, {"source": source, "unit": 2110}, cwd=place, progress_bar=False, execution_timeout=300
            )
        )
        for place, source in ((root, "example"), (root / "notebooks", "example"), (tmp_path, name))
    ]

    assert found[0] == found[1] == found[2]
    assert "2110 · Tilsyn Øst" in found[0][0]["data"]["text/html"]
