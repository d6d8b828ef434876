"""A Stripe of our own, in a process of its own: the package localstripe, and what it lacks.

localstripe keeps the objects and their states. Added here, after Stripe's documentation:
idempotency keys, keys of two accounts, errors of cards as Stripe words them, lists by customer and
time, some parameters, and the troubles of a network. What is under /_config/fake/ is for tests.
"""

import asyncio
import hashlib
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
from aiohttp import web
from localstripe.resources import Charge, PaymentIntent, Refund, store  # type: ignore[import-untyped] # has no types
from localstripe.server import app  # type: ignore[import-untyped] # the same
from multidict import MultiDict, MultiDictProxy

KEYS = ("sk_live_right", "sk_test_right")
NOT_STORED_HERE = ("description", "automatic_payment_methods")
INSTEAD = {
    "limited": (429, "invalid_request_error", "Too many requests", "rate_limit"),
    "gone": (400, "invalid_request_error", "No such PaymentMethod: 'pm_1'", "resource_missing"),
    "broken before": (500, "api_error", "Something is broken", None),
}
"""Troubles in which nothing is done."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Trouble:
    """What is to go wrong with the next `times` requests whose path has `path` in it."""

    kind: str
    path: str
    times: int


@dataclass
class Asked:
    """What is remembered of an idempotency key."""

    what: bytes
    status: int | None = None
    body: bytes = b""


@dataclass
class State:
    """All that is remembered beside localstripe's store."""

    troubles: list[Trouble] = field(default_factory=list)
    requests: list[dict[str, object]] = field(default_factory=list)
    keys: dict[tuple[str, str], Asked] = field(default_factory=dict)
    slow: int = 0
    """How many of the next PaymentIntents stay under way."""
    owners: dict[str, str] = field(default_factory=dict)
    """By which key an object was made."""


state = State()


def error(status: int, kind: str, message: str, **more: object) -> web.Response:
    """An error in Stripe's shape."""
    return web.json_response({"error": {"type": kind, "message": message, **more}}, status=status)


