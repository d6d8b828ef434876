"""Lists of invoices: every filter includes and excludes, every sort orders, every page is whole."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
import pytest

from billing_gql.store.database import Database
from tests.support import Api, Json, new_organization

PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
ALL = "statuses: [DRAFT, FINALIZED, VOIDED]"


class Books:
    """A company with an invoice of every kind, by name."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.ids: dict[str, str] = {}
        self.customers: dict[str, str] = {}
        self.subscription = ""

    async def add(self, name: str, customer: str, amount: str, **values: object) -> None:
        invoice = await self.api.one_off({"id": self.customers[customer]}, amount, **values)
        self.ids[name] = invoice["id"]

    def names(self, nodes: Sequence[Json]) -> list[str]:
        by_id = {one: name for name, one in self.ids.items()}
        return [by_id[node["id"]] for node in nodes]

    async def found(self, filters: str) -> set[str]:
        """The names that a filter lets through, which must be as many as it counts."""
        data = await self.api.query(
            f"{{ invoices(first: 100, filter: {{{filters}}}) {{ totalCount nodes {{ id }} }} }}"
        )
        nodes = data["invoices"]["nodes"]
        assert data["invoices"]["totalCount"] == len(nodes)
        names = self.names(nodes)
        assert len(set(names)) == len(names)
        return set(names)


@pytest.fixture(scope="module")
async def books(http: httpx.AsyncClient, database: Database) -> Books:
    """Finalized on 1, 10 and 20 January and 15 February; the present is 28 February."""
    api = await new_organization(http, database, clock=datetime(2026, 1, 1, tzinfo=UTC))
    books = Books(api)
    for external_id, values in {
        "acme": {"email": "billing@acme.test"},
        "100%_sure\\": {"name": "Strange"},
        "1000Xsure": {"name": "Plain"},
        "tokyo": {"currency": "JPY", "timezone": "Asia/Tokyo"},
    }.items():
        customer = await api.customer(external_id, **values)
        books.customers[external_id] = customer["id"]
    plan = await api.plan("p", [{"name": "Access", "model": {"flat": {"amount": "30"}}}])
    subscription = await api.subscription({"id": books.customers["acme"]}, plan)
    books.subscription = subscription["id"]
    await books.add("first", "acme", "10", finalize=True, metadata={"team": "east", "n": 1})
    await api.advance("2026-01-10T12:00:00Z")
    await books.add("tie a", "100%_sure\\", "20", finalize=True, metadata={"team": "east"})
    await books.add("tie b", "1000Xsure", "20", finalize=True, dueDate="2026-04-30")
    await api.advance("2026-01-20T20:00:00Z")
    await books.add("yen", "tokyo", "500", finalize=True)
    await books.add("free", "acme", "0", finalize=True)
    await books.add("void", "acme", "15", finalize=True)
    await api.done("invoiceVoid", "invoice { id }", invoiceId=books.ids["void"])
    await books.add("draft", "acme", "40", metadata={"team": "west"})
    await api.advance("2026-02-15T00:00:00Z")
    (cycle,) = [
        one
        for one in await api.invoices("id invoiceType", "DRAFT, FINALIZED")
        if one["invoiceType"] == "SUBSCRIPTION"
    ]
    books.ids["cycle"] = cycle["id"]
    await books.add("late", "100%_sure\\", "10.01", finalize=True, dueDate="2026-02-20")
    await api.advance("2026-02-28T00:00:00Z")
    return books


