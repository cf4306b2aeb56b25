"""The dossier of a version: one signed file that a third party checks without our stores."""
