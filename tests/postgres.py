"""A PostgreSQL server of one's own: in a temporary folder, on a Unix socket, with a password; gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import URL, make_url

PASSWORD = "p@ss/wörd%"  # every URL must quote it
_NONE = (
    "There is no PostgreSQL here (initdb, postgres), and these tests run a real one. "
    "Install it (Debian, Ubuntu: apt-get install postgresql)."
)


def programs() -> Path:
    """The folder of initdb and postgres: Debian keeps them out of PATH, by version."""
    found = [Path(path).resolve().parent for path in [shutil.which("initdb")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    for folder in found:
        if all((folder / name).is_file() for name in ("initdb", "postgres")):
            return folder
    if sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get"):
        pytest.fail(_NONE)
    pytest.skip(_NONE)


@contextlib.contextmanager
def server() -> Iterator[URL]:
    """Runs while the context lasts, and no longer than this process; yields its URL, without a database."""
    where = programs()
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())  # it refuses to run as root
    as_user = ["setpriv", "--pdeathsig", "INT"] if sys.platform == "linux" else []
    if os.geteuid() == 0:
        as_user += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    # Not pytest's folder: the path of a socket has 107 bytes at most, and its parents are root's alone.
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    process = None
    try:
        os.chown(folder, user.pw_uid, user.pw_gid)
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        data, log = folder / "data", folder / "log"
        options = ["--auth=scram-sha-256", "--username=grader", f"--pwfile={folder / 'password'}", "--no-sync"]
        options += ["--encoding=UTF8", "--locale=C.UTF-8"]
        made = subprocess.run(
            [*as_user, where / "initdb", "--pgdata", data, *options],
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
        assert made.returncode == 0, made.stdout + made.stderr
        url = URL.create("postgresql+psycopg", "grader", PASSWORD, query={"host": str(folder)})
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*as_user, where / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-F"],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + 60
        while True:
            try:
                psycopg.connect(dsn(url.set(database="postgres"))).close()
                break
            except psycopg.OperationalError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < until, log.read_text()
                time.sleep(0.1)
        yield url
    finally:
        if process is not None:
            process.send_signal(signal.SIGINT)  # whoever is connected is sent away
            process.wait(30)
        shutil.rmtree(folder)


def dsn(url: URL) -> str:
    """For psycopg itself."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


def database(of: URL, name: str) -> str:
    """A new database ``name`` on the server, as the URL that an instructor writes."""
    with psycopg.connect(dsn(of.set(database="postgres")), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return of.set(database=name).render_as_string(hide_password=False)


def parsed(url: str) -> URL:
    """The URL's parts."""
    return make_url(url)
