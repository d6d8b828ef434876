"""October to December 2013: airlines billed by tiers, packages and aircraft, clocks changing once.

What is expected comes straight from the CSV, with plain loops over tiers and no code of ours.
"""

import asyncio
import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from billing_gql.store.database import Database
from tests.support import Api, Json, counted, new_organization

FILE = Path(__file__).parents[1] / "data" / "flights-2013-autumn.csv.gz"
NEW_YORK = ZoneInfo("America/New_York")
ALL = "DRAFT, FINALIZED"
CENT = Decimal("0.01")
BATCH = 10_000
STARTS = {
    "2013-10": "2013-10-01T04:00:00Z",
    "2013-11": "2013-11-01T04:00:00Z",
    "2013-12": "2013-12-01T05:00:00Z",  # the clocks went back on 3 November
    "2014-01": "2014-01-01T05:00:00Z",
}
MONTHS = ("2013-10", "2013-11", "2013-12")
LINES = ("Miles", "Departures", "Aircraft")

Row = dict[str, str]
Tier = tuple[int | None, str, str]
"""Its last unit, the price of a unit, and the flat amount."""
MILE_TIERS: tuple[Tier, ...] = (
    (100_000, "0.0173", "0"),
    (1_000_000, "0.0121", "250.00"),
    (5_000_000, "0.0085", "0"),
    (None, "0.00495", "0"),
)
AIRCRAFT_TIERS: tuple[Tier, ...] = (
    (50, "14.505", "0"),
    (250, "11.25", "99.99"),
    (None, "8.40", "0"),
)
PACKAGE = {"amount": "95.00", "size": "25", "freeUnits": "20"}


def graduated(quantity: int) -> Decimal:
    """Each mile at its own tier's price."""
    total, below = Decimal(0), 0
    for up_to, unit, flat in MILE_TIERS:
        if quantity > below:
            last = quantity if up_to is None else min(quantity, up_to)
            total += (last - below) * Decimal(unit) + Decimal(flat)
            below = last
    return total.quantize(CENT, ROUND_HALF_UP)


def package(quantity: int) -> Decimal:
    """Begun packages of 25 departures beyond the 20 free ones."""
    begun = 0
    while 20 + begun * 25 < quantity:
        begun += 1
    return Decimal("95.00") * begun


def volume(quantity: int) -> Decimal:
    """All aircraft at the price of the tier that their number falls in."""
    for up_to, unit, flat in AIRCRAFT_TIERS:
        if quantity and (up_to is None or quantity <= up_to):
            return (quantity * Decimal(unit) + Decimal(flat)).quantize(CENT, ROUND_HALF_UP)
    return Decimal("0.00")


@dataclass
class Used:
    """What an airline, or one group of its departures, used."""

    departures: int = 0
    miles: int = 0
    tails: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        self.departures += 1
        self.miles += int(row["distance_miles"])
        self.tails.add(row["tailnum"])

    @property
    def quantities(self) -> tuple[int, int, int]:
        return self.miles, self.departures, len(self.tails)

    @property
    def amounts(self) -> tuple[Decimal, Decimal, Decimal]:
        return graduated(self.miles), package(self.departures), volume(len(self.tails))


@lru_cache(maxsize=1)
def rows() -> list[Row]:
    return list(csv.DictReader(gzip.decompress(FILE.read_bytes()).decode().splitlines()))


def new_york(row: Row) -> datetime:
    return datetime.fromisoformat(row["timestamp"]).astimezone(NEW_YORK)


def used(key: Callable[[Row], Any], among: Iterable[Row]) -> dict[Any, Used]:
    found: dict[Any, Used] = defaultdict(Used)
    for row in among:
        found[key(row)].add(row)
    return found


@lru_cache(maxsize=1)
def carriers() -> list[str]:
    return sorted({row["carrier"] for row in rows()})


@lru_cache(maxsize=1)
def by_invoice() -> dict[tuple[str, str], list[Row]]:
    """The departures of each carrier and month of New York."""
    found: dict[tuple[str, str], list[Row]] = {
        (carrier, month): [] for carrier in carriers() for month in MONTHS
    }
    for row in rows():
        found[row["carrier"], f"{new_york(row):%Y-%m}"].append(row)
    return found


