"""The store of a class run: one SQLite file, one commit per result, so that a run killed at any point can go on."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from grader.intake import Handin
from grader.result import Result
from grader.submission import Submission

VERSION = 1
FILE = "results.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS handins (
    student TEXT PRIMARY KEY,
    content TEXT NOT NULL,      -- hash of the files; of a refused hand-in ''
    code TEXT NOT NULL,         -- the same for files that differ in comments and formatting only
    files BLOB NOT NULL,        -- msgpack, deflated: so that a regrade needs nothing else
    about TEXT NOT NULL         -- JSON: path, problem, attempted, flags, notes, identifiers
) STRICT;
CREATE TABLE IF NOT EXISTS results (
    content TEXT PRIMARY KEY,
    code TEXT NOT NULL,
    shared INTEGER NOT NULL,    -- says nothing about lines: good for every hand-in with the same code
    surroundings TEXT NOT NULL,
    checks TEXT NOT NULL,       -- JSON: check -> hash
    result TEXT NOT NULL,       -- JSON
    previous REAL               -- the score that this result replaced
) STRICT;
CREATE INDEX IF NOT EXISTS results_by_code ON results (code);
"""


class StoreError(Exception):
    """The store cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Stored:
    """A result and what it depended on; see `grader.class_run.fingerprint`."""

    content: str
    code: str
    shared: bool
    surroundings: str
    checks: dict[str, str]
    result: Result
    previous: float | None = None


class Store:
    """The store in folder ``out``; a context manager."""

    def __init__(self, out: Path, *, create: bool = True) -> None:
        self.path = out / FILE
        if not create and not self.path.is_file():
            raise StoreError(f"There is no class run in {out} ({FILE} is missing). Begin one with: grader grade")
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            version = self._database.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, VERSION):
                raise StoreError(f"{self.path} was written by another version of torch-grader. Give another --out.")
            self._database.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={VERSION}; COMMIT;")
        except OSError as error:
            raise StoreError(f"{out} cannot be used for results: {error.strerror}.") from None
        except sqlite3.Error as error:
            raise StoreError(f"{self.path} cannot be used ({error}). Give another --out, or move it away.") from None

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other run works in the same folder meanwhile.

        Raises:
            StoreError: one does.
        """
        # A lock that the system gives up when this process ends, however it ends: that of a second database.
        lock = sqlite3.connect(self.path.with_name("running.sqlite"), timeout=0, isolation_level=None)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            lock.close()
            raise StoreError(
                f"Another run is grading into {self.path.parent}. Wait for it, or give another --out."
            ) from None
        try:
            yield
        finally:
            lock.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def setting(self, name: str) -> str | None:
        """What was noted under ``name``."""
        row = self._database.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, **settings: str) -> None:
        """Note ``settings`` for later runs."""
        self._database.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", settings.items())

    def put_handins(self, handins: Iterable[tuple[Handin, str, str]]) -> None:
        """Replace the class: (hand-in, hash of its content, hash of its code) each. Scores of before are kept."""
        rows = []
        for handin, content, code in handins:
            files = {} if handin.submission is None else handin.submission.files
            about = {
                "path": "" if handin.submission is None else str(handin.submission.path),
                "problem": handin.problem,
                "attempted": handin.attempted,
                "flags": handin.flags,
                "notes": handin.notes,
                "identifiers": handin.identifiers,
            }
            packed = zlib.compress(msgspec.msgpack.encode(files))
            rows.append((handin.student, content, code, packed, json.dumps(about)))
        with self._transaction():
            self._database.execute("CREATE TEMP TABLE present (student TEXT PRIMARY KEY)")
            self._database.executemany("INSERT INTO present VALUES (?)", [row[:1] for row in rows])
            self._database.execute("DELETE FROM handins WHERE student NOT IN (SELECT student FROM present)")
            self._database.execute("DROP TABLE present")
            self._database.executemany(
                "INSERT INTO handins (student, content, code, files, about) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (student) DO UPDATE SET content = excluded.content, code = excluded.code, "
                "files = excluded.files, about = excluded.about",
                rows,
            )

    def handins(self) -> Iterator[tuple[Handin, str, str]]:
        """(hand-in, hash of its content, hash of its code), sorted by student."""
        rows = self._database.execute("SELECT student, content, code, files, about FROM handins ORDER BY student")
        for student, content, code, packed, about_json in rows.fetchall():
            about = json.loads(about_json)
            files = msgspec.msgpack.decode(zlib.decompress(packed), type=dict[str, bytes])
            submission = Submission(Path(about["path"]), files) if files else None
            yield (
                Handin(
                    student,
                    submission,
                    about["problem"],
                    about["attempted"],
                    tuple(about["flags"]),
                    tuple(about["notes"]),
                    about["identifiers"],
                ),
                content,
                code,
            )

    def put(self, stored: Stored) -> None:
        """Commit one result; the one that it replaces leaves its score as ``previous``."""
        old = self.get(stored.content, stored.code)
        row = (
            stored.content,
            stored.code,
            stored.shared,
            stored.surroundings,
            json.dumps(stored.checks, sort_keys=True),
            msgspec.json.encode(stored.result).decode(),
            None if old is None else old.result.score,
        )
        with self._transaction():
            if stored.shared:  # what others with the same code got before is no longer true
                self._database.execute("DELETE FROM results WHERE code = ?", (stored.code,))
            self._database.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def get(self, content: str, code: str) -> Stored | None:
        """The result for this content, or a shared one for the same code."""
        row = self._database.execute(
            "SELECT content, code, shared, surroundings, checks, result, previous FROM results "
            "WHERE content = ? OR (code = ? AND shared) ORDER BY content != ?, content LIMIT 1",
            (content, code, content),
        ).fetchone()
        if row is None:
            return None
        result = msgspec.json.decode(row[5], type=Result)
        return Stored(row[0], row[1], bool(row[2]), row[3], json.loads(row[4]), result, row[6])

    def _transaction(self) -> _Transaction:
        return _Transaction(self._database)


class _Transaction:
    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._database.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")
