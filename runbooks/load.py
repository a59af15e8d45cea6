"""Runbooks from YAML files to checked values. Everything that can be wrong is found here, not in the night."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from .all_actions import ACTIONS, action_named
from .book import PHASES, UNDO, Runbook, Step
from .condition import check
from .errors import BookError, nearest
from .parameters import convert
from .template import TemplateError, holes
from .yaml_source import Place, Source, parse, read

SHIPPED = Path(__file__).parent / "books"
RUN_VALUES = ("run.key", "run.book")
STEP_VALUES = ("output", "status")
EACH_VALUES = ("each.value", "each.index")


def load_books(dirs: Iterable[str | Path] = ()) -> dict[str, Runbook]:
    """The books that come with Nightshift and those of `dirs` (*.yaml, *.yml), by name.

    A book in `dirs` takes the place of a shipped one of the same name. Raises BookError with every problem of
    every file; two books of one name in `dirs` are a problem.
    """
    books = {book.name: book for _, book in _books_in(SHIPPED)}
    problems: list[str] = []
    seen: dict[str, Path] = {}
    for folder in dirs:
        for path in _files(Path(folder), problems):
            try:
                book = _unchanged(path)
            except BookError as error:
                problems += error.problems
                continue
            if book.name in seen:
                problems.append(f"{path}:1: the name '{book.name}' is taken by {seen[book.name]}")
            seen[book.name] = path
            books[book.name] = book
    problems += circles(books)
    if problems:
        raise BookError(problems)
    return books


def load_book(path: str | Path) -> Runbook:
    """One book from a file. Raises BookError with `file:line: message, nearest valid name` lines."""
    return checked(read(Path(path)))


def circles(books: Mapping[str, Runbook]) -> list[str]:
    """Books that run each other for ever, one line for each circle."""
    found = []
    for name in sorted(books):
        path = _circle(books, [name])
        if path and name == min(path):
            found.append(f"{name}:1: runbooks run each other in a circle: {' → '.join((*path, name))}")
    return found


def _circle(books: Mapping[str, Runbook], path: list[str]) -> list[str]:
    """The path from its first book back to it, [] when there is none."""
    for called in _called(books[path[-1]]):
        if called == path[0]:
            return path
        if called in books and called not in path:
            longer = _circle(books, [*path, called])
            if longer:
                return longer
    return []


def _called(book: Runbook) -> list[str]:
    return sorted({str(s.arguments.get("book", "")) for _, s in book.all_steps() if s.action == "runbook"})


def parse_book(text: str, name: str = "runbook.yaml") -> Runbook:
    """One book from text; `name` stands for the file in messages. Raises BookError."""
    return checked(parse(text.encode("utf-8", "surrogatepass"), name))


def lint(path: str | Path) -> list[str]:
    """What is wrong with a file, or with a folder of them; empty when nothing is."""
    try:
        load_books([path]) if Path(path).is_dir() else load_book(path)
    except BookError as error:
        return list(error.problems)
    return []


def _books_in(folder: Path) -> Iterator[tuple[Path, Runbook]]:
    for path in _files(folder, []):
        yield path, _unchanged(path)


def _unchanged(path: Path) -> Runbook:
    """The book in a file, read again only when the file is another one: incidents ask for books one after another."""
    found = path.stat()
    return _read_once(path, found.st_mtime_ns, found.st_size, found.st_ino)


@lru_cache(maxsize=512)
def _read_once(path: Path, _changed: int, _size: int, _inode: int) -> Runbook:
    return load_book(path)


def _files(folder: Path, problems: list[str]) -> list[Path]:
    if not folder.is_dir():
        problems.append(f"{folder}:1: there is no such folder")
        return []
    return sorted(p for p in folder.iterdir() if p.suffix in (".yaml", ".yml") and p.is_file())


def checked(source: Source) -> Runbook:
    """The book in a source, if nothing is wrong with it; raises BookError."""
    if not isinstance(source.data, dict):
        raise BookError([f"{source.name}:1: a runbook is a mapping of keys to values"])
    try:
        book = Runbook.model_validate(source.data)
    except ValidationError as error:
        raise BookError(_problems(source, error, Runbook)) from None
    problems = [*_defaults(source, book), *_targets(source, book), *_steps(source, book)]
    if problems:
        raise BookError(problems)
    return book


def _defaults(source: Source, book: Runbook) -> Iterator[str]:
    for name, parameter in book.parameters.items():
        try:
            if parameter.default is not None:
                convert(parameter, parameter.default)
        except ValueError as error:
            yield f"{source.at(('parameters', name, 'default'))}: the default of '{name}' {error}"


def _targets(source: Source, book: Runbook) -> Iterator[str]:
    for at, name in enumerate(book.cool_down_per):
        if name not in book.parameters:
            place = source.at(("cool_down_per", at))
            yield f"{place}: there is no parameter '{name}'{nearest(name, book.parameters)}"


def _steps(source: Source, book: Runbook) -> Iterator[str]:
    known = {*RUN_VALUES, *(f"params.{name}" for name in book.parameters)}
    names: set[str] = set()
    counts = dict.fromkeys(PHASES, 0)
    for phase, step in book.all_steps():
        place: Place = (phase, counts[phase])
        counts[phase] += 1
        if step.name in names:
            yield f"{source.at((*place, 'name'))}: the step name '{step.name}' is taken"
        names.add(step.name)
        yield from _lookups(source, (*place, "foreach"), step.foreach, known)
        here = known | set(EACH_VALUES if step.foreach is not None else ())
        yield from _condition(source, (*place, "when"), step, here)
        yield from _undo(source, place, step, book) if step.action == UNDO else _action(source, place, step, here)
        known |= {f"steps.{step.name}.{value}" for value in (*STEP_VALUES, *_gives(step))}


def _gives(step: Step) -> tuple[str, ...]:
    return action_named(step.action).gives if step.action in ACTIONS and step.foreach is None else ()


def _condition(source: Source, place: Place, step: Step, known: set[str]) -> Iterator[str]:
    bad = list(_lookups(source, place, step.when, known))
    yield from bad
    try:
        check(step.when)
    except TemplateError as error:
        if not bad:
            yield f"{source.at(place)}: {error}"


def _undo(source: Source, place: Place, step: Step, book: Runbook) -> Iterator[str]:
    """`action: undo, with: {step: NAME}`: in the rollback only, and of a step whose action has an undo."""
    steps = {s.name: s.action for s in book.steps}
    name = str(step.arguments.get("step", ""))
    if place[0] != "rollback":
        yield f"{source.at((*place, 'action'))}: `undo` belongs into `rollback`"
    elif set(step.arguments) != {"step"} or name not in steps:
        near = nearest(name, steps)
        yield f"{source.at((*place, 'with'))}: `undo` takes `with: {{step: NAME}}` of one of the steps{near}"
    elif steps[name] in ACTIONS and not action_named(steps[name]).can_undo:
        yield f"{source.at((*place, 'with'))}: {steps[name]} has no undo; write the steps that take it back"


def _action(source: Source, place: Place, step: Step, known: set[str]) -> Iterator[str]:
    if step.action not in ACTIONS:
        yield f"{source.at((*place, 'action'))}: no action '{step.action}'{nearest(step.action, (*ACTIONS, UNDO))}"
        return
    given = step.arguments
    model = action_named(step.action).accepts
    templated = set()
    for name, value in given.items():
        bad = list(_lookups(source, (*place, "with", name), value, known))
        templated |= {name} if bad or _has_holes(value) else set()
        yield from bad
        if _is_literal(model, name) and _has_holes(value) and not bad:
            yield f"{source.at((*place, 'with', name))}: '{name}' must stand here as it is, without ${{{{ … }}}}"
    try:
        model.model_validate(given)
    except ValidationError as error:
        yield from _problems(source, error, model, above=(*place, "with"), unknown=templated)


def _is_literal(model: type[BaseModel], name: str) -> bool:
    """Whether an argument may hold no look-ups, because a value from outside would be code there."""
    field = model.model_fields.get(name)
    extra = field.json_schema_extra if field else None
    return isinstance(extra, dict) and bool(extra.get("literal"))


def _has_holes(value: Any) -> bool:
    try:
        return bool(holes(value))
    except TemplateError:
        return True


def _lookups(source: Source, place: Place, value: Any, known: set[str]) -> Iterator[str]:
    try:
        for name in holes(value):
            if not _known(name, known):
                yield f"{source.at(place)}: there is no '{name}' here{nearest(name, known)}"
    except TemplateError as error:
        yield f"{source.at(place)}: {error}"


def _known(name: str, known: set[str]) -> bool:
    """Whether a look-up leads somewhere: to a known value, or into one that a step gives."""
    parts = name.split(".")
    return name in known or (
        parts[0] in ("steps", "each")
        and any(".".join(parts[:length]) in known and parts[length - 1] not in STEP_VALUES
                for length in range(2, len(parts)))
    )  # fmt: skip


def _problems(
    source: Source,
    error: ValidationError,
    model: type[BaseModel],
    above: Place = (),
    unknown: Iterable[str] = (),
) -> list[str]:
    """Pydantic's findings as lines. What concerns values that are known only at run time (`unknown`) is left out."""
    lines = []
    for row in error.errors(include_url=False, include_input=False, include_context=False):
        place: Place = row["loc"]
        if place and place[0] in set(unknown) and row["type"] != "extra_forbidden":
            continue
        where = ".".join(map(str, (*above, *place))) or "runbook"
        if row["type"] == "extra_forbidden":
            names = _names_at(model, place[:-1])
            lines.append(f"{source.at((*above, *place))}: unknown key '{place[-1]}'{nearest(str(place[-1]), names)}")
        else:
            quoted = "; put it in quotes" if row["type"] == "string_type" and _is_word(source, (*above, *place)) else ""
            lines.append(f"{source.at((*above, *place))}: {where}: {_said(row['msg'])}{quoted}")
    return list(dict.fromkeys(lines))


