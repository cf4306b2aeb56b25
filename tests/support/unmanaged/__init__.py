"""Models whose features, labels and training are not managed here: they are served, rolled out and watched."""
