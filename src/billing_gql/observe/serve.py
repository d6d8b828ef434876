"""/metrics of a process that serves nothing else: the worker."""

import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app
from pydantic import SecretStr

from billing_gql.observe.metrics import REGISTRY, may_read

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing: it is asked all day long."""


def serve_metrics(host: str, port: int, token: SecretStr | None) -> str:
    """Serves them from a thread, until the process ends; the address. Raises OSError.

    With a token only to those who send it.
    """
    figures = make_wsgi_app(REGISTRY)

    def answer(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"Metrics are at /metrics."]
        if token is not None and not may_read(
            token.get_secret_value(), environ.get("HTTP_AUTHORIZATION")
        ):
            start("401 Unauthorized", [("WWW-Authenticate", "Bearer")])
            return [b"Send BILLING_GQL_METRICS_TOKEN."]
        body: Iterable[bytes] = figures(environ, start)
        return body

    server = make_server(host, port, answer, WSGIServer, _Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://{host}:{server.server_port}/metrics"
