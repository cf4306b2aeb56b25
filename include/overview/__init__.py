"""What all stages have left in the control store of a model, in one look: above the stages, for people's eyes only."""
