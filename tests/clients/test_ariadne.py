"""ariadne-codegen makes a Python client from the schema and the examples, and it works.

It wants an older graphql-core than the service has, so uv gives it an environment of its own. What
it makes needs httpx and pydantic only, which are here.
"""

import ast
import sys
from collections.abc import Iterator
from decimal import Decimal
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import blocks, commands, run
from tests.support import Api

FOLDER = Path(__file__).with_name("ariadne")
DAY = "2026-01-10T12:00:00Z"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The package that ariadne-codegen makes."""
    place = tmp_path_factory.mktemp("ariadne")
    config = (FOLDER / "ariadne-codegen.toml").read_text()
    elsewhere = config.replace('"generated"', f'"{place}"')
    assert elsewhere != config
    (place / "ariadne-codegen.toml").write_text(elsewhere)
    ((uv, verb, *words),) = commands("ariadne")
    here = {"ariadne-codegen.toml": place / "ariadne-codegen.toml"}
    ours = (sys.executable, "-m", uv, verb, "--python", sys.executable)
    done = run(FOLDER, *ours, *(here.get(word, word) for word in words))
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(place))
    invalidate_caches()
    try:
        yield import_module("billing_client")
    finally:
        sys.path.remove(str(place))


async def metered(api: Api) -> str:
    """A customer that used 3 and 5 on the 10th of January; the subscription's id."""
    customer, feature = (
        await api.customer("acme"),
        await api.feature("calls", "SUM", valueProperty="n"),
    )
    price = {
        "name": "Calls",
        "featureId": feature["id"],
        "model": {"perUnit": {"unitAmount": "0.5"}},
    }
    subscription = await api.subscription(customer, await api.plan("p", [price]))
    for number, (source, used) in enumerate((("EWR", 3), ("JFK", 5))):
        await api.ingest(
            {
                "transactionId": f"t{number}",
                "externalCustomerId": "acme",
                "eventName": "calls",
                "timestamp": DAY,
                "source": source,
                "properties": {"n": used, "dest": "LAX"},
            }
        )
    found: str = subscription["id"]
    return found


async def test_a_python_client_reads_and_changes(made: Any, api: Api, service_url: str) -> None:
    subscription_id = await metered(api)
    async with made.BillingClient(f"{service_url}/graphql", headers=api.headers) as client:
        usage = await client.usage_by_day(external_id="acme", subscription_id=subscription_id)
        assert usage.upcoming_invoice.total == Decimal("4.00")
        await api.advance("2026-02-01T00:00:00Z")
        (draft,) = (await client.invoices()).invoices.nodes
        assert (draft.status, draft.number, draft.total) == ("DRAFT", None, Decimal("4.00"))
        assert made.InvoiceAction.FINALIZE in draft.available_actions
        (invoice,) = (await client.breakdown_by_airport()).invoices.nodes
        groups = invoice.usage_breakdown[0].groups
        assert {one.keys[0].value: one.cost for one in groups} == {
            "EWR": Decimal("1.50"),
            "JFK": Decimal("2.50"),
        }
        split = await client.breakdown_by_destination(external_id="acme")
        assert split.customer.invoices.nodes[0].usage_breakdown[0].difference == 0
        done = (await client.finalize_a_draft(draft.id)).invoice_finalize
        assert (done.invoice.number, done.user_errors) == ("ACM-001-001", [])
        (error,) = (await client.finalize_a_draft(draft.id)).invoice_finalize.user_errors
        assert error.code == made.UserErrorCode.INVALID_STATE
        assert error.status == made.InvoiceStatus.FINALIZED


async def test_the_page_shows_how_it_is_used(
    made: Any, api: Api, service_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await api.one_off(await api.customer(), "12.5", finalize=True)
    (block,) = blocks("python", "python")
    code = compile(block, "docs/bff.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    names = {"url": f"{service_url}/graphql", "key": api.key}
    await eval(code, names)  # noqa: S307 # our own page
    assert capsys.readouterr().out.startswith("ACM-001-001 12.50 [<InvoiceAction.")


async def test_its_errors_have_our_codes(made: Any, api: Api, service_url: str) -> None:
    async with made.BillingClient(f"{service_url}/graphql", headers=api.headers) as client:
        answer = await client.execute("{ invoices(first: 101) { nodes { id } } }")
        with pytest.raises(made.GraphQLClientGraphQLMultiError) as refused:
            client.get_data(answer)
        (error,) = refused.value.errors
        assert error.extensions["code"] == "BAD_USER_INPUT"
    async with made.BillingClient(f"{service_url}/graphql") as client:
        with pytest.raises(made.GraphQLClientHttpError) as unauthenticated:
            await client.invoices()
        assert unauthenticated.value.status_code == 401
