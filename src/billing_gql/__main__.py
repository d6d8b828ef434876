"""`python -m billing_gql` is the command line."""

from billing_gql.cli import main

main()
