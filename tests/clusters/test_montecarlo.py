"""The draw kernel: random numbers, order statistics, analytic limits, independence of chunks and threads."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from melotte.clusters.montecarlo import draw, kernels, statistics, summarise
from melotte.core.randomness import Streams

RNG = Streams(20221101)
MASK = 2**64 - 1


def deviates(n: int, name: str = "deviates") -> np.ndarray:
    state = RNG.sequence(name).generate_state(8, np.uint64)
    words, z = np.empty(n, dtype=np.uint64), np.empty(n)
    kernels.fill_words(state, words)
    kernels.normals(words, z)
    return z


def python_xoshiro(state: list[int], n: int) -> list[int]:
    """xoshiro256++ in plain integers, after the published algorithm."""

    def rotl(x: int, k: int) -> int:
        return ((x << k) | (x >> (64 - k))) & MASK

    s, out = list(state), []
    for _ in range(n):
        out.append((rotl((s[0] + s[3]) & MASK, 23) + s[0]) & MASK)
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 45)
    return out


class TestRandomNumbers:
    def test_words_are_xoshiro256_plus_plus(self) -> None:
        state = np.array([1, 2, 3, 4, 5, 6, 7, 2**64 - 1], dtype=np.uint64)
        first, second = (python_xoshiro([int(s) for s in part], 500) for part in (state[:4], state[4:]))
        # The first outputs for the state 1, 2, 3, 4 follow by hand: rotl(1 + 4, 23) + 1 = 5 * 2^23 + 1.
        assert first[0] == 5 * 2**23 + 1
        words = np.empty(1000, dtype=np.uint64)
        kernels.fill_words(state, words)
        assert [int(w) for w in words[::2]] == first
        assert [int(w) for w in words[1::2]] == second

    def test_state_advances_so_that_parts_join(self) -> None:
        state = np.arange(1, 9, dtype=np.uint64)
        again = state.copy()
        whole, parts = np.empty(64, dtype=np.uint64), np.empty(64, dtype=np.uint64)
        kernels.fill_words(state, whole)
        kernels.fill_words(again, parts[:20])
        kernels.fill_words(again, parts[20:])
        assert (whole == parts).all()

    def test_box_muller_arithmetic(self) -> None:
        words = RNG.sequence("arithmetic").generate_state(20_000, np.uint64).astype(np.uint64)
        words[:3] = 0, MASK, 2**63  # the ends of the radius
        z = np.empty(words.size)
        kernels.normals(words, z)
        h = words.size // 2
        u = 1.0 - (words[:h] >> np.uint64(12)).astype(float) / 2**52
        angle = ((words[h:] >> np.uint64(12)).astype(float) / 2**52) * np.pi / 2
        radius = np.sqrt(-2 * np.log(u))
        assert np.abs(z[:h]) == pytest.approx(radius * np.cos(angle), rel=0, abs=2e-10)
        assert np.abs(z[h:]) == pytest.approx(radius * np.sin(angle), rel=0, abs=2e-10)
        some = radius > 0
        assert (np.signbit(z[:h]) == ((words[h:] & np.uint64(1)) == 1))[some].all()
        assert (np.signbit(z[h:]) == ((words[h:] & np.uint64(2)) == 2))[some].all()
        assert np.isfinite(z).all()

    def test_distribution(self) -> None:
        z = deviates(4_000_000)
        n = z.size
        # Moments of a standard normal with their standard errors; 4.5 of these is a chance of 1e-5.
        for power, expected, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
            assert abs((z**power).mean() - expected) < 4.5 * np.sqrt(variance / n), power
        assert stats.kstest(z[:500_000], "norm").pvalue > 1e-4

    @pytest.mark.parametrize("limit", [2.0, 3.0, 4.0])
    @pytest.mark.parametrize("sign", [-1, 1])
    def test_tails(self, limit: float, sign: int) -> None:
        z = deviates(4_000_000, "tails")
        expected = z.size * stats.norm.sf(limit)
        assert abs((sign * z > limit).sum() - expected) < 4.5 * np.sqrt(expected)

    def test_streams_and_pairs_are_independent(self) -> None:
        n = 1_000_000
        a, b = deviates(n, "NGC_1"), deviates(n, "NGC_2")
        series = [
            (a, b),
            (a[:-1], a[1:]),
            (a[: n // 2], a[n // 2 :]),
            (a**2, b**2),
            (a[: n // 2] ** 2, a[n // 2 :] ** 2),
        ]
        for x, y in series:
            assert abs(np.corrcoef(x, y)[0, 1]) < 4.5 / np.sqrt(x.size)


def test_without_a_place_for_compiled_code_the_kernel_still_works(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Installed read-only and without a writable home, numba refuses to cache."""
    from numba.core import caching

    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    def draw_centres(x: int) -> int:
        return x + 1

    with caplog.at_level("INFO"):
        assert kernels._compiled(draw_centres)(1) == 2
    assert "cannot be kept" in caplog.text


