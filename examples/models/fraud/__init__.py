"""Is this card payment a fraud? Rare, costly, its labels a week late, its patterns changing."""
