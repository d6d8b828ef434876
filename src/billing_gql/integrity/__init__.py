"""The books held against themselves: what must hold of stored money, and what does not."""
