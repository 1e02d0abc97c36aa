"""Why numbers differ: every cause a row can name. What is behind each is in ``docs/reproduce.md``."""

from __future__ import annotations

from typing import Final

CAUSES: Final[dict[str, str]] = {
    "missing input table": "a table the paper used is not at hand, or only in part",
    "fewer stars": "the stars at hand are fewer than the published ones and from another data release",
    "other stars": "the stars at hand are not those of the paper: another data release and another selection",
    "better measured stars": "the stars at hand have smaller errors than the published ones, hence scatter less",
    "LAMOST releases differ by as much": "two published LAMOST catalogues of rich clusters differ by as much",
    "compilation rebuilt": "the paper's own compilation of high-resolution [Fe/H] is not published",
    "placeholders counted": "values of no star in Zhong et al. 2020, written 0.0, were taken as measured",
    "counted over all clusters in common": "the marks were counted over clusters without [Fe/H] too",
    "listed as new, but known": "a cluster the paper lists as new is in a catalogue it searched",
    "text and catalogue differ": "the text prints another value than the paper's own machine-readable table",
    "orbit start not rotated": "the published orbits start from velocities not turned to the cluster's azimuth",
    "year of 365 days": "the paper converts proper motions with a year of 365 days",
    "zero point of energy": "GalPot's potential does not vanish at infinity",
    "sampling noise of Table 6": "Table 6 scatters about the exact posterior as that many draws would",
    "no rule in the paper": "the paper chose by eye; ours is a stated rule",
    "misprint": "a cluster is named that is in no catalogue, with two digits exchanged",
    "misprint, and no rule in the paper": "both",
    "the paper's numbers do not agree with each other": "two numbers of the paper that say the same differ",
    "unexplained": "no cause was found; what was tried is in docs/reproduce.md",
}
