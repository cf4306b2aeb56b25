"""Will this order be sent back? Asked when it is placed."""
