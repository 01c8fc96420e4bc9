"""Everything that is written after the release is made of what was released alone.

Two worlds are equal in all that is shown and differ in every figure that is hidden, in the guards and in the persons
behind them. What a run hands to its notebooks, and what `mi export` gives, is the same in both, byte for byte; so no
page, workbook, alternative text, notebook, index or comment can tell one from the other. What is shown itself is attacked
in `test_complementary.py`.
"""

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mi_analysis import disclosure
from mi_analysis.cli import main
from mi_analysis.model.audit import Gap, Restated
from mi_analysis.reporting import standard
from mi_analysis.workbench import exporting, prepare

AUDIENCES = ("public", "internal", "unit_manager")
CELL = ["unit", "activity", "period_start", "grain", "window"]


@dataclass(frozen=True)
class World:
    """A project with the model and releases of the small agency."""

    root: Path

    @property
    def model(self) -> Path:
        return self.root / "outputs" / "example" / "model"


def changed(world: World, audience: str) -> int:
    """Put other figures in every cell that is hidden from an audience, and in what stands behind it; how many."""
    values = pd.read_parquet(world.model / "measures" / "values.parquet")
    keys = pd.MultiIndex.from_frame(values[CELL].astype({"period_start": "datetime64[us]"}))
    states = disclosure.load(world.model / "released" / audience, audience).states
    states = states[states["state"] == "hidden"].astype({"period_start": "datetime64[us]"})
    random, count, units = np.random.default_rng(1), 0, set()
    for measure in values.columns.difference(CELL):
        hidden = np.asarray(keys.isin(pd.MultiIndex.from_frame(states.loc[states["measure"] == measure, CELL])))
        hidden &= values[measure].notna().to_numpy()
        values.loc[hidden, measure] = values.loc[hidden, measure] * random.uniform(2, 9, hidden.sum()) + 7
        units |= set(values.loc[hidden & (values["activity"] == "*") & (values["grain"] == "month"), "unit"])
        count += int(hidden.sum())
    values.to_parquet(world.model / "measures" / "values.parquet", index=False)
    for name in ("measures/guards", "staff", "absence", "persons"):
        rows = pd.read_parquet(world.model / f"{name}.parquet")
        for column in rows.select_dtypes("number"):
            rows.loc[rows["unit"].isin(units), column] *= 3
        rows.to_parquet(world.model / f"{name}.parquet", index=False)
    return count


@pytest.fixture(scope="module", params=AUDIENCES)
def worlds(request, small_agency, tmp_path_factory) -> tuple[str, World, World]:
    """An audience, the agency as it is, and another that is the same in all that the audience is shown."""
    true, other = (World(tmp_path_factory.mktemp(name) / "project") for name in ("true", "other"))
    shutil.copytree(small_agency.root, true.root)
    prepare("example", start=true.root, audience=request.param)
    shutil.copytree(true.root, other.root)
    assert changed(other, request.param) > 1_000
    return request.param, true, other


def everything(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_what_a_run_hands_to_its_notebooks_and_an_export_are_the_same_whatever_is_hidden(worlds, tmp_path):
    audience, *both = worlds
    found: list[dict[str, bytes]] = []
    for number, world in enumerate(both):
        prepared = prepare("example", start=world.root, audience=audience)
        place = tmp_path / str(number)
        for unit in ("", "2910", "2140"):
            prepared.slice(place / f"slice {unit}", unit, "", "2025-12")
        exporting.export(prepared, place / "export")
        (
            place / "export" / exporting.DATABASE
        ).unlink()  # the same tables once more, in pages of the engine's own order
        found.append({name: content for name, content in everything(place).items() if not name.endswith("register")})

    assert len(found[0]) > 30
    assert [name for name in found[0] if found[0][name] != found[1][name]] == []


@pytest.mark.long
def test_everything_a_run_writes_is_the_same_whatever_is_hidden(worlds, project, tmp_path):
    """Pages, workbooks, executed notebooks, index and comments of all units and of the institution."""
    audience, *both = worlds
    found = []
    for number, world in enumerate(both):
        root = tmp_path / str(number)
        shutil.copytree(world.root, root)
        shutil.copytree(project / "notebooks", root / "notebooks")
        shutil.copy(project / "pyproject.toml", root)
        run_file = root / "parameters" / "example" / "monthly.yaml"
        run_file.write_text(run_file.read_text("utf-8").replace("unit_manager", audience), "utf-8")
        with pytest.raises(SystemExit) as ended:
            main(["run", str(run_file)])
        assert ended.value.code in (0, 4)
        written = everything(root / "outputs" / "example" / "monthly")
        found.append(
            {name: content for name, content in written.items() if not name.endswith((".log", "run.json", ".lock"))}
        )

    assert sum(name.endswith(".ipynb") for name in found[0]) == 13
    assert found[0].keys() == found[1].keys()
    assert [name for name in found[0] if found[0][name] != found[1][name]] == []


def test_a_figure_that_moved_is_not_told_where_it_is_hidden(small_agency, tmp_path):
    """Of the office of four persons no absence; of its cases and of other offices what moved."""
    moves = [
        Restated("absence", "2910", "2025-11-01", 10.0, 17.4, "hours"),
        Restated("overtime", "2910", "2025-11-01", None, 3.0, "hours"),
        Restated("ledger", "2910", "2025-11-01", 10_000.0, 12_000.0, "money"),
        Restated("absence", "2350", "2024-12-01", 10.0, 17.4, "hours"),  # it is gone: no cell says that it is shown
        Restated("hours", "2110", "2025-11-01", 10.0, 17.4, "hours"),
    ]
    root = tmp_path / "project"
    shutil.copytree(small_agency.root, root)
    file = World(root).model / "audit.json"
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | {"restated": [asdict(move) for move in moves]}))

    told = prepare("example", start=root).audit.restated

    assert [(move.before, move.after, move.hidden) for move in told] == [
        (None, None, True), (None, None, True), (10_000.0, 12_000.0, False), (None, None, True), (10.0, 17.4, False),
    ]  # fmt: skip


def test_what_a_code_without_unit_carries_is_told_in_rows_alone_where_it_is_absence(small_agency):
    prepared = small_agency.prepared
    gaps = [Gap("time", "a.csv", table, "unit", "9999", "unknown", 2, 14.8, "hours") for table in ("absence", "hours")]
    item = replace(prepared.audit.received[0], gaps=tuple(gaps))
    desk = replace(prepared, audit=replace(prepared.audit, received=(item,))).whole("2025-12-01")

    told = desk.gaps("en")
    drawn = standard.numbers(told, {"code": ""}, ("rows", "value"), "Codes", desk.words("en"), key="gaps")

    assert told[["table", "rows", "value", "hidden"]].to_numpy().tolist()[1] == ["hours", 2, 14.8, False]
    assert told.loc[0, ["table", "rows", "hidden"]].tolist() == ["absence", 2, True]
    assert pd.isna(told.loc[0, "value"])
    assert drawn.states == ({"row": 0, "column": "value", "state": "hidden"},)
