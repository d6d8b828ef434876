"""Numbers without gaps: a series' row is locked from the number's taking to the commit."""

from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.store.database import run_sql
from billing_gql.store.tables import NumberSeries


async def next_number(session: AsyncSession, organization_id: str, series: str) -> int:
    """Takes the series' next number, from 1. Take it last: others wait for this transaction."""
    taken = (
        insert(NumberSeries)
        .values(organization_id=organization_id, series=series, last_number=1)
        .on_conflict_do_update(
            index_elements=["organization_id", "series"],
            set_={"last_number": col(NumberSeries.last_number) + 1},
        )
        .returning(col(NumberSeries.last_number))
    )
    return int((await run_sql(session, taken)).scalar_one())
