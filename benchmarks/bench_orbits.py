"""Orbits per second against Agama and galpy, one run, one thread each; then the whole stage with its draws.

    python benchmarks/bench_orbits.py [--orbits 2000] [--clusters 386] [--draws 1000] [--skip-stage]

Task: 500 Myr backwards, six snapshots, pericentre, apocentre and z_max, max |dE/E| < 1e-6 over the sample. Melotte
and Agama are timed with the loosest accuracy of a ladder that meets the energy limit; the others do less: snapshots
only. Times are processor times of the thread, so that a busy machine does not decide. Agama and galpy are optional.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np  # noqa: E402  (the thread counts above have to come first)
from results import record  # noqa: E402

SPAN = 500.0
LIMIT = 1e-6
MYR = 977.7922216807892

Array = np.ndarray


def sample(n: int) -> tuple[Array, Array]:
    """Disc orbits between 6 and 14 kpc, as open clusters."""
    rng = np.random.default_rng(1)
    R, phi, z = rng.uniform(6, 14, n), rng.uniform(0, 2 * np.pi, n), rng.normal(0, 0.3, n)
    v_R, v_phi, v_z = rng.normal(0, 30, n), rng.normal(-225, 20, n), rng.normal(0, 15, n)
    c, s = np.cos(phi), np.sin(phi)
    return np.stack([R * c, R * s, z], axis=1), np.stack([v_R * c - v_phi * s, v_R * s + v_phi * c, v_z], axis=1)


def best(task: Callable[[], object], repeats: int = 3) -> float:
    """Shortest processor time of a task [s]."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        task()
        times.append(time.process_time() - start)
    return min(times)


def melotte(x: Array, v: Array) -> tuple[float, float]:
    from melotte.galaxy import integrate_orbits, load_potential

    start = time.perf_counter()
    potential = load_potential("mcmillan2017")
    loaded = time.perf_counter() - start
    start = time.perf_counter()
    integrate_orbits(x[:2], v[:2], potential)
    print(
        f"melotte: table loaded in {loaded:.2f} s, kernel compiled or read from its cache in "
        f"{time.perf_counter() - start:.2f} s"
    )
    default = integrate_orbits(x, v, potential)
    rate = len(x) / best(lambda: integrate_orbits(x, v, potential))
    print(f"melotte: default tolerance, {rate:.0f} orbits/s, max |dE/E| {default.energy_error.max():.1e}")
    for tolerance in (1e-4, 1e-5, 3e-6, 1e-6, 1e-7):
        result = integrate_orbits(x, v, potential, tolerance=tolerance, energy_gate=1.0)
        worst = float(result.energy_error.max())
        if worst < LIMIT:
            print(f"melotte: tolerance {tolerance:g} meets the energy limit")
            rate = len(x) / best(lambda t=tolerance: integrate_orbits(x, v, potential, tolerance=t))
            return rate, worst
    raise SystemExit("melotte misses the energy limit")


def model_file() -> Path:
    """The same potential as Agama's parameter file, written from Melotte's data file."""
    import tempfile

    from melotte.galaxy.components import read_model

    lines = []
    for k, c in enumerate(read_model("mcmillan2017").components):
        lines.append(f"[Potential {k}]")
        if c.form.endswith("disc"):
            height = c["height"] * (-1 if c.form == "sech2_disc" else 1)
            lines += [
                "type=Disk",
                f"surfaceDensity={c['surface_density']}",
                f"scaleRadius={c['radius']}",
                f"scaleHeight={height}",
            ]
            if "hole" in c.values:
                lines.append(f"innerCutoffRadius={c['hole']}")
        elif c.form == "bulge":
            lines += [
                "type=Spheroid",
                f"densityNorm={c['density']}",
                f"axisRatioZ={c['axis_ratio']}",
                "gamma=0",
                f"beta={c['exponent']}",
                f"scaleRadius={c['radius']}",
                f"outerCutoffRadius={c['cutoff']}",
            ]
        else:
            lines += ["type=Spheroid", f"densityNorm={c['density']}", "gamma=1", "beta=3", f"scaleRadius={c['radius']}"]
    path = Path(tempfile.mkdtemp()) / "model.ini"
    path.write_text("\n".join(lines) + "\n")
    return path


def agama(x: Array, v: Array) -> tuple[float, float] | None:
    try:
        import agama as backend
    except ImportError:
        return None
    backend.setNumThreads(1)
    backend.setUnits(mass=1, length=1, velocity=1)
    potential = backend.Potential(str(model_file()))
    start = np.concatenate([x, -v], axis=1)
    energy = potential.potential(x) + 0.5 * (v**2).sum(axis=1)

    def go(accuracy: float) -> Array:
        return backend.orbit(
            potential=potential,
            ic=start,
            time=SPAN / MYR,
            trajsize=6,
            accuracy=accuracy,
            verbose=False,
            dtype=float,
            separateTime=True,
        )[1]

    for accuracy in (1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9):
        paths = go(accuracy)
        along = potential.potential(paths[..., :3].reshape(-1, 3)).reshape(paths.shape[:2])
        along = along + 0.5 * (paths[..., 3:] ** 2).sum(axis=-1)
        worst = float(np.abs(along / energy[:, None] - 1).max())
        if worst < LIMIT:
            print(f"agama: accuracy {accuracy:g} meets the energy limit")
            return len(x) / best(lambda a=accuracy: go(a)), worst
    return None


