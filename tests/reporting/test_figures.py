import base64
import io
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from mi_analysis.reporting import plots
from mi_analysis.reporting.figures import control_figure, figure, image
from mi_analysis.reporting.presentation import Figure
from mi_analysis.reporting.tables import Column, measure_column
from mi_analysis.reporting.wording import Words

DA = Words("da")
MONTH = Column("month", kind="month")
SICK = measure_column("sick_days_per_fte", DA)


def months(n: int) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=n, freq="MS")
    return pd.DataFrame({"month": days, "sick_days_per_fte": np.r_[8.94, np.linspace(3, 5, n)][:n], "signal": "none"})


def control(data: pd.DataFrame, **settings: object) -> Figure:
    axes = plots.control(data, "month", "sick_days_per_fte", DA)
    columns = [MONTH, SICK, Column("signal", kind="signal")]
    return figure(axes, "Sygefravær", "Sygedage pr. måned.", data, columns, DA, kind="control", **settings)  # type: ignore[arg-type]


def drawn(shown: Figure) -> str:
    kind, data = re.findall(r"data:image/([a-z+]+);base64,([^\"]+)", shown.html)[0]
    return base64.b64decode(data).decode() if kind == "svg+xml" else kind


def test_the_alternative_text_tells_highest_lowest_latest_and_signal_of_the_data() -> None:
    data = months(4)
    data.loc[0, "signal"] = "beyond_limit_up"

    assert control(data).alternative == (
        "Sygedage pr. måned. Kontroldiagram med 4 punkter. Sygedage pr. årsværk er højest 8,9 dage pr. årsværk (jan. 2024)"
        " og lavest 3,0 dage pr. årsværk (feb. 2024). Senest: 4,3 dage pr. årsværk (apr. 2024)."
        " Signal: jan. 2024 (over det forventede)."
    )


def test_a_hidden_point_is_not_told_and_is_counted() -> None:
    shown = control(months(4), states={(0, "sick_days_per_fte"): "hidden"})

    assert "8,9" not in shown.alternative + shown.html.split("<details>")[1]
    assert shown.alternative.endswith("1 tal er ikke vist (ikke leveret, skjult eller ikke relevante).")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (months(1), "Der er kun ét tal: 8,9 dage pr. årsværk (jan. 2024)."),
        (months(0), "Der er ingen tal at vise."),
        (months(3).assign(sick_days_per_fte=np.nan), "Der er ingen tal at vise."),
    ],
)
def test_a_figure_of_one_point_or_none_stays_whole(data: pd.DataFrame, said: str) -> None:
    shown = control(data)

    assert said in shown.alternative
    assert ("Ingen tal i perioden" in drawn(shown)) == ("ingen" in said)


def test_a_figure_has_caption_image_and_the_numbers_in_a_table() -> None:
    html = control(months(4)).html

    assert re.match(
        r'<figure><figcaption>Sygefravær</figcaption><img alt="Sygedage pr\. måned\. [^"]+" width="451"', html
    )
    assert '<summary>Vis tallene bag figuren<span class="hint">: Sygefravær</span></summary>' in html
    assert html.count('<th scope="row">') == 4


def test_five_thousand_points_are_an_image_of_moderate_size() -> None:
    data = pd.DataFrame({"closed": np.arange(5000.0), "received": np.arange(5000.0) % 71})
    shown = figure(
        plots.points(data, "closed", "received", DA), "T", "Punkter.", data, ["closed", "received"], DA, kind="points"
    )

    assert len(shown.html) < 200_000
    assert len(shown.rows) == 5000
    assert "De første 500 af 5.000 rækker; alle står i arbejdsbogen." in shown.html


def test_the_same_data_gives_the_same_bytes() -> None:
    assert control(months(24)).html == control(months(24)).html


