"""Events to send, and what became of them, read past the API."""

from typing import Any

from sqlalchemy import text

from billing_gql.store.database import run_sql
from tests.support import Api, Json

AT = "2026-01-10T10:30:00Z"


def event(transaction_id: str = "t1", /, **values: object) -> Json:
    return {
        "transactionId": transaction_id,
        "externalCustomerId": "acme",
        "eventName": "transfer",
        "timestamp": AT,
        "properties": {"bytes": 5},
        **values,
    }


def without(name: str, /, **values: object) -> Json:
    return {key: value for key, value in event(**values).items() if key != name}


async def rows(api: Api, sql: str) -> list[tuple[Any, ...]]:
    async with api.database.snapshot() as session:
        found = await run_sql(session, text(sql), {"organization": api.organization_id})
        return [tuple(row) for row in found]


async def stored(api: Api) -> list[str]:
    found = await rows(
        api, "SELECT transaction_id FROM usage_events WHERE organization_id = :organization"
    )
    return sorted(row[0] for row in found)


async def rolled_up(api: Api) -> set[tuple[object, ...]]:
    """What the roll-ups say, by feature, customer, hour or day, source and dimensions."""
    found: set[tuple[object, ...]] = set()
    for unit, table in (("hour", "hourly_usage"), ("day", "daily_usage")):
        found |= set(
            await rows(
                api,
                f"""SELECT f.key, c.external_id, r.starts_at, r.source, r.dimensions::text,
                     sum(r.event_count), trim_scale(sum(r.total)), '{unit}'
                   FROM {table} r JOIN features f ON f.id = r.feature_id
                   JOIN customers c ON c.id = r.customer_id
                   WHERE r.organization_id = :organization GROUP BY 1, 2, 3, 4, 5""",
            )
        )
    return found


async def counted_from_events(api: Api) -> set[tuple[object, ...]]:
    """The same, from the events alone, for features of one dimension `region`."""
    return set(
        await rows(
            api,
            """SELECT f.key, c.external_id, date_trunc(unit, e.timestamp), e.source,
                 ARRAY[e.properties->>'region']::text, count(*),
                 trim_scale(sum(CASE f.aggregation WHEN 'SUM'
                   THEN (e.properties->>'bytes')::numeric END)), unit
               FROM usage_events e JOIN features f
                 ON f.organization_id = e.organization_id AND f.event_name = e.event_name
               JOIN customers c ON c.id = e.customer_id
               CROSS JOIN unnest(ARRAY['hour', 'day']) AS u (unit)
               WHERE e.organization_id = :organization GROUP BY 1, 2, 3, 4, 5, unit""",
        )
    )


async def totals(api: Api, customer: str = "acme") -> dict[str, tuple[str, int]]:
    data = await api.query(
        """query ($id: String) { customer(externalId: $id) {
          usage(periodStart: "2026-01-01T00:00:00Z", periodEnd: "2026-02-01T00:00:00Z")
            { feature { key } quantity eventCount } } }""",
        {"id": customer},
    )
    return {
        one["feature"]["key"]: (one["quantity"], one["eventCount"])
        for one in data["customer"]["usage"]
    }


def counts(payload: Json) -> tuple[int, int, int]:
    return payload["acceptedCount"], payload["duplicateCount"], len(payload["userErrors"])


def only_error(payload: Json) -> Json:
    (error,) = payload["userErrors"]
    found: Json = error
    return found


async def meter(api: Api) -> Api:
    """A customer, and two features of the same events."""
    await api.customer()
    await api.feature("transfers", eventName="transfer", dimensions=["region"])
    await api.feature(
        "bytes", "SUM", eventName="transfer", valueProperty="bytes", dimensions=["region"]
    )
    return api
