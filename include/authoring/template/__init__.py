"""Will an order be sent back? Asked when it is placed, by what its customer has sent back lately."""
