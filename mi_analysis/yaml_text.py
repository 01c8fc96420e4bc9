"""What a person writes in YAML: read as text with line numbers, cast by declared type, problems told in its words."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from itertools import accumulate
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PrivateAttr, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

At = tuple[str | int, ...]
"""Place in a file: names and positions from the top."""
MOST_VALUES = 2_000_000  # in one file; aliases of aliases could make endlessly many
MOST_DEEP = 40  # levels; the reader calls itself for each, and the process would end
LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
DEEPER = {yaml.SequenceStartEvent: 1, yaml.MappingStartEvent: 1, yaml.SequenceEndEvent: -1, yaml.MappingEndEvent: -1}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, for a person: where, what, and what would be right."""

    where: str
    what: str
    right: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" {self.right}" if self.right else "")


class WrongUse(Exception):
    """Input that stops a command before anything starts (exit status 2); holds every problem."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))

    def _render_traceback_(self) -> list[str]:  # a notebook shows the problems, not how the program came upon them
        return str(self).splitlines()


def nearest(word: str, known: Iterable[str], all_up_to: int = 12) -> str:
    """'Nearest: kontor.', or the known words when none is near and they are few."""
    folded = {name.casefold(): name for name in known}
    if near := get_close_matches(word.casefold(), folded, n=1, cutoff=0.6):
        return f"Nearest: {folded[near[0]]}."
    return f"Known: {', '.join(folded.values())}." if 0 < len(folded) <= all_up_to else ""


# --- types that say what would be right ----------------------------------------------------------------------------


def decimal_text(text: str) -> str | None:
    """The number that a text with decimal comma or thousands marks most likely means, as it should be written."""
    plain = re.sub(r"(?<=\d)[. \u00a0](?=\d{3}(\D|$))", "", text.strip()).replace(",", ".")
    return plain if re.fullmatch(r"-?\d+(\.\d+)?", plain) else None


def as_number(value: object) -> object:
    """Refuse texts that are no number, or that are two: ``0,10`` and ``100.000``."""
    if not isinstance(value, str):
        return value
    number, thousands = r"[+-]?(\d+|\d*\.\d+)(e-?\d+)?", r"-?[1-9]\d{0,2}(\.\d{3})+"
    if re.fullmatch(number, value) and not re.fullmatch(thousands, value):
        return value
    meant = decimal_text(value)
    raise PydanticCustomError("told", "is not a number.", {"right": f"Write {meant}." if meant else ""})


def as_date(value: str) -> str:
    """Refuse a date that is not written year first; blank stays blank."""
    try:
        return value and date.fromisoformat(value).isoformat()
    except ValueError:
        parts = re.fullmatch(r"(\d{1,2})[-./](\d{1,2})[-./](\d{4})", value)
        right = f"Write {parts[3]}-{int(parts[2]):02}-{int(parts[1]):02}." if parts else "Write it as 2025-03-31."
        raise PydanticCustomError("told", "is not a date.", {"right": right}) from None


def as_pattern(value: str) -> str:
    """Refuse a pattern that cannot be read, or does not have exactly one group."""
    try:
        if re.compile(value).groups == 1:
            return value
    except re.error:
        pass
    right = r"Put the part to take in parentheses, once: report_(\d{6})\.csv."
    raise PydanticCustomError("told", "is not a pattern with one group.", {"right": right})


def as_period(value: str) -> str:
    """Refuse a period that is not 2025-03, 2025-Q1 or 2025."""
    if re.fullmatch(r"\d{4}(-(0[1-9]|1[0-2])|-Q[1-4])?", value):
        return value
    raise PydanticCustomError("told", "is not a period.", {"right": "Write 2025-03, 2025-Q1 or 2025."})


Number = Annotated[float, BeforeValidator(as_number)]
Date = Annotated[str, AfterValidator(as_date)]
Pattern = Annotated[str, AfterValidator(as_pattern)]
Period = Annotated[str, AfterValidator(as_period)]


class Record(BaseModel):
    """Frozen, strict on names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class FileRecord(Record):
    """A record that was read from a file and knows on which line each value stands."""

    _file: str = PrivateAttr(default="")
    _lines: dict[At, int] = PrivateAttr(default_factory=dict)

    def where(self, *at: str | int) -> str:
        """'parameters/x/monthly.yaml line 12' for the value at this place, or the nearest one above it."""
        return _where(self._file, self._lines, at)

    def line(self, *at: str | int) -> int:
        """Line of the value at this place, or of the nearest one above it; 0 when not read from a file."""
        return line_of(self._lines, at)


