"""Milliseconds that the service takes to refuse what is made to hurt, beside a trivial query's.

Each is sent to a service in a process of its own, several times, one after another; the median is
printed, first of the first sending, when nothing is remembered yet, then of the rest. The bodies
are those of `tests/graph/hostile.py`. The floor is `{ organization { name } }` in the same run.

    .venv/bin/python benchmarks/hostile.py [times]
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.reads import fill, free_port, http_request, in_process, serve_ours, wait_for
from tests.graph.hostile import hostile_bodies

from billing_gql.store.embedded import running_server

TRIVIAL = json.dumps({"query": "{ organization { name } }"}).encode()


async def timed(port: int, request: bytes) -> tuple[float, int]:
    """Seconds to the whole answer, and its status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    start = time.perf_counter()
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    answer = await reader.readexactly(length)
    took = time.perf_counter() - start
    writer.close()
    assert (b'"errors"' in answer) == (request.find(TRIVIAL) < 0), answer[:200]
    return took, int(head.split()[1])


async def measure(port: int, key: str, times: int) -> None:
    """Prints a line for each body."""
    for _ in range(50):
        await timed(port, http_request("/graphql", TRIVIAL, key))
    print(f"{'':34}{'status':>7}{'first':>10}{'again':>10}   ms")
    for name, body in {"a trivial query": TRIVIAL, **hostile_bodies()}.items():
        request = http_request("/graphql", body, key)
        first, status = await timed(port, request)
        again = statistics.median([(await timed(port, request))[0] for _ in range(times)])
        print(f"{name:34}{status:>7}{first * 1000:>10.1f}{again * 1000:>10.1f}")


def main() -> None:
    """Starts a service on a database of its own and prints the figures."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    folder = Path(tempfile.gettempdir()) / f"billing-gql-bench-{time.time_ns()}"
    with running_server(folder, durable=False) as url:
        _, key, _ = asyncio.run(fill(url))
        port = free_port()
        process = in_process(partial(serve_ours, url, port))
        try:
            wait_for(port)
            asyncio.run(measure(port, key, times))
        finally:
            process.terminate()
            process.join()


if __name__ == "__main__":
    main()
