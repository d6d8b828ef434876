"""The GraphiQL page: served from this machine, with examples and, in the demo, its key."""

from dataclasses import dataclass, field
from importlib.resources import files

import msgspec
from starlette.requests import Request
from starlette.responses import Response

ASSETS_PACKAGE = ("graphene_django_graphiql_static", "static/graphene_django_graphiql_static")
"""Package and folder with GraphiQL's own scripts and styles."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self';"
    " img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class GraphiqlPage:
    """What the page opens with. `key` is set by the demo only: whoever opens the page has it."""

    key: str | None = None
    variables: dict[str, dict[str, object]] = field(default_factory=dict)
    """For an example, by its file's name, values that are right on this server."""

    def wanted(self, request: Request) -> bool:
        """A browser asks for a page, not for an answer."""
        return "text/html" in request.headers.get("accept", "") and not (
            {"query", "documentId", "extensions"} & request.query_params.keys()
        )

    def render(self) -> Response:
        """The page with its configuration; scripts and styles come from this server."""
        config = {
            "key": self.key,
            "examples": [
                {"query": query, "variables": self.variables.get(name, {})}
                for name, query in examples().items()
            ],
        }
        # Inside a script element only "<" could end it.
        encoded = msgspec.json.encode(config).decode().replace("<", "\\u003c")
        page = (files(__package__) / "page.html").read_text().replace("{{config}}", encoded)
        return Response(
            page,
            media_type="text/html",
            headers={
                "Content-Security-Policy": POLICY,
                "Cache-Control": "no-store",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            },
        )


def examples() -> dict[str, str]:
    """The example operations, by file name, in its order."""
    folder = files(__package__) / "examples"
    return {
        entry.name.removesuffix(".graphql"): entry.read_text()
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".graphql")
    }