T = TypeVar("T", bound=FileRecord)

Arrange = Callable[[dict[str, Any], dict[At, int]], None]
"""Moves texts of a tree, and their lines, to where they are meant before they are checked."""


def load(path: Path, kind: type[T], arrange: Arrange | None = None) -> T:
    """Read a YAML file into a record.

    Raises
    ------
    WrongUse
        With every problem, in the order of the file.
    """
    tree, lines, problems = read(path)
    if arrange:
        arrange(tree, lines)
    shown = shown_path(path)
    try:
        record = kind.model_validate(_shaped(tree, kind))
    except ValidationError as errors:
        problems += _told(errors.errors(), tree, lines, kind)
    if problems:
        problems.sort(key=lambda problem: line_of(lines, problem[0]))
        raise WrongUse(*(Problem(_where(shown, lines, at), what, right) for at, what, right in problems))
    record._file, record._lines = shown, lines
    return record


# --- text with line numbers ----------------------------------------------------------------------------------------

Found = tuple[At, str, str]
"""Place, what is wrong, what would be right."""


def shown_path(path: Path) -> str:
    """The path from ``parameters/`` on, so that a message reads the same on every machine."""
    parts = path.absolute().parts
    return "/".join(parts[len(parts) - 1 - parts[::-1].index("parameters") :]) if "parameters" in parts else path.name


def line_of(lines: Mapping[At, int], at: At) -> int:
    """Line of a place, or of the nearest one above it."""
    while at and at not in lines:
        at = at[:-1]
    return lines.get(at, 0) if at else 0


def _where(file: str, lines: Mapping[At, int], at: At) -> str:
    line = line_of(lines, at)
    return f"{file} line {line}" if line else file


def read(path: Path) -> tuple[dict[str, Any], dict[At, int], list[Found]]:
    """Texts, lists and mappings of a YAML file, the line of each place, and repeated names and tags.

    Raises
    ------
    WrongUse
        The file is not there, cannot be opened, is not text, not YAML, or holds no names.
    """
    shown = shown_path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        beside = [file.name for file in path.parent.glob("*.yaml") if not file.name.startswith(".")]
        elsewhere = [file.as_posix() for file in path.parent.glob(f"parameters/*/{path.name}")]
        right = f"Perhaps: {', '.join(sorted(elsewhere))}." if elsewhere else nearest(path.name, beside)
        raise WrongUse(Problem(shown, "is not there.", right)) from None
    except OSError as error:
        raise WrongUse(Problem(shown, "cannot be opened.", f"The system says: {error.strerror}.")) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise WrongUse(Problem(f"{shown} line {line}", "is not UTF-8 text.", "Save the file as UTF-8.")) from None
    lines: dict[At, int] = {}
    found: list[Found] = []
    try:
        depth = accumulate(DEEPER.get(type(event), 0) for event in yaml.parse(text, Loader=LOADER))
        if any(level > MOST_DEEP for level in depth):
            raise WrongUse(Problem(shown, f"is nested more than {MOST_DEEP} levels deep.", "Write it flatter."))
        node = yaml.compose(text, Loader=LOADER)
        tree = {} if node is None else _plain(node, (), lines, found, ())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        tabs = [number for number, line in enumerate(text.splitlines(), 1) if re.match(r" *\t", line)]
        line = tabs[0] if tabs else mark.line + 1 if mark else 1
        right = 'Check the indentation, and put quotes round texts with ": " or " #" in them.'
        right = "Use spaces, not tabs." if tabs else right
        raise WrongUse(Problem(f"{shown} line {line}", "cannot be read as YAML.", right)) from None
    if not isinstance(tree, dict) or not tree:
        what = "holds no names with values." if tree else "is empty."
        raise WrongUse(Problem(shown, what, "Begin with a name and a colon."))
    return tree, lines, found


