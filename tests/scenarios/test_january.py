"""January 2013: sixteen airlines billed for their departures from New York.

What is expected comes straight from the CSV, in whole cents, with no code of ours.
"""

import csv
import gzip
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from importlib.resources import files
from typing import Any

import httpx
import pytest

from billing_gql.store.database import Database
from tests.support import Api, counted, new_organization

CENT = Decimal("0.01")
DATA = files("billing_gql.demo") / "data"

Row = dict[str, str]


def rows() -> list[Row]:
    text = gzip.decompress((DATA / "flights-2013-01.csv.gz").read_bytes()).decode()
    return list(csv.DictReader(text.splitlines()))


@dataclass
class Expected:
    """An airline's January, from the file alone."""

    departures: int = 0
    miles: int = 0
    by: dict[str, dict[tuple[str, ...], tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    @property
    def total(self) -> Decimal:
        miles = (Decimal(self.miles) * Decimal("0.0173")).quantize(CENT, ROUND_HALF_UP)
        return Decimal("250.00") + Decimal("12.50") * self.departures + miles


GROUPINGS: dict[str, Callable[[Row], tuple[str, ...]]] = {
    '["source"]': lambda row: (row["origin"],),
    '["properties.dest"]': lambda row: (row["dest"],),
    '["source", "properties.dest"]': lambda row: (row["origin"], row["dest"]),
    '["properties.tailnum"]': lambda row: (row["tailnum"],),
}


def expected() -> dict[str, Expected]:
    found: dict[str, Expected] = defaultdict(Expected)
    for row in rows():
        one, miles = found[row["carrier"]], int(row["distance_miles"])
        one.departures += 1
        one.miles += miles
        for name, key in GROUPINGS.items():
            count, sum_ = one.by[name].get(key(row), (0, 0))
            one.by[name][key(row)] = (count + 1, sum_ + miles)
    return found


def event(row: Row) -> dict[str, Any]:
    return {
        "transactionId": row["transaction_id"],
        "externalCustomerId": row["carrier"],
        "eventName": "departure",
        "timestamp": row["timestamp"],
        "source": row["origin"],
        "properties": {
            "origin": row["origin"],
            "dest": row["dest"],
            "tailnum": row["tailnum"],
            "distance_miles": int(row["distance_miles"]),
        },
    }


async def send(api: Api, batch: list[dict[str, Any]]) -> tuple[int, int, list[Any]]:
    response = await api.http.post("/v1/events", json={"events": batch}, headers=api.headers)
    assert response.status_code == 200, response.text
    answer = response.json()
    return answer["acceptedCount"], answer["duplicateCount"], answer["errors"]


@pytest.fixture(scope="module")
async def january(http: httpx.AsyncClient, database: Database) -> Api:
    """The company of the demo, made through the API alone, its clock moved to 2 February."""
    api = await new_organization(
        http, database, timezone="America/New_York", clock=datetime(2012, 12, 31, tzinfo=UTC)
    )
    dimensions = ["origin", "dest"]
    departure = await api.feature("departure", dimensions=dimensions)
    miles = await api.feature(
        "air-miles",
        "SUM",
        eventName="departure",
        valueProperty="distance_miles",
        dimensions=dimensions,
    )
    plan = await api.plan(
        "airline",
        [
            {"name": "Access", "model": {"flat": {"amount": "250.00"}}},
            {
                "name": "Departures",
                "featureId": departure["id"],
                "model": {"perUnit": {"unitAmount": "12.50"}},
            },
            {
                "name": "Miles",
                "featureId": miles["id"],
                "model": {"perUnit": {"unitAmount": "0.0173"}},
            },
        ],
    )
    for line in csv.DictReader((DATA / "airlines.csv").read_text().splitlines()):
        customer = await api.customer(line["carrier"], name=line["name"])
        await api.subscription(customer, plan, startedAt="2013-01-01T00:00:00-05:00")
    everything = [event(row) for row in rows()]
    for start in range(0, len(everything), 10_000):
        batch = everything[start : start + 10_000]
        assert await send(api, batch) == (len(batch), 0, [])
    await api.advance("2013-02-02T00:00:00Z")
    return api


async def test_each_airline_pays_what_the_file_says(january: Api) -> None:
    wanted = expected()
    invoices = await january.invoices(
        "total subtotal currency status periodStart periodEnd customer { externalId }"
        " lineItems { type name quantity amount eventCount pricingSteps { amount } }"
    )
    assert len(invoices) == 16
    for invoice in invoices:
        one = wanted[invoice["customer"]["externalId"]]
        access, departures, miles = invoice["lineItems"]
        assert invoice["total"] == invoice["subtotal"] == str(one.total)
        assert invoice["periodStart"] == "2013-01-01T05:00:00Z"
        assert invoice["periodEnd"] == "2013-02-01T05:00:00Z"
        assert (access["type"], access["amount"]) == ("FIXED", "250.00")
        assert departures["quantity"] == str(one.departures)
        assert departures["amount"] == str(Decimal("12.50") * one.departures)
        assert miles["quantity"] == str(one.miles)
        assert departures["eventCount"] == miles["eventCount"] == one.departures
        lines = sum(Decimal(line["amount"]) for line in invoice["lineItems"])
        assert lines == one.total
        steps = Decimal(miles["pricingSteps"][0]["amount"])
        assert steps.quantize(CENT, ROUND_HALF_UP) == Decimal(miles["amount"])


@pytest.mark.parametrize("forced", ["false", "true"])
@pytest.mark.parametrize("grouping", GROUPINGS)
async def test_breakdowns_sum_to_their_line(january: Api, grouping: str, forced: str) -> None:
    wanted = expected()
    invoices = await january.invoices(
        f"customer {{ externalId }} usageBreakdown(groupBy: {grouping},"
        f" forceRuntimeRecalculation: {forced}) {{ feature {{ key }} lineItem {{ amount }}"
        " invoicedAmount recalculatedAmount difference isRecalculated"
        " groups { keys { value } usage cost percentage eventCount } }"
    )
    assert len(invoices) == 16
    for invoice in invoices:
        groups_in_file = wanted[invoice["customer"]["externalId"]].by[grouping]
        assert [one["feature"]["key"] for one in invoice["usageBreakdown"]] == [
            "departure",
            "air-miles",
        ]
        for place, breakdown in enumerate(invoice["usageBreakdown"]):
            groups = breakdown["groups"]
            amount = Decimal(breakdown["lineItem"]["amount"])
            assert sum(Decimal(group["cost"]) for group in groups) == amount
            assert Decimal(breakdown["invoicedAmount"]) == amount
            assert sum(Decimal(group["percentage"]) for group in groups) == 100
            assert breakdown["isRecalculated"] == (forced == "true")
            if forced == "true":
                assert Decimal(breakdown["recalculatedAmount"]) == amount
                assert Decimal(breakdown["difference"]) == 0
            found = {
                tuple(key["value"] for key in group["keys"]): (
                    group["eventCount"],
                    int(group["usage"]),
                )
                for group in groups
            }
            assert found == {
                key: (count, (count, miles)[place])
                for key, (count, miles) in groups_in_file.items()
            }
            costs = [Decimal(group["cost"]) for group in groups]
            assert costs == sorted(costs, reverse=True)


async def test_a_departure_before_midnight_in_new_york_is_januarys(january: Api) -> None:
    data = await january.query(
        """{ customer(externalId: "B6") {
          january: usage(periodStart: "2013-01-31T23:59:00-05:00",
                         periodEnd: "2013-02-01T00:00:00-05:00") { feature { key } quantity }
          february: usage(periodStart: "2013-02-01T00:00:00-05:00",
                          periodEnd: "2013-02-02T00:00:00-05:00") { quantity }
        } }"""
    )
    # B6727 and B6739 leave at 23:59; the file has January only.
    january_usage = {one["feature"]["key"]: one["quantity"] for one in data["customer"]["january"]}
    assert january_usage == {"departure": "2", "air-miles": str(1576 + 1617)}
    assert {one["quantity"] for one in data["customer"]["february"]} == {"0"}


async def test_the_same_file_again_changes_nothing(january: Api) -> None:
    before = await january.invoices("id total updatedAt lineItems { id quantity }")
    everything = [event(row) for row in rows()]
    for start in range(0, len(everything), 10_000):
        batch = everything[start : start + 10_000]
        assert await send(january, batch) == (0, len(batch), [])
    for invoice in before[:3]:
        await january.done("invoiceRefresh", "invoice { id }", invoiceId=invoice["id"])
    after = await january.invoices("id total lineItems { id quantity }")
    for invoice in before:
        del invoice["updatedAt"]
    assert {one["id"]: one for one in after} == {one["id"]: one for one in before}


BREAKDOWN = (
    'usageBreakdown(groupBy: ["source", "properties.dest"])'
    " { feature { key } lineItem { name } groups { cost keys { value } } }"
)


async def test_an_invoice_takes_at_most_five_statements(january: Api) -> None:
    (invoice, *_) = await january.invoices("id")
    with counted(january.database) as statements:
        data = await january.query(
            f"""query ($id: ID!) {{ invoice(id: $id) {{
              total customer {{ name }} lineItems {{ name amount feature {{ key }} }} {BREAKDOWN}
            }} }}""",
            {"id": invoice["id"]},
        )
    assert data["invoice"]["usageBreakdown"][0]["groups"]
    assert len(statements) <= 5, statements


@pytest.mark.parametrize("count", [2, 16])
async def test_a_page_of_invoices_takes_at_most_six_statements(january: Api, count: int) -> None:
    with counted(january.database) as statements:
        data = await january.query(
            f"""{{ invoices(first: 100, filter: {{statuses: [DRAFT]
                search: "{"air lines" if count == 2 else ""}"}}) {{ totalCount nodes {{
              total customer {{ name }} lineItems {{ name amount }} {BREAKDOWN}
            }} }} }}""".replace('search: ""', "")
        )
    assert len(data["invoices"]["nodes"]) == count
    assert len(statements) <= 6, statements
