"""Galactocentric frames, the gravitational potential, orbits and integrals of motion."""