NORMAL = {"first", "tie a", "tie b", "yen", "free", "cycle", "late"}
FILTERS: dict[str, set[str]] = {
    "": NORMAL,
    "statuses: null": NORMAL,
    "statuses: [FINALIZED]": NORMAL,
    "statuses: [DRAFT]": {"draft"},
    "statuses: [VOIDED]": {"void"},
    "statuses: [DRAFT, VOIDED]": {"draft", "void"},
    "statuses: []": set(),
    "paymentStatuses: [PAID]": {"free"},
    "paymentStatuses: [PENDING]": {"tie b", "cycle"},
    "paymentStatuses: [PENDING, PAID]": {"tie b", "cycle", "free"},
    "paymentStatuses: [OVERPAID, PARTIALLY_PAID]": set(),
    "invoiceTypes: [SUBSCRIPTION]": {"cycle"},
    "invoiceTypes: [ONE_TIME]": NORMAL - {"cycle"},
    'externalCustomerId: "acme"': {"first", "free", "cycle"},
    'externalCustomerId: "acm"': set(),
    'currency: "JPY"': {"yen"},
    'currency: "USD"': NORMAL - {"yen"},
    'issueDateFrom: "2026-01-10"': NORMAL - {"first"},
    'issueDateFrom: "2026-01-11", issueDateTo: "2026-01-20"': {"free"},
    'issueDateFrom: "2026-01-21", issueDateTo: "2026-01-21"': {"yen"},
    'issueDateTo: "2026-01-09"': {"first"},
    f'{ALL}, issueDateFrom: "1970-01-01"': NORMAL | {"void"},
    'dueDateFrom: "2026-04-30"': {"tie b"},
    'dueDateTo: "2026-04-29"': NORMAL - {"tie b"},
    'dueDateFrom: "2026-02-20", dueDateTo: "2026-02-20"': {"late", "yen"},
    'totalFrom: "20"': {"tie a", "tie b", "yen", "cycle"},
    'totalFrom: "20.01"': {"yen", "cycle"},
    'totalTo: "10"': {"first", "free"},
    'totalTo: "10.01"': {"first", "free", "late"},
    'totalFrom: "10.000", totalTo: "10.00"': {"first"},
    'totalFrom: "30", totalTo: "20"': set(),
    "isOverdue: false": {"tie b", "cycle", "free"},
    "isOverdue: true": {"first", "tie a", "yen", "late"},
    "paymentStatuses: [UNPAID]": {"first", "tie a", "yen", "late"},
    'metadata: {team: "east"}': {"first", "tie a"},
    'metadata: {team: "east", n: 1}': {"first"},
    'metadata: {team: "east", n: 1.0}': {"first"},
    'metadata: {team: "east", n: "1"}': set(),
    f'{ALL}, metadata: {{team: "west"}}': {"draft"},
    "metadata: {}": NORMAL,
    'search: "ACME"': {"first", "free", "cycle"},
    'search: "Billing@"': {"first", "free", "cycle"},
    'search: "strange"': {"tie a", "late"},
    'search: "%_sure"': {"tie a", "late"},
    'search: "0%"': {"tie a", "late"},
    'search: "sure"': {"tie a", "tie b", "late"},
    'search: "0_"': set(),
    r'search: "e\\"': {"tie a", "late"},
    r'search: "\\"': {"tie a", "late"},
    'search: "%"': {"tie a", "late"},
    'search: "-001-00"': {"first", "free", "cycle"},
    'search: "nothing"': set(),
    'externalCustomerId: "acme", invoiceTypes: [ONE_TIME], totalFrom: "1"': {"first"},
}


@pytest.mark.parametrize("filters", FILTERS)
async def test_a_filter_lets_through_what_it_says_and_nothing_else(
    books: Books, filters: str
) -> None:
    assert await books.found(filters) == FILTERS[filters]


async def test_overdue_and_unpaid_are_the_same_facts(books: Books) -> None:
    overdue = await books.found("isOverdue: true")
    assert overdue == await books.found("paymentStatuses: [UNPAID]")
    assert overdue | await books.found("isOverdue: false") == NORMAL
    for name, invoice_id in books.ids.items():
        data = await books.api.query(f'{{ invoice(id: "{invoice_id}") {{ isOverdue }} }}')
        assert data["invoice"]["isOverdue"] == (name in overdue)


async def test_customers_and_subscriptions_are_filtered_by_id(books: Books, other: Api) -> None:
    acme = books.customers["acme"]
    assert await books.found(f'customerId: "{acme}"') == {"first", "free", "cycle"}
    assert await books.found(f'customerId: "{acme}", externalCustomerId: "tokyo"') == set()
    assert await books.found(f'subscriptionId: "{books.subscription}"') == {"cycle"}
    theirs = await other.customer("acme")
    await other.one_off(theirs, "10", finalize=True)
    for foreign in (f'customerId: "{theirs["id"]}"', 'customerId: "nope"', 'subscriptionId: "x"'):
        assert await books.found(foreign) == set()


