"""Request features: what is computed of a request and of what was looked up, once for training and for serving."""
