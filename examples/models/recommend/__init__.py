"""Which films will somebody like? Retrieval by vectors, and a ranker over what is found."""