def galpy(x: Array, v: Array, *, interpolated: bool) -> tuple[float, float] | None:
    try:
        from galpy.orbit import Orbit
        from galpy.potential import MWPotential2014, evaluatePotentials, interpRZPotential
    except ImportError:
        return None
    ro, vo = 8.0, 220.0
    potential = MWPotential2014
    if interpolated:
        potential = interpRZPotential(
            MWPotential2014,
            rgrid=(np.log(0.01), np.log(20.0), 101),
            logR=True,
            zgrid=(0.0, 2.0, 101),
            interpPot=True,
            interpRforce=True,
            interpzforce=True,
            enable_c=True,
            zsym=True,
        )
    R, phi = np.hypot(x[:, 0], x[:, 1]), np.arctan2(x[:, 1], x[:, 0])
    c, s = np.cos(phi), np.sin(phi)
    v_R, v_T = v[:, 0] * c + v[:, 1] * s, v[:, 1] * c - v[:, 0] * s
    start = np.stack([R / ro, v_R / vo, v_T / vo, x[:, 2] / ro, v[:, 2] / vo, phi], axis=1)
    unit = ro / vo * MYR
    times = np.linspace(0, -SPAN / unit, 6)

    def go() -> Orbit:
        orbits = Orbit(start)
        orbits.integrate(times, potential, method="dop853_c", progressbar=False, numcores=1)
        return orbits

    orbits = go()
    states = orbits.getOrbit()
    kinetic = 0.5 * (states[..., 1] ** 2 + states[..., 2] ** 2 + states[..., 4] ** 2)
    phi_there = np.array(
        [
            evaluatePotentials(potential, r, z, use_physical=False)
            for r, z in zip(states[:50, :, 0].ravel(), states[:50, :, 3].ravel(), strict=True)
        ]
    ).reshape(states[:50, :, 0].shape)
    energy = kinetic[:50] + phi_there
    worst = float(np.abs(energy / energy[:, :1] - 1).max())
    return len(x) / best(go), worst


def stage(clusters: int, draws: int) -> None:
    """The pipeline stage: nominal orbits, actions and percentiles."""
    import polars as pl

    from melotte.config import GalaxyConfig
    from melotte.core.randomness import Streams
    from melotte.galaxy import dynamics

    rng = np.random.default_rng(2)
    n = clusters
    table = pl.DataFrame(
        {
            "cluster": [f"C{k}" for k in range(n)],
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-10, 70, n),
            "distance": rng.uniform(300, 4000, n),
            "pmra": rng.normal(0, 2, n),
            "pmdec": rng.normal(-2, 2, n),
            "rv_med": rng.normal(0, 20, n),
            "rv_med_error": rng.uniform(0.5, 5, n),
        }
    )
    for size in (draws, 10 * draws if draws <= 200 else 2 * draws):
        wall, cpu = time.perf_counter(), time.process_time()
        dynamics(table, settings=GalaxyConfig(draws=size, velocity="uncorrected"), rng=Streams(1), jobs=2)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"stage: {n} x {size:,} draws, 2 threads: {time.perf_counter() - wall:.1f} s wall, "
            f"{time.process_time() - cpu:.1f} s processor, peak memory {peak:.0f} MiB"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orbits", type=int, default=2000)
    parser.add_argument("--clusters", type=int, default=386)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--skip-stage", action="store_true")
    parser.add_argument("--json", type=Path, help="append the numbers to this file")
    arguments = parser.parse_args()
    x, v = sample(arguments.orbits)
    print(f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {arguments.orbits} orbits")
    ours, worst = melotte(x, v)
    print(f"{'melotte':42s} {ours:8.0f} orbits/s   max |dE/E| {worst:.1e}")
    what = f"{arguments.orbits:,} orbits of 500 Myr, energy error below 1e-6, one thread"
    rivals = {
        "agama": lambda: agama(x, v),
        "galpy MWPotential2014, interpRZ in C": lambda: galpy(x, v, interpolated=True),
        "galpy MWPotential2014 in C": lambda: galpy(x, v, interpolated=False),
    }
    compared = False
    for label, task in rivals.items():
        found = task()
        package = label.split()[0]
        if found is None:
            print(f"{label:42s} not installed")
            continue
        try:
            number = version(package)
        except PackageNotFoundError:
            number = "?"
        compared = True
        rate, worst = found
        record(
            arguments.json,
            what,
            rate=f"{ours:,.0f} orbits/s",
            peer=f"{label} {number}: {rate:,.0f} orbits/s",
            ratio=ours / rate,
        )
        print(
            f"{label + ' ' + number:42s} {rate:8.0f} orbits/s   max |dE/E| {worst:.1e}   melotte is {ours / rate:.1f} x"
        )
    if not compared:
        record(arguments.json, what, rate=f"{ours:,.0f} orbits/s")
    if not arguments.skip_stage:
        stage(arguments.clusters, arguments.draws)


if __name__ == "__main__":
    main()