def _is_word(source: Source, place: Place) -> bool:
    """Whether YAML took a bare word for something else: `no`, `on`, `1.0`, a date."""
    here: Any = source.data
    for part in place:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            return False
    return not isinstance(here, (str, list, dict)) and here is not None


def _said(message: str) -> str:
    text = message.removeprefix("Value error, ").replace("valid tuple", "list")
    return text[:1].lower() + text[1:]


def _names_at(model: type[BaseModel], place: Sequence[str | int]) -> list[str]:
    """The keys a mapping at this place may have."""
    here: Any = model
    for part in place:
        if isinstance(here, type) and issubclass(here, BaseModel):
            fields: Mapping[str, Any] = {f.alias or n: f for n, f in here.model_fields.items()}
            here = _inner(fields[str(part)].annotation) if str(part) in fields else None
    if isinstance(here, type) and issubclass(here, BaseModel):
        return [f.alias or n for n, f in here.model_fields.items()]
    return []


def _inner(annotation: Any) -> Any:
    """The model inside tuples, mappings and unions."""
    if get_origin(annotation) in (tuple, list, dict, Union, UnionType):
        inner = (_inner(a) for a in get_args(annotation))
        return next((a for a in inner if isinstance(a, type) and issubclass(a, BaseModel)), annotation)
    return annotation
