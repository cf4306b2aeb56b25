"""What the stores hold of one version, gathered for its dossier (`include/governance/dossier`)."""
