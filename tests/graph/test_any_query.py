"""Whatever the schema lets a caller say is answered as the schema says, and never with a fault.

schemathesis makes the documents. Subscriptions are left out: an update comes when it comes, so a
stream has no answer to wait for; test_live_sockets.py and test_persisted_streams.py have them.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import requests
from graphql import parse, print_ast
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from schemathesis import Case
from schemathesis.checks import not_a_server_error

from billing_gql.store.database import Database
from tests.graph.any_query import SCHEMA, made_fit, operations
from tests.graph.conform import departures
from tests.graph.every_kind import every_kind
from tests.support import Api, assert_books_are_right, new_organization

EXAMPLES = 6
"""Documents for each field."""
MUST_RUN = 0.6
"""The part of them that must have got past validation and limits."""
REFUSALS = {"BAD_USER_INPUT", "BAD_REQUEST", "QUERY_TOO_COMPLEX", "TOO_MANY_TOKENS"}
"""What may be in `errors`; anything else is a fault, or a document that is not ours to send."""
OPERATIONS = operations()
FIELDS = [
    (root.name, name)
    for root in (SCHEMA.query_type, SCHEMA.mutation_type)
    if root
    for name in root.fields
]


@dataclass
class Seen:
    """What came of the documents."""

    sent: int = 0
    run: int = 0


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same documents whatever else the process has loaded: Hypothesis would try constants of
    the modules that happen to be there."""
    monkeypatch.setattr(providers, "_get_local_constants", Constants)
    providers.CONSTANTS_CACHE.cache.clear()


def ask(
    case: Case[Any], session: requests.Session, url: str, api: Api, ids: dict[str, str]
) -> bool:
    """Sends the document and looks at the answer; whether it was run."""
    document = made_fit(str(case.body), ids)
    case.body = print_ast(document)
    response = case.call(base_url=f"{url}/graphql", headers=api.headers, session=session)
    case.validate_response(response, checks=[not_a_server_error])
    assert response.status_code == 200, response.text
    answer = response.json()
    assert set(answer) <= {"data", "errors", "extensions"}
    for error in answer.get("errors", []):
        assert error["extensions"]["code"] in REFUSALS, (error, case.body)
    if "data" not in answer:
        assert answer["errors"]
        return False
    assert set(answer["extensions"]["cost"]) == {"requested", "limit"}
    assert answer["data"] is not None or answer["errors"]
    if answer["data"] is not None:
        assert departures(SCHEMA, document, answer["data"]) == [], case.body
    return True


@pytest.fixture(scope="module")
async def kept(http: httpx.AsyncClient, database: Database) -> tuple[Api, dict[str, str]]:
    """An organization that is only read, with the ids of what it has."""
    api = await new_organization(http, database)
    return api, await every_kind(api)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(("root", "name"), FIELDS)
async def test_any_document_is_answered_by_the_schema(
    kept: tuple[Api, dict[str, str]], other: Api, service_url: str, root: str, name: str
) -> None:
    api, ids = kept if root == "Query" else (other, await every_kind(other))
    seen = Seen()
    session = requests.Session()

    @seed(20260101)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=OPERATIONS[root][name].as_strategy())
    def send(case: Case[Any]) -> None:
        seen.sent += 1
        seen.run += ask(case, session, service_url, api, ids)

    with session:
        # The service runs in this loop, so schemathesis, which blocks, goes beside it.
        await asyncio.to_thread(send)
    assert seen.run >= seen.sent * MUST_RUN, seen
    if root == "Mutation":
        await assert_books_are_right(api)


@pytest.mark.parametrize(
    ("selection", "value"),
    [
        ("name", {"name": None}),
        ("name", {}),
        ("name", {"name": "a", "id": "org_1"}),
        ("now", {"now": "2026-01-01T00:00:00+00:00"}),
        ("defaultCurrency", {"defaultCurrency": "usd"}),
        ("mode", {"mode": "NONE"}),
        ("__typename", {"__typename": "Plan"}),
    ],
)
def test_a_wrong_answer_is_seen(selection: str, value: object) -> None:
    document = parse(f"{{ organization {{ {selection} }} }}")
    assert len(departures(SCHEMA, document, {"organization": value})) == 1
