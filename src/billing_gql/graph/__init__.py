"""The product: a GraphQL schema that mirrors the slices and may point anywhere among them."""
