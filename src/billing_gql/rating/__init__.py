"""Pure pricing: what a quantity costs under a price model, with its working shown."""
