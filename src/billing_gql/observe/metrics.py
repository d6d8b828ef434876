"""What Prometheus is told about this process. Each process tells its own numbers.

No label is an organization, and none has unbounded values: operation names are the clients', so
only the first 200 of operations that ran are told apart.
"""

import hmac
import time
from collections.abc import Iterator
from typing import Protocol
from weakref import WeakSet

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MOST_NAMES = 200
SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
COSTS = (1, 10, 30, 100, 300, 1_000, 3_000, 10_000)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

HTTP_REQUESTS = Counter(
    "billing_gql_http_requests",
    "HTTP requests answered.",
    ("route", "method", "status"),
    registry=REGISTRY,
)
HTTP_SECONDS = Histogram(
    "billing_gql_http_request_seconds",
    "From a request's head to the end of its answer.",
    ("route",),
    buckets=SECONDS,
    registry=REGISTRY,
)
OPERATIONS = Counter(
    "billing_gql_operations",
    "GraphQL operations answered.",
    ("operation", "type", "outcome"),
    registry=REGISTRY,
)
OPERATION_SECONDS = Histogram(
    "billing_gql_operation_seconds",
    "From a GraphQL request's head to the end of its answer.",
    ("operation", "type"),
    buckets=SECONDS,
    registry=REGISTRY,
)
COST = Histogram(
    "billing_gql_operation_cost",
    "Cost of GraphQL operations, by the limits' count.",
    ("type",),
    buckets=COSTS,
    registry=REGISTRY,
)
ERRORS = Counter("billing_gql_errors", "Errors told, by code.", ("code",), registry=REGISTRY)
USER_ERRORS = Counter(
    "billing_gql_user_errors",
    "userErrors of mutations and refused events, by code.",
    ("code",),
    registry=REGISTRY,
)
EVENTS = Counter(
    "billing_gql_events", "Events received for ingest.", ("outcome",), registry=REGISTRY
)
TASKS = Counter(
    "billing_gql_tasks",
    "Tasks of billing runs that came to an end.",
    ("kind", "outcome"),
    registry=REGISTRY,
)


class OperationNames:
    """Tells the first names apart; the others are "other"."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self.most = most
        self._known: set[str] = set()

    def label(self, name: str | None, *, ran: bool) -> str:
        """The label of a name. One that did not run takes nobody's place: anybody can send it."""
        if name is None:
            return "anonymous"
        if name not in self._known:
            if not ran or len(self._known) >= self.most:
                return "other"
            self._known.add(name)
        return name


NAMES = OperationNames()


class Pool(Protocol):
    """A pool of connections to the database, at this moment."""

    @property
    def statements(self) -> int: ...
    @property
    def connections_open(self) -> int: ...
    @property
    def connections_in_use(self) -> int: ...
    @property
    def connections_wanted(self) -> int: ...
    @property
    def connections_most(self) -> int: ...


class Pools(Collector):
    """Asks the pools when it is asked, so that statements need not tell each."""

    def __init__(self) -> None:
        self._pools: WeakSet[Pool] = WeakSet()

    def add(self, pool: Pool) -> None:
        """Counts a pool of this process in."""
        self._pools.add(pool)

    def collect(self) -> Iterator[Metric]:
        pools = list(self._pools)
        for name, meaning, value in (
            ("most", "Connections to the database that may be.", "connections_most"),
            ("open", "Connections to the database that are.", "connections_open"),
            ("in_use", "Of those, taken by a request or task.", "connections_in_use"),
            ("wanted", "Requests and tasks that wait for one.", "connections_wanted"),
        ):
            yield GaugeMetricFamily(
                f"billing_gql_database_connections_{name}",
                meaning,
                value=sum(getattr(pool, value) for pool in pools),
            )
        yield CounterMetricFamily(
            "billing_gql_database_statements",
            "Statements of SQL.",
            value=sum(pool.statements for pool in pools),
        )


POOLS = Pools()
REGISTRY.register(POOLS)


class Hub(Protocol):
    """What sends live updates, at this moment."""

    @property
    def subscriptions(self) -> int: ...


class Hubs(Collector):
    """Asks the hubs when it is asked: a subscription may end without a word."""

    def __init__(self) -> None:
        self._hubs: WeakSet[Hub] = WeakSet()

    def add(self, hub: Hub) -> None:
        """Counts a hub of this process in."""
        self._hubs.add(hub)

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "billing_gql_live_subscriptions",
            "Subscriptions that are open.",
            value=sum(hub.subscriptions for hub in list(self._hubs)),
        )


HUBS = Hubs()
REGISTRY.register(HUBS)


class WorkerFigures(Collector):
    """How the worker of this process is; says nothing where there is none."""

    def __init__(self) -> None:
        self._beat: float | None = None
        self._late = 0.0
        """Seconds, of the round under way."""
        self._behind = 0.0
        """Seconds, of the round before."""

    def begin_round(self) -> None:
        """The worker begins to look for work."""
        self._beat = time.monotonic()
        self._late = 0.0

    def met(self, late_seconds: float) -> None:
        """A task is begun so long after it fell due."""
        self._late = max(self._late, late_seconds)

    def end_round(self) -> None:
        """All that was due is done."""
        self._behind = self._late
        self._late = 0.0

    def collect(self) -> Iterator[Metric]:
        if self._beat is None:
            return
        yield GaugeMetricFamily(
            "billing_gql_worker_heartbeat_age_seconds",
            "Since this process's worker last began to look for work.",
            value=time.monotonic() - self._beat,
        )
        yield GaugeMetricFamily(
            "billing_gql_worker_behind_seconds",
            "How long the oldest of what the worker's round met had been due.",
            value=max(self._late, self._behind),
        )


WORKER = WorkerFigures()
REGISTRY.register(WORKER)


def may_read(token: str, authorization: str | None) -> bool:
    """Whether an Authorization header has the token."""
    scheme, _, given = (authorization or "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode(errors="replace"), token.encode()
    )
