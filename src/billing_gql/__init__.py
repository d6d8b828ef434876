"""billing-gql: usage billing whose product is its GraphQL API."""
