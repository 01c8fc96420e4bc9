"""`mi ask`: one hypothesis check, in words, registered."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from mi_analysis.cli.shared import aligned, audience_option, cli, deliveries_option, out_option, say, section

if TYPE_CHECKING:
    from mi_analysis.analysis.answers import Answer
    from mi_analysis.workbench import Desk

IN_LINES = ("number", "label", "p", "p_adjusted", "says")


@cli.command(epilog="\b\nExample:  mi ask example kept_closed_pct overtime_per_fte --margin 1")
@click.argument("institution")
@click.argument("outcome", default="")
@click.argument("exposure", default="")
@click.option("--activity", default="*", metavar="CODE", help="An activity; each: one fit over all of them.")
@click.option("--unit", "units", multiple=True, metavar="CODE", help="Only these units.")
@click.option("--level", default="", help="Units of this level instead of the lowest.")
@click.option("--since", default="", metavar="MONTH", help="First month, such as 2024-01.")
@click.option("--until", default="", metavar="MONTH", help="Last month; the newest one with figures.")
@click.option("--lag", type=int, default=0, help="Months by which EXPOSURE comes first.")
@click.option("--margin", type=float, help="Smallest relevant difference, set beforehand.")
@click.option("--planned", default="", metavar="FAMILY", help="The question was planned, in this family.")
@click.option("--question", default="", help="The question in your own words, for the register.")
@click.option("--who", default="", help="Who asks; the account's name.")
@audience_option
@click.option("--language", help="Of the answer; the institution's own.")
@deliveries_option
@out_option
def ask(
    institution: str, outcome: str, exposure: str, until: str, audience: str, language: str | None, deliveries: Path | None,
    out: Path | None, **about: Any,
) -> None:  # fmt: skip
    """Ask whether OUTCOME goes together with EXPOSURE.

    Month by month within the units of INSTITUTION. OUTCOME and EXPOSURE are names of measures
    (docs/measures.md); goal:1.1 is a goal's degree of fulfilment. The question is written in
    kept/hypotheses.jsonl before it is answered, and every question asked counts in the answer.
    Without OUTCOME and EXPOSURE: all questions asked so far, as lines and as a page.
    """
    from mi_analysis.parameters import Language, Problem, WrongUse, nearest
    from mi_analysis.workbench.door import desk_on, month_asked
    from mi_analysis.workbench.preparation import prepare

    if outcome and not exposure:
        raise click.UsageError("Missing argument 'EXPOSURE'.")
    if language and language not in (known := get_args(Language)):
        raise WrongUse(Problem("--language", f'there are no words in "{language}".', nearest(language, known)))
    prepared = prepare(institution, start=Path.cwd(), deliveries=deliveries, audience=audience, out=out)  # type: ignore[arg-type]
    desk = desk_on(prepared, prepared.root, month_asked(prepared, until))
    language = language or desk.institution.language
    if outcome:
        say(answer_lines(desk, desk.ask(outcome, exposure, **about), language))
    else:
        say(register_lines(desk, language))


def answer_lines(desk: "Desk", answer: "Answer", language: str) -> Iterator[str]:
    """The sentence with its reservations, the numbers behind it, and what it does not show."""
    from mi_analysis.reporting import verdicts

    words = desk.words(language)
    yield from verdicts.answered(answer, words, desk.unit_label)
    rows = verdicts.behind(answer, words)
    width = rows["label"].str.len().max()
    lines = [f"  {row.label:<{width}}  {row.value}" for row in rows.itertuples()]
    yield from section(words.text("answer.numbers"), lines)
    yield from section(words.text("answer.not_shown"), [f"  {line}" for line in verdicts.not_shown(answer, words)])
    yield f"\n{words.text('answer.registered')} ({desk.kept})"


def register_lines(desk: "Desk", language: str) -> Iterator[str]:
    """The exploratory questions as lines, and where the page of all questions was written."""
    from mi_analysis import register
    from mi_analysis.batch.record import write_whole
    from mi_analysis.reporting import uncertain

    words, asked = desk.words(language), desk.questions_asked(language)
    if shown := uncertain.register(asked, words):
        places = [[column["name"] for column in shown.columns].index(name) for name in IN_LINES]
        yield from aligned([tuple(str(row[place]) for place in places) for row in shown.rows])
    if desk.kept is not None:
        damaged = len(register.read(desk.kept).damaged)
        place = desk.kept.with_suffix(".html")
        write_whole(place, uncertain.register_page(asked, words, desk.institution.name.said(language), damaged))
        yield f"{asked.about} ({place})"