def _plain(node: yaml.Node, at: At, lines: dict[At, int], found: list[Found], above: tuple[yaml.Node, ...]) -> Any:
    """A YAML node as text, list or mapping; notes lines, tags and repeated names."""
    lines.setdefault(at, node.start_mark.line + 1)
    if node in above or len(lines) > MOST_VALUES:
        found.append((at, "holds itself.", "Write the values out."))
        return ""
    above = (*above, node)
    if node.tag.rpartition(":")[2] not in ("str", "seq", "map"):
        found.append((at, f'the tag "{node.tag.replace("tag:yaml.org,2002:", "!!")}" cannot be used.', "Leave it out."))
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*at, number), lines, found, above) for number, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    values: dict[str, Any] = {}
    for key, child in node.value:
        place = (*at, str(key.value))
        here = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            found.append(
                (at, f"a list or a mapping stands where a name belongs, on line {here}.", "Write a name there.")
            )
            continue
        if key.value in values:
            found.append((place, f'"{key.value}" stands twice, on lines {lines[place]} and {here}.', "Keep one."))
            continue
        lines[place] = here
        values[str(key.value)] = _plain(child, place, lines, found, above)
    return values


# --- from text to what a type takes --------------------------------------------------------------------------------


def _shaped(value: Any, kind: Any) -> Any:
    """Give a value the outer shape its type asks for; what the text means is left to pydantic."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _shaped(value, args[0])
    if origin in (Union, UnionType):
        return _shaped(value, _alternative(value, args))
    if origin is Literal:
        return {str(member): member for member in args}.get(value, value) if isinstance(value, str) else value
    if origin is list:
        items = [value] if isinstance(value, str) and value else value or []
        return [_shaped(item, args[0]) for item in items] if isinstance(items, list) else items
    if origin is dict:
        return {key: _shaped(item, args[1]) for key, item in value.items()} if isinstance(value, dict) else value or {}
    if kind is NoneType:
        return None
    if isinstance(kind, type) and issubclass(kind, Record):
        if isinstance(value, str) and all(field.annotation is str for field in kind.model_fields.values()):
            return dict.fromkeys(kind.model_fields, value)
        if isinstance(value, dict):
            return {
                key: _shaped(item, kind.model_fields[key].annotation) if key in kind.model_fields else item
                for key, item in value.items()
                if not _left_blank(kind, key, item)
            }
    return value


def _left_blank(kind: type[Record], name: str, value: Any) -> bool:
    field = kind.model_fields.get(name)
    return value == "" and field is not None and (field.is_required() or field.annotation is not str)


def _alternative(value: Any, kinds: tuple[Any, ...]) -> Any:
    """The one of several types that a written value is meant for."""
    kinds = tuple(get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in kinds)
    if value == "" and NoneType in kinds:
        return NoneType
    fits: tuple[Any, ...] = (Literal, int, str, list) if isinstance(value, str) else (type(value), Record)
    for wanted in fits:
        for kind in kinds:
            if wanted is Literal and get_origin(kind) is Literal and value in map(str, get_args(kind)):
                return kind
            if wanted is int and kind is int and not re.fullmatch(r"-?\d+", value):
                continue
            if wanted is not Literal and (kind is wanted or get_origin(kind) is wanted):
                return kind
            if wanted is Record and isinstance(kind, type) and issubclass(kind, Record):
                return kind
    return next(kind for kind in kinds if kind is not NoneType)


def _told(errors: list[ErrorDetails], tree: Any, lines: Mapping[At, int], kind: type[Record]) -> Iterator[Found]:
    """One problem for each place of pydantic's errors, with what would be right."""
    by_place: dict[At, list[ErrorDetails]] = {}
    for error in errors:
        by_place.setdefault(_place(error["loc"], tree, error["type"] == "missing"), []).append(error)
    for at, same in by_place.items():
        if any(deeper[: len(at)] == at for deeper in by_place if deeper != at):
            continue  # an alternative that was not meant
        order = ("told", "literal_error")
        error = min(same, key=lambda error: order.index(error["type"]) if error["type"] in order else len(order))
        what, right = _sentence(
            error, _value(tree, at), _fields(kind, at[:-1] if error["type"] == "extra_forbidden" else at)
        )
        name = next((str(part) for part in reversed(at) if isinstance(part, str)), "")
        yield at, what.replace("{name}", name), right


