"""From the stars of a cluster to its velocity and metallicity."""