@web.middleware
async def as_stripe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Everything that localstripe does not do, around what it does."""
    if not request.path.startswith("/v1/"):
        return await handler(request)
    secret = request.headers.get("Authorization", "").removeprefix("Bearer ")
    key = request.headers.get("Idempotency-Key", "")
    state.requests.append(
        {"method": request.method, "path": request.path, "secret": secret, "key": key}
    )
    if secret not in KEYS:
        return error(401, "invalid_request_error", f"Invalid API Key provided: {secret[:8]}***")
    trouble = _trouble(request.path)
    if trouble == "slow":
        await asyncio.sleep(0.5)
    if trouble in INSTEAD:
        status, kind, message, code = INSTEAD[trouble]
        return error(status, kind, message, code=code)
    response = await _once(request, handler, secret, key)
    match trouble:
        case "lost":
            if request.transport is not None:
                request.transport.close()
        case "broken after":
            return error(500, "api_error", "Something is broken")
        case "hangs":
            await asyncio.sleep(30)
    return response


def _trouble(path: str) -> str | None:
    for trouble in state.troubles:
        if trouble.path in path and trouble.times > 0:
            trouble.times -= 1
            return trouble.kind
    return None


async def _once(request: web.Request, handler: Handler, secret: str, key: str) -> web.Response:
    """The first answer again for a key that was used before."""
    body = await request.read()
    what = hashlib.sha256(f"{request.method} {request.path} ".encode() + body).digest()
    if request.method != "POST" or not key:
        return await _answer(request, handler, secret)
    earlier = state.keys.get((secret, key))
    if earlier is None:
        asked = state.keys[secret, key] = Asked(what)
        # Long enough for another with the same key to come meanwhile.
        await asyncio.sleep(0.02)
        response = await _answer(request, handler, secret)
        asked.status, asked.body = response.status, _bytes(response)
        return response
    if earlier.what != what:
        return error(400, "idempotency_error", "Keys can only be used with the same parameters")
    if earlier.status is None:
        return error(409, "invalid_request_error", "In use", code="idempotency_key_in_use")
    return web.Response(
        body=earlier.body,
        status=earlier.status,
        content_type="application/json",
        headers={"Idempotent-Replayed": "true"},
    )


async def _answer(request: web.Request, handler: Handler, secret: str) -> web.Response:
    thing = request.match_info.get("id", "")
    if state.owners.get(thing, secret) != secret:
        return error(404, "invalid_request_error", f"No such object: {thing}")
    if request.path == "/v1/payment_intents":
        if request.method == "GET":
            return _list(request, secret)
        if not await _drop_what_is_not_known(request):
            return error(400, "invalid_request_error", "You must provide a return_url")
    response = await handler(request)
    if not isinstance(response, web.Response):
        raise TypeError("localstripe answers whole")
    return _in_stripes_words(request, response, secret)


async def _drop_what_is_not_known(request: web.Request) -> bool:
    """Takes away what localstripe refuses; whether Stripe would take what is sent."""
    form = dict(await request.post())
    offered = form.get("automatic_payment_methods[allow_redirects]")
    for name in [one for one in form if one.partition("[")[0] in NOT_STORED_HERE]:
        del form[name]
    # What localstripe reads, in place of what was sent.
    request._post = MultiDictProxy(MultiDict(form))
    return offered == "never" or "return_url" in form


def _in_stripes_words(request: web.Request, response: web.Response, secret: str) -> web.Response:
    """Errors with what Stripe tells in them; remembers whose the new object is."""
    found = msgspec.json.decode(_bytes(response))
    if response.status == 402:
        charge = store[f"charge:{found['error']['charge']}"]
        intent = store[f"payment_intent:{charge.payment_intent}"]
        state.owners[intent.id] = secret
        found["error"] |= {"type": "card_error", "payment_intent": intent._export()}
        return web.json_response(found, status=402)
    if response.status == 404:
        found["error"]["code"] = "resource_missing"
        return web.json_response(found, status=404)
    if request.method == "POST" and response.status == 200 and "id" in found:
        state.owners.setdefault(found["id"], secret)
        if found["object"] == "payment_intent" and state.slow > 0:
            state.slow -= 1
            store[f"payment_intent:{found['id']}"].latest_charge.status = "pending"
            return web.json_response(store[f"payment_intent:{found['id']}"]._export())
    return response


def _bytes(response: web.Response) -> bytes:
    body = response.body
    return body if isinstance(body, bytes) else b""


def _list(request: web.Request, secret: str) -> web.Response:
    """Newest first, as Stripe does; made by this key."""
    since = int(request.query.get("created[gte]", "0"))
    limit = int(request.query.get("limit", "10"))
    found = [
        one
        for one in reversed(list(store.values()))
        if isinstance(one, PaymentIntent)
        and state.owners.get(one.id) == secret
        and one.customer == request.query["customer"]
        and one.created >= since
    ]
    after = request.query.get("starting_after")
    if after is not None:
        found = found[[one.id for one in found].index(after) + 1 :]
    return web.json_response(
        {
            "object": "list",
            "url": "/v1/payment_intents",
            "has_more": len(found) > limit,
            "data": [one._export() for one in found[:limit]],
        }
    )


async def reset(_: web.Request) -> web.Response:
    """A new test: no troubles, nothing asked."""
    state.troubles.clear()
    state.requests.clear()
    state.slow = 0
    return web.Response()


async def trouble(request: web.Request) -> web.Response:
    """Something is to go wrong."""
    told = Trouble(**await request.json())
    if told.kind == "processing":
        state.slow += told.times
    else:
        state.troubles.append(told)
    return web.Response()


async def forget(_: web.Request) -> web.Response:
    """A day has passed: idempotency keys are gone."""
    state.keys.clear()
    return web.Response()


async def seen(_: web.Request) -> web.Response:
    """The requests since the last reset."""
    return web.json_response(state.requests)


async def intents(request: web.Request) -> web.Response:
    """The PaymentIntents of one of our organizations."""
    return web.json_response(
        [
            one._export()
            for one in store.values()
            if isinstance(one, PaymentIntent)
            and one.metadata.get("organization") == request.query["organization"]
        ]
    )


async def refunds(request: web.Request) -> web.Response:
    """The refunds of a PaymentIntent."""
    intent = store[f"payment_intent:{request.query['payment_intent']}"]
    mine = [
        one
        for one in store.values()
        if isinstance(one, Refund) and one.charge == intent.latest_charge.id
    ]
    return web.json_response([one._export() for one in mine])


async def finish(request: web.Request) -> web.Response:
    """A PaymentIntent that is under way, or one that was cancelled, ends at last."""
    told = await request.json()
    intent = store[f"payment_intent:{told['id']}"]
    intent._canceled = False
    intent.next_action = None
    if intent.latest_charge is None:
        intent.latest_charge = Charge(
            amount=intent.amount,
            currency=intent.currency,
            customer=intent.customer,
            source=intent.payment_method,
        )
    charge = intent.latest_charge
    charge.status = told["status"]
    if told["status"] == "failed":
        charge._set_auth_failure()
    if told.get("tell"):
        intent._on_success()
    return web.json_response(intent._export())


async def serve() -> None:
    """Serves on a free port, which is the only line of stdout."""
    # localstripe writes all it has to one file of the machine at each change.
    store.dump_to_disk = lambda: None
    app.middlewares.insert(0, as_stripe)
    app.router.add_post("/_config/fake/reset", reset)
    app.router.add_post("/_config/fake/trouble", trouble)
    app.router.add_post("/_config/fake/forget", forget)
    app.router.add_get("/_config/fake/requests", seen)
    app.router.add_get("/_config/fake/intents", intents)
    app.router.add_get("/_config/fake/refunds", refunds)
    app.router.add_post("/_config/fake/finish", finish)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    # Ends with the tests: their end of the pipe is closed then, however they end.
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