SORTED = {
    "ISSUE_DATE": ["first", "tie a", "tie b", "free", "yen", "cycle", "late"],
    "CREATED_AT": ["first", "tie a", "tie b", "yen", "free", "cycle", "late"],
    "TOTAL": ["free", "first", "late", "tie a", "tie b", "cycle", "yen"],
}


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("direction", ["ASC", "DESC"])
@pytest.mark.parametrize("field", ["ISSUE_DATE", "CREATED_AT", "DUE_DATE", "TOTAL"])
async def test_pages_give_each_invoice_once_and_in_order_either_way(
    books: Books, field: str, direction: str, size: int
) -> None:
    arguments = f"sort: {{field: {field}, direction: {direction}}}, filter: {{{ALL}}}"
    forward = await walk(books.api, arguments, "first", "after", size)
    backward = await walk(books.api, arguments, "last", "before", size)
    whole = [node for page in forward for node in page]
    assert len(whole) == len({node["id"] for node in whole}) == len(books.ids)
    assert [node for page in backward[::-1] for node in page] == whole
    name = {"ISSUE_DATE": "issueDate", "CREATED_AT": "createdAt", "DUE_DATE": "dueDate"}.get(field)
    keys = [
        (float(node["total"]) if name is None else node[name] or "9999", node["id"])
        for node in whole
    ]
    assert keys == sorted(keys, reverse=direction == "DESC")
    assert any(a[0] == b[0] for a, b in itertools.pairwise(keys))
    shown = [name for name in books.names(whole) if name in NORMAL]
    if field in SORTED:
        assert shown == SORTED[field][:: 1 if direction == "ASC" else -1]


async def walk(
    api: Api, arguments: str, size_name: str, cursor_name: str, size: int
) -> list[list[Json]]:
    """Every page, from the first or from the last, until the list says that it ends."""
    pages: list[list[Json]] = []
    cursor: str | None = None
    while True:
        data = await api.query(
            f"query ($cursor: String) {{ invoices({size_name}: {size}, {cursor_name}: $cursor,"
            f" {arguments}) {{ {PAGE} totalCount edges {{ cursor node {{ id }} }}"
            " nodes { id total issueDate dueDate createdAt } } }",
            {"cursor": cursor},
        )
        found = data["invoices"]
        info = found["pageInfo"]
        assert [edge["node"]["id"] for edge in found["edges"]] == [n["id"] for n in found["nodes"]]
        assert info["startCursor"] == found["edges"][0]["cursor"]
        assert info["endCursor"] == found["edges"][-1]["cursor"]
        ahead, behind = ("hasNextPage", "hasPreviousPage")
        if size_name == "last":
            ahead, behind = behind, ahead
        assert info[behind] == (cursor is not None)
        pages.append(found["nodes"])
        if not info[ahead]:
            return pages
        assert len(found["nodes"]) == size
        cursor = info["endCursor" if size_name == "first" else "startCursor"]


async def test_the_default_is_the_newest_issue_date_and_25_a_page(api: Api) -> None:
    customer = await api.customer()
    ids = [(await api.one_off(customer, "1", finalize=True))["id"] for _ in range(27)]
    page = (await api.query(f"{{ invoices {{ totalCount {PAGE} nodes {{ id }} }} }}"))["invoices"]
    assert page["totalCount"] == 27
    assert page["pageInfo"]["hasNextPage"] is True
    assert [node["id"] for node in page["nodes"]] == ids[:1:-1]


async def test_cursors_hold_while_newer_invoices_come_in_front(api: Api) -> None:
    customer = await api.customer()
    older = [(await api.one_off(customer, "5", finalize=True))["id"] for _ in range(7)]
    query = f"""query ($after: String) {{
      invoices(first: 3, after: $after) {{ {PAGE} nodes {{ id }} }} }}"""
    seen: list[str] = []
    after = None
    for _ in range(3):
        page = (await api.query(query, {"after": after}))["invoices"]
        seen += [node["id"] for node in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        await api.advance(f"2026-01-{10 + len(seen):02}T00:00:00Z")
        await api.one_off(customer, "5", finalize=True)
    assert seen == older[::-1]
    assert page["pageInfo"]["hasNextPage"] is False


async def test_another_organizations_invoices_never_show(api: Api, other: Api) -> None:
    mine = await api.one_off(await api.customer(), "5", finalize=True)
    theirs = await other.one_off(await other.customer(), "5", finalize=True)
    for filters in ("", 'search: "acme"', 'externalCustomerId: "acme"', 'totalFrom: "5"', ALL):
        data = await api.query(
            f"{{ invoices(filter: {{{filters}}}) {{ totalCount nodes {{ id }} }} }}"
        )
        assert data["invoices"] == {"totalCount": 1, "nodes": [{"id": mine["id"]}]}
    cursor = (await other.query("{ invoices { edges { cursor } } }"))["invoices"]["edges"][0]
    page = await api.query(f'{{ invoices(after: "{cursor["cursor"]}") {{ nodes {{ id }} }} }}')
    assert theirs["id"] not in [node["id"] for node in page["invoices"]["nodes"]]
    assert (await api.query(f'{{ invoice(id: "{theirs["id"]}") {{ id }} }}'))["invoice"] is None
    found = await api.query(f'{{ invoice(number: "{mine["number"]}") {{ id }} }}')
    assert found["invoice"] == {"id": mine["id"]}