def _place(loc: At, tree: Any, missing: bool) -> At:
    """The place in the file: pydantic's location without the names of alternatives; a missing name is kept."""
    at: At = ()
    for part in loc:
        if (isinstance(tree, dict) and part in tree) or (isinstance(tree, list) and part in range(len(tree))):
            tree, at = tree[part], (*at, part)  # type: ignore[index]
    return (*at, loc[-1]) if missing else at


def _value(tree: Any, at: At) -> Any:
    for part in at:
        tree = tree.get(part, "") if isinstance(tree, dict) else tree[part] if isinstance(tree, list) else ""  # type: ignore[index]
    return tree


def _fields(kind: Any, at: At) -> list[str]:
    """Names that a record knows at a place."""
    kinds = [kind]
    for part in at:
        below = [
            kind.model_fields[str(part)].annotation if _is_record(kind) and part in kind.model_fields else kind
            for kind in kinds
        ]
        kinds = [record for kind in below for record in _records_in(kind)]
    return [name for kind in kinds if _is_record(kind) for name in kind.model_fields]


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Record)


def _records_in(kind: Any) -> list[Any]:
    return [kind] if _is_record(kind) else [record for arg in get_args(kind) for record in _records_in(arg)]


def _sentence(error: ErrorDetails, value: Any, fields: list[str]) -> tuple[str, str]:
    """What is wrong and what would be right; ``{name}`` stands for the name in the file."""
    context = error.get("ctx", {})
    shown = f'"{value}"' if isinstance(value, str) else "this"
    match error["type"]:
        case "told":
            return f"{{name}}: {shown} {error['msg']}", context["right"]
        case "extra_forbidden":
            return 'the name "{name}" is not known here.', nearest(str(error["loc"][-1]), fields, all_up_to=30)
        case "missing":
            return "{name} is missing.", ""
        case "literal_error":
            known = re.findall(r"'([^']*)'|(\d+)", context["expected"])
            return f"{{name}}: {shown} is not known.", nearest(
                shown.strip('"'), [text or number for text, number in known]
            )
        case "int_parsing" | "int_from_float":
            return f"{{name}}: {shown} is not a whole number.", ""
        case "bool_parsing":
            return f"{{name}}: {shown} is neither yes nor no.", "Write yes or no."
        case "greater_than_equal" | "greater_than" | "less_than_equal" | "less_than" as kind:
            bound = context[{"g": "gt", "l": "lt"}[kind[0]].replace("t", "e" if kind.endswith("equal") else "t")]
            limit = {"greater_than_equal": "at least", "greater_than": "more than", "less_than_equal": "at most"}.get(
                kind, "less than"
            )
            return f"{{name}}: {shown} is out of bounds.", f"Write {limit} {bound:g}."
        case "too_short":
            return "{name} is empty.", ""
        case "string_type":
            return "{name} takes one text.", ""
        case "list_type":
            return "{name} takes a list.", ""
        case "model_type" | "dict_type" | "model_attributes_type":
            names = f"Names: {', '.join(fields)}." if fields else ""
            return f"{{name}} takes names with values; {shown} stands there.", names
        case _:
            return f"{{name}}: {shown} cannot be used.", error["msg"] + "."
