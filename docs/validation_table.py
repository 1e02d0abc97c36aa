"""Print the comparison of a LAMOST run with Fu et al. 2022 as a Markdown table.

Usage: python docs/validation_table.py OUT FU2022_CSV
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import polars as pl

from melotte.publish import read_table
from melotte.schema import CATALOGUE


def rows(out: Path, published: Path) -> list[str]:
    """One line per cluster with five stars or more."""
    ours = read_table(out / "clusters.parquet", CATALOGUE).filter(pl.col("n_rv") >= 5)
    both = ours.join(pl.read_csv(published, null_values=["nan"]), left_on="cluster", right_on="Cluster").sort("cluster")
    head = (
        "cluster",
        "stars here / published",
        "RV_med (km/s)",
        "minus published",
        "tolerance",
        "[Fe/H]_med (stars)",
        "minus published",
    )
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for r in both.iter_rows(named=True):
        cells = (
            r["cluster"].replace("_", " "),
            f"{r['n_rv']} / {r['Nflag1']}",
            f"{r['rv_med']:+.2f} ± {r['rv_med_error']:.2f}",
            f"{r['rv_med'] - r['RVmed']:+.2f}",
            f"{2 * np.hypot(r['rv_med_error'], r['e_RVmed']) + 1:.2f}",
            f"{r['feh_med']:+.3f} ± {r['feh_med_error']:.3f} ({r['n_feh']})",
            f"{r['feh_med'] - r['[Fe/H]med']:+.3f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(rows(Path(sys.argv[1]), Path(sys.argv[2]))) + "\n")