def event(number: int, row: Row) -> Json:
    return {
        "transactionId": f"departure-{number:05}",
        "externalCustomerId": row["carrier"],
        "eventName": "departure",
        "timestamp": row["timestamp"],
        "source": row["origin"],
        "properties": {
            "carrier": row["carrier"],
            "dest": row["dest"],
            "tailnum": row["tailnum"],
            "distance_miles": int(row["distance_miles"]),
        },
    }


async def send_shuffled(api: Api) -> None:
    """Every departure once and each fifth twice, in no order, two requests at once."""
    random = Random(2013)  # noqa: S311 # the same order each time
    events = [event(number, row) for number, row in enumerate(rows())]
    twice = random.sample(events, len(events) // 5)
    sent = [*events, *twice]
    random.shuffle(sent)
    batches = [sent[start : start + BATCH] for start in range(0, len(sent), BATCH)]
    answers: list[Json] = []

    async def send_one_after_another() -> None:
        while batches:
            body = {"events": batches.pop()}
            response = await api.http.post("/v1/events", json=body, headers=api.headers)
            assert response.status_code == 200, response.text
            answers.append(response.json())

    await asyncio.gather(send_one_after_another(), send_one_after_another())
    assert [answer["errors"] for answer in answers] == [[]] * len(answers)
    assert sum(answer["acceptedCount"] for answer in answers) == len(events) == 82_798
    assert sum(answer["duplicateCount"] for answer in answers) == len(twice)


def tiers(given: Iterable[Tier]) -> Json:
    return {
        "tiers": [
            {"upTo": None if last is None else str(last), "unitAmount": unit, "flatAmount": flat}
            for last, unit, flat in given
        ]
    }


async def make_plan(api: Api) -> Json:
    values: dict[str, Any] = {"eventName": "departure", "dimensions": ["dest", "carrier"]}
    miles = await api.feature("miles", "SUM", valueProperty="distance_miles", **values)
    departures = await api.feature("departures", "COUNT", **values)
    aircraft = await api.feature("aircraft", "UNIQUE_COUNT", valueProperty="tailnum", **values)
    priced = (
        (miles, {"graduated": tiers(MILE_TIERS)}),
        (departures, {"package": PACKAGE}),
        (aircraft, {"volume": tiers(AIRCRAFT_TIERS)}),
    )
    return await api.plan(
        "airline",
        [
            {"name": name, "featureId": feature["id"], "model": model}
            for name, (feature, model) in zip(LINES, priced, strict=True)
        ],
    )


@pytest.fixture(scope="module")
async def autumn(http: httpx.AsyncClient, database: Database) -> Api:
    """Sixteen airlines with three months of departures, billed on 2 January."""
    api = await new_organization(
        http, database, timezone="America/New_York", clock=datetime(2013, 9, 30, tzinfo=UTC)
    )
    plan = await make_plan(api)
    for carrier in carriers():
        customer = await api.customer(carrier)
        await api.subscription(
            customer, plan, startedAt=STARTS["2013-10"], billingAnchor="CALENDAR"
        )
    await send_shuffled(api)
    await api.advance("2014-01-02T12:00:00Z")
    return api


async def usage_invoices(api: Api, selection: str) -> dict[tuple[str, str], Json]:
    """Every invoice by carrier and month."""
    months = {start: month for month, start in STARTS.items()}
    found = await api.invoices(f"periodStart customer {{ externalId }} {selection}", ALL)
    assert len(found) == 48
    return {(one["customer"]["externalId"], months[one["periodStart"]]): one for one in found}


async def test_each_airline_pays_what_the_file_says(autumn: Api) -> None:
    ends = dict(pairwise(STARTS.values()))
    found = await usage_invoices(
        autumn,
        "total subtotal periodEnd lineItems { type name quantity amount eventCount periodStart"
        " periodEnd pricingSteps { amount } }",
    )
    assert set(found) == set(by_invoice())
    for (carrier, month), invoice in found.items():
        one = used(lambda row: None, by_invoice()[carrier, month])[None]
        start = STARTS[month]
        period = {"periodStart": start, "periodEnd": ends[start]}
        lines = [
            {
                "type": "USAGE",
                "name": name,
                "quantity": str(quantity),
                "amount": str(amount),
                "eventCount": one.departures,
                **period,
            }
            for name, quantity, amount in zip(LINES, one.quantities, one.amounts, strict=True)
        ]
        for line in invoice["lineItems"]:
            steps = [Decimal(step["amount"]) for step in line.pop("pricingSteps")]
            assert sum(steps, Decimal(0)).quantize(CENT, ROUND_HALF_UP) == Decimal(line["amount"])
        assert invoice["lineItems"] == lines, (carrier, month)
        assert invoice["total"] == invoice["subtotal"] == str(sum(one.amounts))
        assert invoice["periodEnd"] == ends[start]


def test_the_file_reaches_every_tier_and_crosses_months() -> None:
    """What the other tests stand on: a wrong zone, tier or free unit would show."""
    sums = [used(lambda row: None, some)[None] for some in by_invoice().values()]
    for tiers_, place in ((MILE_TIERS, 0), (AIRCRAFT_TIERS, 2)):
        below = 0
        for up_to, _, _ in tiers_:
            inside = [one for one in sums if below < one.quantities[place] <= (up_to or 10**9)]
            assert inside, up_to
            below = up_to or below
    assert any(0 < one.departures <= 20 for one in sums)
    assert by_invoice()["OO", "2013-10"] == []
    in_utc = Counter(row["timestamp"][:7] for row in rows())
    in_new_york = Counter(f"{new_york(row):%Y-%m}" for row in rows())
    assert in_utc != in_new_york
    assert set(in_new_york) == set(MONTHS)


GROUPINGS: dict[str, Callable[[Row], tuple[str, ...]]] = {
    "source": lambda row: (row["origin"],),
    "properties.dest": lambda row: (row["dest"],),
    "properties.carrier": lambda row: (row["carrier"],),
    "source, properties.dest": lambda row: (row["origin"], row["dest"]),
    "properties.tailnum": lambda row: (row["tailnum"],),  # no dimension: from raw events
}


@pytest.mark.parametrize("grouping", GROUPINGS)
async def test_breakdowns_sum_to_their_line(autumn: Api, grouping: str) -> None:
    keys = ", ".join(f'"{key}"' for key in grouping.split(", "))
    found = await usage_invoices(
        autumn,
        f"usageBreakdown(groupBy: [{keys}]) {{ feature {{ key }} invoicedAmount"
        " groups { keys { value } usage cost percentage eventCount } }",
    )
    for which, invoice in found.items():
        rows_ = by_invoice()[which]
        whole = used(lambda row: None, rows_)[None]
        groups = used(GROUPINGS[grouping], rows_)
        keys_ = ["miles", "departures", "aircraft"]
        assert [one["feature"]["key"] for one in invoice["usageBreakdown"]] == keys_
        for place, one in enumerate(invoice["usageBreakdown"]):
            assert Decimal(one["invoicedAmount"]) == whole.amounts[place]
            wanted = {
                key: (sums.quantities[place], sums.departures) for key, sums in groups.items()
            }
            check_groups(one["groups"], wanted, whole.amounts[place])


def check_groups(
    groups: list[Json], wanted: dict[tuple[str, ...], tuple[int, int]], amount: Decimal
) -> None:
    """Usage, events and shares of a line's groups; each cost is within a cent of its proportion."""
    shown = {tuple(key["value"] for key in one["keys"]): one for one in groups}
    assert len(shown) == len(groups)
    assert {key: (int(one["usage"]), one["eventCount"]) for key, one in shown.items()} == wanted
    if not groups:
        return
    assert sum(Decimal(one["cost"]) for one in groups) == amount
    assert sum(Decimal(one["percentage"]) for one in groups) == 100
    together = sum(usage for usage, _ in wanted.values())
    for key, (usage, _) in wanted.items():
        cost = Decimal(shown[key]["cost"])
        assert abs(cost * together - amount * usage) < CENT * together, key
    assert [Decimal(one["cost"]) for one in groups] == sorted(
        (Decimal(one["cost"]) for one in groups), reverse=True
    )


async def test_what_is_counted_again_from_events_is_what_was_billed(autumn: Api) -> None:
    found = await usage_invoices(
        autumn,
        'usageBreakdown(groupBy: ["properties.dest"], forceRuntimeRecalculation: true) {'
        " invoicedAmount recalculatedAmount difference groups { usage cost } }",
    )
    for invoice in found.values():
        for one in invoice["usageBreakdown"]:
            assert one["recalculatedAmount"] == one["invoicedAmount"]
            assert one["difference"] == "0.00"


async def test_days_of_november_are_new_yorks(autumn: Api) -> None:
    data = await autumn.query(
        """query ($from: DateTime!, $to: DateTime!) { customer(externalId: "UA") {
             usage(periodStart: $from, periodEnd: $to, window: DAY) {
               feature { key } windowStart quantity } } }""",
        {"from": STARTS["2013-11"], "to": STARTS["2013-12"]},
    )
    days = used(lambda row: f"{new_york(row):%Y-%m-%d}", by_invoice()["UA", "2013-11"])
    found = {
        (one["feature"]["key"], local_day(one["windowStart"])): int(one["quantity"])
        for one in data["customer"]["usage"]
    }
    wanted = {
        (key, day): quantity
        for day, one in days.items()
        for key, quantity in zip(("miles", "departures", "aircraft"), one.quantities, strict=True)
    }
    assert len(wanted) == 90
    assert found == wanted


def local_day(instant: str) -> str:
    return f"{datetime.fromisoformat(instant).astimezone(NEW_YORK):%Y-%m-%d}"


BREAKDOWN = (
    'usageBreakdown(groupBy: ["source", "properties.dest"])'
    " { feature { key } lineItem { name } groups { cost keys { value } } }"
)
SHOWN = f"total customer {{ name }} lineItems {{ name amount feature {{ key }} }} {BREAKDOWN}"


async def test_an_invoice_takes_at_most_five_statements(autumn: Api) -> None:
    found = await usage_invoices(autumn, "id")
    with counted(autumn.database) as statements:
        data = await autumn.query(
            f"query ($id: ID!) {{ invoice(id: $id) {{ {SHOWN} }} }}",
            {"id": found["UA", "2013-11"]["id"]},
        )
    assert len(data["invoice"]["usageBreakdown"]) == 3
    assert len(statements) <= 5, statements


@pytest.mark.parametrize("first", [1, 48])
async def test_a_page_of_invoices_takes_at_most_six_statements(autumn: Api, first: int) -> None:
    with counted(autumn.database) as statements:
        data = await autumn.query(
            f"""query ($first: Int) {{ invoices(first: $first, filter: {{
                  statuses: [DRAFT, FINALIZED]}}) {{ totalCount nodes {{ {SHOWN} }} }} }}""",
            {"first": first},
        )
    assert len(data["invoices"]["nodes"]) == first
    assert len(statements) <= 6, statements


NESTED = """query ($first: Int) { customers(first: $first) { nodes { name
  invoices(first: 4, filter: {statuses: [DRAFT, FINALIZED]}) {
    totalCount nodes { id total lineItems { name feature { key } } } }
  subscriptions(first: 4) { nodes { invoices(first: 4) { nodes { id } } plan {
    prices { feature { key } } } } } } } }"""


async def test_nested_lists_take_as_many_statements_for_16_customers_as_for_one(
    autumn: Api,
) -> None:
    taken = []
    for first in (1, 16):
        with counted(autumn.database) as statements:
            nodes = (await autumn.query(NESTED, {"first": first}))["customers"]["nodes"]
        assert [node["invoices"]["totalCount"] for node in nodes] == [3] * first
        taken.append(len(statements))
    assert taken[0] == taken[1] <= 15, taken
