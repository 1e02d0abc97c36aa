"""One generator per name, whatever the order."""

from __future__ import annotations

import numpy as np

from melotte.core.randomness import Streams


def test_same_name_same_numbers_whatever_was_drawn_before():
    first = Streams(1).child("velocity").generator("NGC_2682").normal(size=5)
    streams = Streams(1).child("velocity")
    streams.generator("Melotte_22").normal(size=100)
    np.testing.assert_array_equal(first, streams.generator("NGC_2682").normal(size=5))


def test_seed_stage_and_cluster_all_matter():
    draws = [
        Streams(seed).child(stage).generator(cluster).integers(0, 2**63)
        for seed in (1, 2)
        for stage in ("velocity", "metallicity")
        for cluster in ("a", "b")
    ]
    assert len(set(draws)) == len(draws)


def test_names_do_not_run_together():
    assert Streams(1, ("ab",)).generator("c").integers(2**63) != Streams(1, ("a",)).generator("bc").integers(2**63)


def test_streams_are_uncorrelated():
    draws = np.array([Streams(3).generator(f"c{i}").normal(size=2000) for i in range(50)])
    correlation = np.corrcoef(draws)[np.triu_indices(50, 1)]
    # 1,225 correlations of 2,000 numbers: standard deviation 1/sqrt(2000) each.
    assert abs(correlation).max() < 5 / np.sqrt(2000)
    assert abs(correlation.std() * np.sqrt(2000) - 1) < 0.1
