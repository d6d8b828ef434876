"""A collector of traces, as OpenTelemetry's OTLP over HTTP wants it."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """What has been sent to it."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.service: set[str] = set()
        self.raw = b""
        self.port = 0

    def take(self, body: bytes) -> None:
        """Reads one request's spans."""
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for one in resource.resource.attributes:
                if one.key == "service.name":
                    self.service.add(one.value.string_value)
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def named(self, name: str, trace_id: str | None = None) -> Span:
        """The last span of a name, once it is there."""
        give_up = time.monotonic() + 20
        while True:
            for span in reversed(list(self.spans)):
                if span.name == name and trace_id in (None, span.trace_id.hex()):
                    return span
            assert time.monotonic() < give_up, sorted({one.name for one in self.spans})
            time.sleep(0.05)


def attributes(span: Span) -> dict[str, object]:
    """Those of a span."""
    return {
        one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value")
        for one in span.attributes
    }


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            collector.take(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.end_headers()
            self.wfile.write(ExportTraceServiceResponse().SerializeToString())

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
