"""`make translations`: collects the sentences that a student can meet, and compiles their translations.

A catalogue is a .po file, to be edited by hand, and the .mo file that gettext reads, made from it by Babel:

    grader/locale/ko/LC_MESSAGES/grader.po           what `gettext`, `ngettext` and `later` are given in this package
    assignments/<name>/locale/ko/.../checks.po       the same in its checks; titles and hints of checks; its own title
    solutions/<name>/locale/ko/.../checks.po         the same of the hidden checks

Babel is needed by this module only, not by the grader at work.
"""

from __future__ import annotations

import difflib
import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from grader import assignment
from grader.checks.declare import ATTRIBUTE, CheckSpec
from grader.language import CHECKS_DOMAIN, DOMAIN, LANGUAGES, catalogue

KEYWORDS: dict[str, tuple[int, ...] | None] = {"gettext": None, "ngettext": (1, 2), "later": None}
TRANSLATED = [language for language in LANGUAGES if language != "en"]
ALIKE = 0.75  # from here on (difflib's ratio) an old translation is offered for a sentence that has changed
Text = str | tuple[str, ...] | list[str]  # a sentence, or its singular and plural


class _Catalogue(Catalog):
    """Without dates and names: the same sentences make the same file."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale_identifier)),
            ("MIME-Version", "1.0"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
            ("Plural-Forms", self.plural_forms),
        ]


def places(root: Path) -> Iterator[tuple[Path, str, list[tuple[Text, Path]]]]:
    """(folder, domain, sentences with their files) for every catalogue that belongs under ``root``."""
    package = root / "grader"
    if package.is_dir():
        yield package, DOMAIN, list(_called(package))
    for name in assignment.names(root):
        folder, secret = root / "assignments" / name, root / "solutions" / name
        path = folder / "assignment.toml"
        yield folder, CHECKS_DOMAIN, [(assignment.read_settings(path).title, path), *_checks(folder / "checks")]
        if (secret / "checks").is_dir():
            yield secret, CHECKS_DOMAIN, list(_checks(secret / "checks"))


def written(root: Path) -> dict[Path, bytes]:
    """Every catalogue under ``root`` as it should be, .po and .mo: today's sentences, with the translations there are.

    A sentence that has changed gets the translation of the one before it, marked as fuzzy: to be looked at, and not
    used until then. One that is gone is left out, unless another catalogue needs its translation.
    """
    collected = list(places(root))
    files: dict[Path, bytes] = {}
    for language in TRANSLATED:
        paths = [catalogue(folder, domain, language).with_suffix(".po") for folder, domain, _ in collected]
        old = [read(path) for path in paths]
        known = {message.id: message for messages in old for message in messages if message.id and message.string}
        for path, before, (_, _, sentences) in zip(paths, old, collected, strict=True):
            made = _Catalogue(language, header_comment="", fuzzy=False)
            for text, file in sentences:
                made.add(text, locations=[(file.relative_to(root).as_posix(), 0)])
            gone = {message.id: message for message in before if message.id and not made.get(message.id)}
            for message in made:
                if message.id:
                    _translate(message, before.get(message.id) or known.get(message.id), gone)
            files[path] = _po(made)
            files[path.with_suffix(".mo")] = _mo(made)
    return files


def read(path: Path) -> Catalog:
    """The .po file ``path``; an empty catalogue where there is none."""
    if not path.is_file():
        return Catalog()
    with path.open("rb") as file:
        return read_po(file)


def _called(folder: Path) -> Iterator[tuple[Text, Path]]:
    """What the functions of `grader.language` are given in the Python files of ``folder``."""
    for path in sorted(folder.rglob("*.py")):
        for _, text, _, _ in extract_from_file("python", path, KEYWORDS):
            yield (text if isinstance(text, str) else (text[0], text[1])), path


def _checks(folder: Path) -> Iterator[tuple[Text, Path]]:
    """Titles and hints of the checks in ``folder``, and what they say."""
    for path in sorted(folder.rglob("test_*.py")):
        for spec in specs(path):
            yield from ((text, path) for text in (spec.title, spec.hint) if text)
    yield from _called(folder)


def specs(path: Path) -> list[CheckSpec]:
    """What the checks in the file ``path`` say of themselves."""
    found = importlib.util.spec_from_file_location(f"checks_of_{path.parent.parent.name}_{path.stem}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return [getattr(value, ATTRIBUTE) for value in vars(module).values() if hasattr(value, ATTRIBUTE)]


def _translate(message: Message, old: Message | None, gone: dict[Text, Message]) -> None:
    """Give ``message`` the translation it had, or that of the sentence like it that is ``gone``."""
    if old is not None:
        message.string, message.user_comments = old.string, old.user_comments
        message.flags |= old.flags & {"fuzzy"}
        return
    texts = {str(text): text for text in gone if isinstance(text, str) is isinstance(message.id, str)}
    alike = difflib.get_close_matches(str(message.id), texts, 1, ALIKE)
    if alike and gone[texts[alike[0]]].string:
        message.string = gone[texts[alike[0]]].string
        message.flags.add("fuzzy")


def _po(made: Catalog) -> bytes:
    file = io.BytesIO()
    write_po(file, made, width=0, include_lineno=False)
    return file.getvalue().lstrip()  # an empty line stands for the comment at the top


def _mo(made: Catalog) -> bytes:
    file = io.BytesIO()
    write_mo(file, made)
    return file.getvalue()


def main(root: Path) -> None:
    """Write all catalogues under ``root`` and say what is left to translate."""
    left = 0
    for path, content in written(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_bytes() != content:
            path.write_bytes(content)
        if path.suffix == ".po":
            todo = [message for message in read(path) if message.id and (message.fuzzy or not all(strings(message)))]
            left += len(todo)
            if todo:
                print(f"{path.relative_to(root)}: {len(todo)} to translate")
    print(f"{left} sentences are not translated yet." if left else "All sentences are translated.")


def strings(message: Message) -> tuple[str, ...]:
    """The translations of ``message``: one, or one for each plural form; empty where there is none yet."""
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


if __name__ == "__main__":
    main(Path(__file__).resolve().parent.parent)
