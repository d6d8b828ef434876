"""What browsers may send: nothing that a page could send behind its user's back."""

from collections.abc import AsyncIterator

import httpx
import pytest

from billing_gql.app import make_app
from billing_gql.settings import Settings
from billing_gql.store.database import Database
from tests.serving import serving
from tests.support import Api

ALLOWED = "https://app.example.com"
QUERY = "{ organization { name } }"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture(scope="module")
async def shared(database: Database) -> AsyncIterator[httpx.AsyncClient]:
    """A service that pages of two origins may call."""
    settings = Settings(cors_origins=f"{ALLOWED}, http://localhost:3000")
    async with (
        serving(make_app(settings, database)) as address,
        httpx.AsyncClient(base_url=address) as http,
    ):
        yield http


@pytest.mark.parametrize("origin", [ALLOWED, "http://localhost:3000"])
@pytest.mark.parametrize("path", ["/graphql", "/v1/events"])
async def test_an_allowed_origin_may_call(
    shared: httpx.AsyncClient, api: Api, origin: str, path: str
) -> None:
    asked = await shared.options(path, headers={"Origin": origin, **PREFLIGHT})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == origin
    assert "access-control-allow-credentials" not in asked.headers
    response = await shared.post(
        path, json={"query": QUERY}, headers={"Origin": origin, **api.headers}
    )
    assert response.headers["access-control-allow-origin"] == origin
    assert "Origin" in response.headers["vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://app.example.com.evil.example", "null"]
)
async def test_another_origin_may_not(shared: httpx.AsyncClient, api: Api, origin: str) -> None:
    asked = await shared.options("/graphql", headers={"Origin": origin, **PREFLIGHT})
    assert asked.status_code == 400
    answered = await shared.get(
        "/graphql", params={"query": QUERY}, headers={"Origin": origin, **api.headers}
    )
    for response in (asked, answered):
        assert "access-control-allow-origin" not in response.headers


async def test_without_the_setting_no_origin_may(api: Api) -> None:
    headers = {"Origin": ALLOWED, **PREFLIGHT}
    asked = await api.http.options("/graphql", headers=headers)
    assert asked.status_code == 405
    answered = await api.http.post("/graphql", json={"query": QUERY}, headers=api.headers)
    for response in (asked, answered):
        assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("origins", ["*", "app.example.com", "https://a.example/", "ftp://a.b"])
def test_what_is_no_origin_is_no_setting(origins: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        Settings(cors_origins=origins)


@pytest.mark.parametrize("path", ["/graphql", "/v1/events"])
async def test_nothing_that_a_browser_sends_by_itself_opens_anything(api: Api, path: str) -> None:
    """A GET by an image or a link, a POST by a form: neither can carry the header with the key."""
    ambient = {"Cookie": f"key={api.key}; Authorization=Bearer {api.key}", "Origin": ALLOWED}
    inside = {"query": QUERY, "key": api.key, "authorization": f"Bearer {api.key}"}
    got = await api.http.get(path, params=inside, headers=ambient)
    posted = await api.http.post(path, json=inside, headers=ambient)
    sent = await api.http.post(path, data=inside, headers=ambient)
    assert got.status_code == (401 if path == "/graphql" else 405)
    assert posted.status_code == 401
    assert sent.status_code in (401, 415)
    assert all("data" not in one.json() for one in (got, posted, sent))


@pytest.mark.parametrize("path", ["/graphql", "/v1/events"])
async def test_head_is_refused_without_a_body(api: Api, path: str) -> None:
    response = await api.http.head(path, params={"query": QUERY}, headers=api.headers)
    assert response.status_code == 405
    assert "POST" in response.headers["allow"]
    assert response.content == b""
