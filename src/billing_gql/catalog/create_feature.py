"""Makes a feature, and rolls up the events that came before it."""

from collections.abc import Sequence

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from billing_gql.catalog.tables import Aggregation, Feature
from billing_gql.kernel import checks
from billing_gql.kernel.actor import Actor
from billing_gql.kernel.problems import AlreadyExists, InvalidInput, TooManyItems

MAX_DIMENSIONS = 10


async def create_feature(
    session: AsyncSession,
    actor: Actor,
    *,
    key: str,
    name: str,
    event_name: str | None,
    aggregation: Aggregation,
    value_property: str | None = None,
    dimensions: Sequence[str] = (),
) -> Feature:
    """A new feature. Raises InvalidInput, AlreadyExists or TooManyItems.

    Its roll-ups are made by `usage.rollups.roll_up_feature`, in the same transaction.
    """
    if aggregation is Aggregation.COUNT and value_property is not None:
        raise InvalidInput("COUNT takes no value property.", ("valueProperty",))
    if aggregation is not Aggregation.COUNT and value_property is None:
        raise InvalidInput(f"{aggregation.value} needs a value property.", ("valueProperty",))
    if len(dimensions) > MAX_DIMENSIONS:
        raise TooManyItems(
            f"At most {MAX_DIMENSIONS} dimensions, not {len(dimensions)}.", ("dimensions",)
        )
    if len(set(dimensions)) < len(dimensions):
        raise InvalidInput("A dimension is there twice.", ("dimensions",))
    feature = Feature(
        organization_id=actor.organization_id,
        key=checks.key(key, "key"),
        name=checks.text(name, "name"),
        event_name=checks.text(key if event_name is None else event_name, "eventName"),
        aggregation=aggregation,
        value_property=None
        if value_property is None
        else property_path(value_property, "valueProperty"),
        dimensions=[
            property_path(path, "dimensions", index) for index, path in enumerate(dimensions)
        ],
        created_at=actor.now,
    )
    taken = select(Feature.id).where(
        Feature.organization_id == actor.organization_id, Feature.key == feature.key
    )
    if (await session.exec(taken)).first() is not None:
        raise AlreadyExists(f"A feature {key!r} exists already.", ("key",))
    session.add(feature)
    await session.flush()
    return feature


def property_path(path: str, *field: str | int) -> str:
    """A path into an event's properties, with dots between names: "engine.fuel"."""
    checks.text(path, *field)
    if path.startswith("properties."):
        raise InvalidInput(
            f"Write the path without 'properties.': {path.removeprefix('properties.')!r}.", field
        )
    if not all(path.split(".")):
        raise InvalidInput(f"{path!r} has an empty name between its dots.", field)
    return path
