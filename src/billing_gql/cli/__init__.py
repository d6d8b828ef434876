"""The command line: `billing-gql …`."""

from importlib.metadata import version
from typing import Annotated

import typer
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from billing_gql.cli.common import fail, settle
from billing_gql.cli.documents import documents_list, documents_register, documents_remove
from billing_gql.cli.ingest import ingest_command
from billing_gql.cli.inspect import doctor, migrate_command, schema
from billing_gql.cli.organization import key_create, organization_create
from billing_gql.cli.serve import demo, serve
from billing_gql.cli.work import bill, worker
from billing_gql.kernel.problems import Problem
from billing_gql.store.database import DatabaseError, cause_of

app = typer.Typer(
    help="Usage billing with a GraphQL API. Without BILLING_GQL_DATABASE_URL every command starts,"
    " or joins, the bundled PostgreSQL.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
organizations = typer.Typer(help="Organizations.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
documents = typer.Typer(help="Trusted documents: run by their ids.", no_args_is_help=True)

app.command("demo")(demo)
app.command("serve")(serve)
app.command("worker")(worker)
app.command("migrate")(migrate_command)
app.command("ingest")(ingest_command)
app.command("bill")(bill)
app.command("schema")(schema)
app.command("doctor")(doctor)
organizations.command("create")(organization_create)
keys.command("create")(key_create)
app.add_typer(organizations, name="organization")
documents.command("register")(documents_register)
documents.command("list")(documents_list)
documents.command("remove")(documents_remove)
app.add_typer(keys, name="key")
app.add_typer(documents, name="documents")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("billing-gql"))
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """What stands before the command."""


def main() -> None:
    """Runs a command; what goes wrong is told in a sentence, with exit status 1."""
    from billing_gql.store.embedded import EmbeddedServerError

    settle()
    try:
        app()
    except (DatabaseError, EmbeddedServerError) as error:
        fail(str(error))
    except OSError as error:
        fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except DBAPIError as error:
        fail(f"The database refused: {cause_of(error) or error.orig}.")
    except Problem as problem:
        at = f" ({'.'.join(problem.field)})" if problem.field else ""
        fail(problem.message + at)
    except ValidationError as error:
        lines = [
            f"BILLING_GQL_{one['loc'][0]}".upper() + f": {one['msg']}" for one in error.errors()
        ]
        fail("\n".join(lines))