class TestMedians:
    @settings(deadline=None)
    @given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.data())
    def test_select_is_the_sorted_element(self, values: list[float], data: st.DataObject) -> None:
        rank = data.draw(st.integers(0, len(values) - 1))
        a = np.array(values)
        assert kernels.select(a, len(values), rank) == sorted(values)[rank]
        assert (a[rank:] >= a[rank]).all()

    def test_ties_do_not_stall(self) -> None:
        a = np.tile([1.0, 2.0], 100_000)
        assert kernels.select(a, a.size, 100_000) == 2.0

    @pytest.mark.parametrize("n", range(1, kernels.NETWORK_LIMIT + 1))
    def test_network_finds_the_middle_of_every_binary_column(self, n: int) -> None:
        # Zero-one principle: a network that orders all 0/1 inputs orders everything; here up to 2000 of them.
        generator = np.random.default_rng(n)
        count = min(2**n, 2000)
        if 2**n <= 2000:
            columns = ((np.arange(count)[:, None] >> np.arange(n)) & 1).astype(float)
        else:
            columns = generator.integers(0, 2, size=(count, n)).astype(float)
            columns = np.vstack([columns, generator.normal(size=(200, n))])
        expected = np.median(columns, axis=1)
        for low, high in kernels.sorting_network(n):
            pair = columns[:, [low, high]]
            columns[:, low], columns[:, high] = pair.min(axis=1), pair.max(axis=1)
        assert (0.5 * (columns[:, (n - 1) // 2] + columns[:, n // 2]) == expected).all()

    @pytest.mark.parametrize("n", [2, 3, 17, 32, 33, 34, 61, 250])
    def test_medians_are_those_of_the_same_draws(self, n: int) -> None:
        """The kernel's medians and means against numpy on draws rebuilt from the same random words."""
        generator = np.random.default_rng(n)
        values, errors = generator.normal(5, 3, n), generator.uniform(0.1, 8, n)
        draws = 70  # not a multiple of the lanes
        means, medians, pooled = draw(values, errors, rng=RNG, name="same", draws=draws)
        state = RNG.sequence("same").generate_state(8, np.uint64)
        blocks = []
        for _ in range(-(-draws // kernels.LANES)):
            words, z = np.empty(n * kernels.LANES, dtype=np.uint64), np.empty(n * kernels.LANES)
            kernels.fill_words(state, words)
            kernels.normals(words, z)
            blocks.append(z.reshape(n, kernels.LANES).T)
        x = values + errors * np.vstack(blocks)[:draws]
        assert means == pytest.approx(x.mean(axis=1), rel=1e-12, abs=1e-12)
        assert medians == pytest.approx(np.median(x, axis=1), rel=1e-12, abs=1e-12)
        assert pooled == pytest.approx([x.mean(), x.std()], rel=1e-10)


def problem(sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    generator = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    values, errors = generator.normal(0, 5, offsets[-1]), generator.uniform(1, 8, offsets[-1])
    return values, errors, offsets, [f"cluster {k}" for k in range(len(sizes))]


class TestStatistics:
    SIZES = (1, 2, 3, 7, 40, 150, 33)
    DRAWS = 4000

    def test_analytic_limits(self) -> None:
        values, errors, offsets, names = problem(list(self.SIZES))
        found = statistics(values, errors, offsets, names, rng=RNG, draws=self.DRAWS)
        for k, n in enumerate(self.SIZES):
            v, e = values[offsets[k] : offsets[k + 1]], errors[offsets[k] : offsets[k + 1]]
            sd_of_mean = np.sqrt((e**2).sum()) / n
            assert abs(found.mean[k] - v.mean()) < 4.5 * sd_of_mean / np.sqrt(self.DRAWS)
            assert found.mean_sd[k] == pytest.approx(sd_of_mean, rel=4.5 / np.sqrt(2 * self.DRAWS))
            pooled = np.sqrt(v.var() + (e**2).mean())
            assert found.pooled_mean[k] == pytest.approx(found.mean[k], abs=1e-9)
            # Only the drawn part of the pooled variance is noisy.
            assert found.pooled_sd[k] == pytest.approx(pooled, rel=4.5 * np.sqrt(2 / (n * self.DRAWS)) * 3)

    def test_medians_against_numpy(self) -> None:
        values, errors, offsets, names = problem(list(self.SIZES), seed=1)
        found = statistics(values, errors, offsets, names, rng=RNG, draws=self.DRAWS)
        generator = np.random.default_rng(5)
        for k in range(len(self.SIZES)):
            part = slice(offsets[k], offsets[k + 1])
            x = generator.normal(values[part], errors[part], size=(self.DRAWS, self.SIZES[k]))
            medians = np.median(x, axis=1)
            both = 4.5 * np.sqrt(2 / self.DRAWS)
            assert abs(found.median[k] - medians.mean()) < both * medians.std()
            assert found.median_sd[k] == pytest.approx(medians.std(ddof=1), rel=1.5 * both)

    def test_threads_and_chunks_do_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        problem_ = problem([*self.SIZES, *([5] * 30)], seed=2)
        one = statistics(*problem_, rng=RNG, draws=300)
        monkeypatch.setattr("melotte.clusters.montecarlo._DRAWS_PER_CHUNK", 2000)
        for jobs in (1, 4):
            other = statistics(*problem_, rng=RNG, draws=300, jobs=jobs)
            for name in one.__dataclass_fields__:
                assert (getattr(one, name) == getattr(other, name)).all(), name

    def test_a_cluster_does_not_depend_on_the_others(self) -> None:
        values, errors, offsets, names = problem(list(self.SIZES), seed=3)
        together = statistics(values, errors, offsets, names, rng=RNG, draws=300)
        k = 4
        part = slice(offsets[k], offsets[k + 1])
        alone = statistics(values[part], errors[part], np.array([0, self.SIZES[k]]), [names[k]], rng=RNG, draws=300)
        assert alone.median[0] == together.median[k]
        assert alone.mean_sd[0] == together.mean_sd[k]

    def test_seed_and_name_matter(self) -> None:
        v, e = np.zeros(5), np.ones(5)
        first = draw(v, e, rng=RNG, name="a", draws=10)[0]
        assert (first != draw(v, e, rng=RNG, name="b", draws=10)[0]).all()
        assert (first != draw(v, e, rng=Streams(1), name="a", draws=10)[0]).all()
        assert (first == draw(v, e, rng=RNG, name="a", draws=10)[0]).all()

    @settings(max_examples=25, deadline=None)
    @given(shift=st.floats(-500, 500), n=st.integers(1, 60))
    def test_shift(self, shift: float, n: int) -> None:
        values, errors, offsets, names = problem([n], seed=n)
        a = statistics(values, errors, offsets, names, rng=RNG, draws=40)
        b = statistics(values + shift, errors, offsets, names, rng=RNG, draws=40)
        assert b.median[0] == pytest.approx(a.median[0] + shift, abs=1e-9)
        assert b.mean[0] == pytest.approx(a.mean[0] + shift, abs=1e-9)
        assert b.median_sd[0] == pytest.approx(a.median_sd[0], abs=1e-9)
        assert b.pooled_sd[0] == pytest.approx(a.pooled_sd[0], abs=1e-9)

    def test_equal_values_with_tiny_errors(self) -> None:
        found = statistics(np.full(50, 42.0), np.full(50, 1e-9), np.array([0, 50]), ["x"], rng=RNG, draws=200)
        assert found.median[0] == pytest.approx(42.0, abs=1e-9)
        assert 0 < found.pooled_sd[0] < 2e-9

    def test_outlier_far_away_does_not_spoil_the_rest(self) -> None:
        values = np.concatenate([[1e9], np.linspace(-1, 1, 99)])
        found = statistics(values, np.full(100, 0.5), np.array([0, 100]), ["x"], rng=RNG, draws=500)
        assert abs(found.median[0]) < 0.3
        assert 0.01 < found.median_sd[0] < 0.3

    def test_no_clusters(self) -> None:
        found = statistics(np.empty(0), np.empty(0), np.array([0]), [], rng=RNG, draws=10)
        assert found.mean.shape == (0,)

    def test_progress_ends_at_the_total(self) -> None:
        seen: list[tuple[int, int]] = []
        statistics(*problem([3, 4, 5]), rng=RNG, draws=10, progress=lambda done, total: seen.append((done, total)))
        assert seen[-1] == (3, 3)


class TestSummarise:
    def test_single_star_is_exact(self) -> None:
        frame = pl.DataFrame({"cluster": ["a", "b", "b"], "rv": [7.25, 1.0, 2.0], "rv_error": [0.5, 1.0, 1.0]})
        found = summarise(frame, "rv", rng=RNG, draws=100)
        row = found.row(0, named=True)
        assert (row["median"], row["mean"], row["pooled_mean"]) == (7.25, 7.25, 7.25)
        assert (row["median_sd"], row["mean_sd"], row["pooled_sd"]) == (0.5, 0.5, 0.5)
        assert found["median"][1] != 1.5

    def test_medians_not_asked_for_are_missing(self) -> None:
        frame = pl.DataFrame({"cluster": ["b", "b"], "rv": [1.0, 2.0], "rv_error": [1.0, 1.0]})
        found = summarise(frame, "rv", rng=RNG, draws=100, median=False)
        assert found["median"].null_count() == 1
        assert found["pooled_sd"].null_count() == 0

    def test_empty(self) -> None:
        frame = pl.DataFrame(schema={"cluster": pl.String, "rv": pl.Float64, "rv_error": pl.Float64})
        assert summarise(frame, "rv", rng=RNG, draws=10).is_empty()
