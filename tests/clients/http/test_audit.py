"""The audit of GraphQL over HTTP that the npm package graphql-http brings, on the real service."""

import asyncio
import json
import os

from tests.clients.conftest import Installed
from tests.support import Api

CHECKS = 61


async def test_every_check_of_the_audit_is_passed(
    api: Api, service_url: str, npm_installed: Installed
) -> None:
    folder = await asyncio.to_thread(npm_installed, "http")
    process = await asyncio.create_subprocess_exec(
        "node",
        "audit.mjs",
        f"{service_url}/graphql",
        cwd=folder,
        env={**os.environ, "BILLING_KEY": api.key},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()
    results = json.loads(out)
    assert [one for one in results if one["status"] != "ok"] == []
    assert len(results) == CHECKS
