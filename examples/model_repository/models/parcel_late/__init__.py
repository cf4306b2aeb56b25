"""Will this parcel be late? Asked when it is handed to the carrier."""