def test_formulas_and_foreign_letters_in_names_are_only_text() -> None:
    data = months(3).rename(columns={"sick_days_per_fte": "$x^2$ <b> 漢"})
    name = data.columns[1]
    shown = figure(
        plots.series(data, "month", name, DA, unit=name), name, name, data, [MONTH, Column(name, kind="number")], DA
    )

    assert "$x^2$ &lt;b&gt; 漢" in drawn(shown)
    assert "<b>" not in shown.html


@pytest.mark.parametrize("lacking", ["title", "alternative", "columns"])
def test_a_figure_without_title_words_or_numbers_is_refused(lacking: str) -> None:
    given = {"title": "Titel", "alternative": "Tekst.", "columns": [MONTH]} | {
        lacking: "" if lacking != "columns" else []
    }

    with pytest.raises(ValueError, match=r" needs a title, an alternative text and the columns of its numbers\.$"):
        figure(plots.new_axes(), data=months(2), words=DA, **given)  # type: ignore[arg-type]


def test_a_large_drawing_is_shown_as_pixels_of_144_an_inch() -> None:
    axes = plots.new_axes(plots.HALF)
    for number in range(300):
        axes.plot(np.sin(np.arange(60) * number))

    data = Image.open(io.BytesIO(base64.b64decode(image(axes.figure).removeprefix("data:image/png;base64,"))))

    assert data.size == tuple(int(144 * inches) for inches in plots.HALF)


def test_a_control_chart_says_its_newest_month_and_signal_and_draws_what_was_counted_and_the_target() -> None:
    days = pd.date_range("2025-01-01", periods=3, freq="MS")
    data = pd.DataFrame({"period_start": days, "closed": [50.0, 52.0, 71.4], "counted": [50.0, 52.0, 68.0],
                         "centre": 51.0, "lower": 40.0, "upper": 62.0, "signal": ["none", "none", "beyond_limit_up"]})  # fmt: skip

    shown = control_figure(data, "closed", DA, "Øst", target=60.0)

    assert "</span> Marts 2025: 68 sager – over det forventede</p>" in shown.html
    assert '<p class="says"><span class="mark good" aria-hidden="true">●' in shown.html
    assert ">68</text>" in drawn(shown)
    assert "omregnet til lige mange arbejdsdage" in shown.html
    assert [column["name"] for column in shown.columns] == [
        "period_start", "closed", "counted", "centre", "lower", "upper", "target", "signal",
    ]  # fmt: skip
    assert shown.rows[-1][6] == 60.0


def test_an_image_is_made_smaller_and_the_numbers_in_its_texts_stay() -> None:
    data = months(3).assign(sick_days_per_fte=[100_000.125, 150_000.0, 200_000.0])

    svg = drawn(control(data))

    assert "100.000" in re.findall(r">([^<]+)</text>", svg)
    assert not re.search(r"<[^>]*\d\.\d{3}|<g>|<g/>|<g id=|font-family: ", svg)
    assert svg.count("<g") == svg.count("</g>")


def test_an_image_has_one_path_for_all_that_looks_alike_and_every_point_of_the_data_in_it() -> None:
    svg = drawn(control(months(24)))
    paths = re.findall(r'<path d="([^"]*)"( [^>]*)/>', svg)

    assert "<use" not in svg
    assert [path.count(" a ") for path, look in paths if "fill: #12436d" in look] == [2 * 24]  # a circle is two arcs
    assert sorted({look for _, look in paths if "stroke: #dde3e9" in look}) == [
        look for _, look in paths if "stroke: #dde3e9" in look
    ]


def test_points_that_are_seen_through_stay_single() -> None:
    data = months(5)
    shown = plots.points(data.assign(other=range(5)), "other", "sick_days_per_fte", DA)

    svg = drawn(figure(shown, "Punkter", "Punkter.", data, [MONTH, SICK], DA, kind="points"))

    assert len(re.findall(r"<path [^>]*fill-opacity: 0\.75[^>]*/>", svg)) == 5
