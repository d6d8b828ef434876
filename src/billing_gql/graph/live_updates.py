"""The root of live updates in the schema."""

from collections.abc import AsyncGenerator

import strawberry

from billing_gql.graph.customers import customer_of
from billing_gql.graph.invoices import Invoice, invoice_of
from billing_gql.graph.live import StreamContext, Watch
from billing_gql.graph.mutate import Info
from billing_gql.kernel.problems import NotFound


@strawberry.type(
    description="What is sent when something changes, over SSE or graphql-transport-ws."
)
class LiveUpdates:
    """Not called Subscription: that word is the domain's."""

    @strawberry.subscription(
        description="Each time one of them changes, from the committed state. Without arguments"
        " every invoice of the organization; with both, the invoice if it is the customer's. The"
        " present state is not sent at first, nor is a draft that was deleted. Changes that follow"
        " each other quickly may come as one."
    )
    async def invoice_changed(
        self,
        info: Info,
        invoice_id: strawberry.ID | None = strawberry.UNSET,
        customer_id: strawberry.ID | None = strawberry.UNSET,
    ) -> AsyncGenerator[Invoice, None]:
        context = info.context
        if not isinstance(context, StreamContext):
            raise AssertionError("a subscription is streamed")
        invoice = None if invoice_id is strawberry.UNSET else invoice_id
        customer = None if customer_id is strawberry.UNSET else customer_id
        organization_id = context.organization.id
        # First of all: what changes while the ids are looked at is told too.
        watch = await context.live.watch(organization_id, invoice, customer)
        try:
            await context.authenticate_again()
            await _require(info, invoice, customer)
        except BaseException:
            context.live.leave(organization_id, watch)
            raise
        await context.close()
        context.started.set()
        return _changes(info, context, watch)


async def _require(info: Info, invoice_id: str | None, customer_id: str | None) -> None:
    """Raises NotFound for what is not, or not in this organization."""
    if customer_id is not None and await customer_of(info, customer_id) is None:
        raise NotFound.of("customer", customer_id, "customerId")
    if invoice_id is not None:
        found = await invoice_of(info, invoice_id)
        if found is None or customer_id not in (None, found.customer_id):
            raise NotFound.of("invoice", invoice_id, "invoiceId")


async def _changes(
    info: Info, context: StreamContext, watch: Watch
) -> AsyncGenerator[Invoice, None]:
    """The invoices as they are when they are sent; the snapshot ends with each, see `streamed`."""
    try:
        while True:
            invoice_id = await watch.changed()
            await context.authenticate_again()
            found = await invoice_of(info, invoice_id)
            if found is not None:
                yield found
                continue
            await context.close()  # it was deleted
            if watch.invoice_id is not None:
                return
    finally:
        context.live.leave(context.organization.id, watch)
