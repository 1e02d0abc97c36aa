"""A LAMOST-like survey of open clusters with known truth: for the demo, injection-recovery and scale tests.

The generative model, with the source of each choice:

- Clusters: heights from an exponential disc of 80 pc scale height, distance log-uniform in 0.2-5 kpc, log age uniform
  in 7-9.7, [Fe/H] falling by 0.06 dex/kpc (Spina et al. 2022, Universe 8, 87) with 0.06 dex scatter, velocities on a
  flat rotation curve with 10 km/s dispersion. Within the LAMOST footprint (dec > -10 deg).
- Stars: Salpeter masses on a toy main sequence and giant branch; 44 % of them binaries with the period distribution of
  Raghavan et al. 2010 (ApJS 190, 1), uniform mass ratio, circular orbits (or, for the calibration, eccentric ones);
  0.8 km/s internal dispersion.
- Spectra: S/N from magnitude; RV errors as LAMOST publishes them (medians of the members of fifteen clusters in a
  LAMOST file: 5.4, 4.5, 3.6, 2.8 km/s at S/N 18, 42, 85, 200), plus 2 km/s that the published error lacks (the robust
  scatter of those members at S/N > 120 is 3.6 km/s) and 0.5 km/s common to the stars of one plate (a choice: see the
  validation page for what it does to the coverage); [Fe/H] errors of 0.07 dex on average (Fu et al. 2022, Sect. 2.2),
  plus 0.05 dex that the published error lacks; zero point -4.7 km/s; dwarfs below 5000 K biased low in log g and
  [Fe/H] (Fig. 4); repeat visits; the archive's sentinels.
- Membership: 6 % of the stars of probability >= 0.7 are field stars; probabilities in steps of 0.1.
- Reference: Gaia-RVS-like velocities of the stars brighter than G = 14.

The stellar sequence is a toy: it has the right shape for the quality control and is no stellar model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ..core.constants import DAYS_PER_JULIAN_YEAR, J2000, MAS_PER_DEG, MJD_J2000
from ..core.randomness import Streams
from ..schema.gaia import gaia_release

FloatArray = NDArray[np.float64]

_SUN_KMS = np.array([11.1, 245.04, 7.25])  # U, V (rotation included), W: Fu et al. 2022, Sect. 4.1
_ROTATION_KMS = 232.8
_R0_KPC = 8.2


@dataclass(frozen=True)
class SimulationSettings:
    """Parameters of the simulated survey; the defaults are those of the demo."""

    n_clusters: int = 300
    median_members: float = 10.0
    sigma_members_dex: float = 0.6
    max_members: int = 800
    zero_point_kms: float = -4.7
    binary_fraction: float = 0.44
    field_fraction: float = 0.06
    internal_dispersion_kms: float = 0.8
    rv_hidden_error_kms: float = 2.0
    plate_offset_kms: float = 0.5
    feh_hidden_error_dex: float = 0.05
    repeat_fraction: float = 0.25
    n_field_spectra: int = 3000
    #: Added to log10 of every S/N.
    snr_shift_dex: float = 0.0
    #: Orbits of the binaries: circular, or with eccentricities up to that of Moe & Di Stefano 2017, Eq. 3.
    eccentric: bool = False
    #: Amplitude of a trend of the survey's [Fe/H] with Teff: this times ((Teff - 5800 K) / 1000 K) is added.
    feh_trend_dex: float = 0.0


@dataclass(frozen=True)
class SimulatedSurvey:
    """The simulated catalogues in the column layout of the archives, and the truth behind them.

    Attributes
    ----------
    spectra : polars.DataFrame
        The survey as the LAMOST archive distributes it (``|``-separated when written), sentinels included.
    members : polars.DataFrame
        The membership list (columns of Cantat-Gaudin et al. 2018).
    clusters : polars.DataFrame
        The cluster parameters (columns of Cantat-Gaudin et al. 2020).
    reference : polars.DataFrame
        Gaia-RVS-like radial velocities of the brighter members.
    truth : polars.DataFrame
        ``cluster``, ``rv`` (km/s, no zero point), ``feh`` (dex), ``n_stars``.
    stars : polars.DataFrame
        ``cluster``, ``source_id``, ``field`` (whether the listed member is a field star), ``binary``.
    """

    spectra: pl.DataFrame
    members: pl.DataFrame
    clusters: pl.DataFrame
    reference: pl.DataFrame
    truth: pl.DataFrame
    stars: pl.DataFrame

    def write(self, directory: Path) -> dict[str, Path]:
        """Write the five tables below ``directory`` and return their paths."""
        directory.mkdir(parents=True, exist_ok=True)
        paths = {name: directory / f"{name}.csv" for name in ("members", "clusters", "reference", "truth")}
        paths["spectra"] = directory / "lamost_like.csv"
        for name, path in paths.items():
            frame: pl.DataFrame = getattr(self, name)
            frame.write_csv(path, separator="|" if name == "spectra" else ",")
        return paths


def simulate(settings: SimulationSettings, rng: Streams) -> SimulatedSurvey:
    """Draw a survey from the generative model of this module.

    Parameters
    ----------
    settings : SimulationSettings
        Parameters of the model.
    rng : Streams
        Family of random generators; the same seed gives the same survey.

    Returns
    -------
    SimulatedSurvey
    """
    stream = rng.child("simulate")
    clusters = _clusters(settings, stream.generator("clusters"))
    stars = _stars(clusters, settings, stream.generator("stars"))
    if settings.eccentric:
        stars = _eccentric(stars, stream.generator("orbits"))
    spectra = _spectra(stars, settings, stream.generator("spectra"))
    field = _field_spectra(clusters, settings, stream.generator("field"), first_obsid=1_000_000_000)
    truth = clusters.select(
        pl.col("Cluster").alias("cluster"),
        pl.col("true_rv").alias("rv"),
        pl.col("true_feh").alias("feh"),
        pl.col("n").alias("n_stars"),
    )
    return SimulatedSurvey(
        spectra=pl.concat([spectra, field]).sample(fraction=1.0, shuffle=True, seed=rng.seed % 2**32),
        members=_members(stars, stream.generator("members")),
        clusters=clusters.drop("true_rv", "true_feh", "n"),
        reference=_reference(stars, stream.generator("reference")),
        truth=truth,
        stars=stars.select(pl.col("Cluster").alias("cluster"), "source_id", "field", "binary"),
    )


def _clusters(settings: SimulationSettings, rng: np.random.Generator) -> pl.DataFrame:
    from astropy import units as u
    from astropy.coordinates import (
        ICRS,
        CartesianDifferential,
        CartesianRepresentation,
        Galactic,
        SkyCoord,
        SphericalCosLatDifferential,
        SphericalRepresentation,
    )

    wanted = settings.n_clusters
    # Draw more than needed: about half of the plane is south of the footprint.
    n = 4 * wanted + 50
    lon = rng.uniform(0, 360, n)
    dist_kpc = 10 ** rng.uniform(np.log10(0.2), np.log10(5.0), n)
    z_kpc = rng.laplace(0, 0.08, n)
    lat = np.degrees(np.arcsin(np.clip(z_kpc / dist_kpc, -0.9, 0.9)))
    icrs = SkyCoord(l=lon * u.deg, b=lat * u.deg, frame=Galactic).icrs
    keep = np.flatnonzero((icrs.dec.deg > -10) & (icrs.dec.deg < 85))[:wanted]
    lon, lat, dist_kpc = lon[keep], lat[keep], dist_kpc[keep]
    n = len(keep)

    radial = _unit_vectors(lon, lat)
    position = radial * dist_kpc[:, None] + np.array([-_R0_KPC, 0.0, 0.0])
    radius = np.hypot(position[:, 0], position[:, 1])
    # Rotation is clockwise seen from the north Galactic pole: along (y, -x)/R in this right-handed frame.
    velocity = _ROTATION_KMS * np.stack([position[:, 1] / radius, -position[:, 0] / radius, np.zeros(n)], axis=1)
    velocity += rng.normal(0, 10.0, (n, 3)) * np.array([1.0, 0.7, 0.5]) - _SUN_KMS
    motion = CartesianDifferential(velocity.T * u.km / u.s)
    galactic = Galactic(CartesianRepresentation(dist_kpc * radial.T * u.kpc, differentials=motion))
    sky = galactic.transform_to(ICRS()).represent_as(SphericalRepresentation, SphericalCosLatDifferential)
    rates = sky.differentials["s"]
    log_age = rng.uniform(7.0, 9.7, n)
    feh = -0.06 * (radius - _R0_KPC) + rng.normal(0, 0.06, n)
    members = np.exp(rng.normal(np.log(settings.median_members), settings.sigma_members_dex * np.log(10), n))
    return pl.DataFrame(
        {
            "Cluster": [f"SIM_{i + 1:04d}" for i in range(n)],
            "RA_ICRS": sky.lon.to_value(u.deg),
            "DE_ICRS": sky.lat.to_value(u.deg),
            "GLON": lon,
            "GLAT": lat,
            "r50": np.degrees(2.5e-3 / dist_kpc),
            "pmRA*": rates.d_lon_coslat.to_value(u.mas / u.yr),
            "pmDE": rates.d_lat.to_value(u.mas / u.yr),
            "plx": 1 / dist_kpc,
            "AgeNN": np.round(log_age, 2),
            "AVNN": np.round(0.7 * dist_kpc * rng.uniform(0.5, 1.5, n), 2),
            "DMNN": np.round(5 * np.log10(100 * dist_kpc), 2),
            "DistPc": np.round(1000 * dist_kpc),
            "n": np.clip(np.round(members), 1, settings.max_members).astype(np.int64),
            "true_rv": rates.d_distance.to_value(u.km / u.s),
            "true_feh": feh,
        }
    ).with_columns(pl.col("n").alias("nbstars07"))


def _unit_vectors(lon_deg: FloatArray, lat_deg: FloatArray) -> FloatArray:
    lon, lat = np.radians(lon_deg), np.radians(lat_deg)
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _stars(clusters: pl.DataFrame, settings: SimulationSettings, rng: np.random.Generator) -> pl.DataFrame:
    counts = clusters["n"].to_numpy()
    index = np.repeat(np.arange(len(counts)), counts)
    n = len(index)

    def of(name: str) -> FloatArray:
        return np.asarray(clusters[name].to_numpy()[index], dtype=np.float64)

    age_gyr = 10 ** (of("AgeNN") - 9)
    turnoff = np.clip((age_gyr / 10) ** -0.4, 0.9, 8.0)
    giant = (rng.random(n) < 0.10) & (age_gyr > 0.3)
    mass = _salpeter(rng, np.full(n, 0.65), np.minimum(turnoff, 2.6))
    logg = np.where(mass < 1, 4.44 - 0.8 * np.log10(mass), 4.44 - 0.7 * np.log10(mass)) + rng.normal(0, 0.03, n)
    teff = 10 ** (3.762 + 0.57 * np.log10(mass))
    g_abs = 4.7 - 9.0 * np.log10(mass)
    logg = np.where(giant, rng.normal(2.5, 0.4, n), logg)
    teff = np.where(giant, 4900 + 250 * (logg - 2.5) + rng.normal(0, 60, n), teff)
    g_abs = np.where(giant, 0.5 + 1.6 * (logg - 2.5), g_abs)
    mass = np.where(giant, turnoff, mass)
    a_v = of("AVNN")
    g_mag = g_abs + of("DMNN") + 0.84 * a_v
    bp_rp = 2.0 * 5040 / teff - 0.92 + 0.42 * a_v

    is_field = rng.random(n) < settings.field_fraction
    rv = of("true_rv") + rng.normal(0, settings.internal_dispersion_kms, n)
    feh = of("true_feh").copy()
    rv = np.where(is_field, of("true_rv") + rng.normal(0, 40.0, n), rv)
    feh = np.where(is_field, rng.normal(-0.15, 0.25, n), feh)

    binary = rng.random(n) < settings.binary_fraction
    period_d = 10 ** np.clip(rng.normal(5.03, 2.28, n), 0.3, 9.0)
    ratio = rng.uniform(0.1, 1.0, n)
    sin_i = np.sqrt(1 - rng.random(n) ** 2)
    # Semi-amplitude of the primary on a circular orbit: 212.9 km/s for 1 Msun, 1 d (Kepler's third law).
    amplitude = 212.9 * np.cbrt(mass / period_d) * ratio / np.cbrt(1 + ratio) ** 2 * sin_i
    r50 = of("r50")
    offset = rng.normal(0, 1.0, (2, n)) * r50 / 1.2
    dec = of("DE_ICRS") + offset[1]
    return pl.DataFrame(
        {
            "Cluster": clusters["Cluster"].to_numpy()[index],
            "source_id": _source_ids(rng, n),
            "ra": np.mod(of("RA_ICRS") + offset[0] / np.cos(np.radians(dec)), 360.0),
            "dec": dec,
            "pmra": of("pmRA*") + rng.normal(0, 0.15, n),
            "pmdec": of("pmDE") + rng.normal(0, 0.15, n),
            "parallax": of("plx") + rng.normal(0, 0.05, n),
            "g_mag": g_mag,
            "bp_rp": bp_rp,
            "teff": teff,
            "logg": logg,
            "rv": rv,
            "feh": feh,
            "amplitude": np.where(binary, amplitude, 0.0),
            "period_d": period_d,
            "phase": rng.random(n),
            "eccentricity": np.zeros(n),
            "omega": np.zeros(n),
            "field": is_field,
            "binary": binary & ~is_field,
        }
    )


def _eccentric(stars: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Eccentricities uniform up to 1 - (P / 2 d)^(-2/3), none below 12 d; random arguments of periastron."""
    period = stars["period_d"].to_numpy()
    largest = np.where(period > 12.0, 1 - (period / 2.0) ** (-2 / 3), 0.0)
    e = rng.random(len(stars)) * largest
    return stars.with_columns(
        pl.Series("eccentricity", e),
        pl.Series("omega", rng.uniform(0, 2 * np.pi, len(stars))),
        pl.Series("amplitude", stars["amplitude"].to_numpy() / np.sqrt(1 - e**2)),
    )


def _salpeter(rng: np.random.Generator, low: FloatArray, high: FloatArray) -> FloatArray:
    slope = -1.35
    x = rng.random(len(low))
    return np.asarray((low**slope + x * (high**slope - low**slope)) ** (1 / slope))


def _source_ids(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Unique 19-digit ids: like Gaia's, too large for a double."""
    return rng.choice(2**40, size=n, replace=False).astype(np.int64) * 2**20 + 2**60 + rng.integers(1, 2**19, n)


def _rv_error(snr: FloatArray) -> FloatArray:
    """Published RV error (km/s) at a signal-to-noise ratio: see the module's account."""
    return np.hypot(2.2, 25.0 / np.sqrt(snr))


def _velocity_at(stars: pl.DataFrame, mjd: FloatArray) -> FloatArray:
    phase = stars["phase"].to_numpy() + mjd / stars["period_d"].to_numpy()
    rv, amplitude, e = (stars[name].to_numpy() for name in ("rv", "amplitude", "eccentricity"))
    if not e.any():
        return np.asarray(rv + amplitude * np.sin(2 * np.pi * phase))
    omega = stars["omega"].to_numpy()
    return np.asarray(rv + amplitude * (np.cos(omega + _true_anomaly(2 * np.pi * phase, e)) + e * np.cos(omega)))


def _true_anomaly(mean_anomaly: FloatArray, e: FloatArray) -> FloatArray:
    """By bisection of Kepler's equation, slow and safe: the model that is tested uses another method."""
    low, high = np.zeros(e.size), np.full(e.size, 2 * np.pi)
    wanted = np.mod(mean_anomaly, 2 * np.pi)
    for _ in range(45):
        middle = (low + high) / 2
        above = middle - e * np.sin(middle) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    anomaly = (low + high) / 2
    return np.asarray(2 * np.arctan2(np.sqrt(1 + e) * np.sin(anomaly / 2), np.sqrt(1 - e) * np.cos(anomaly / 2)))


def _spectra(stars: pl.DataFrame, settings: SimulationSettings, rng: np.random.Generator) -> pl.DataFrame:
    visits = 1 + (rng.random(len(stars)) < settings.repeat_fraction) * rng.integers(1, 4, len(stars))
    visible = stars.with_columns(pl.Series("visits", visits)).filter(pl.col("g_mag").is_between(8.0, 17.5))
    repeated = visible.with_columns(pl.int_ranges("visits").alias("visit")).explode("visit")
    n = len(repeated)
    mjd = rng.uniform(55859, 58996, n)  # 2011-10-24 to 2020-05-27, Fu et al. 2022, Sect. 1
    snr = 10 ** (2.1 + settings.snr_shift_dex - 0.22 * (repeated["g_mag"].to_numpy() - 13.0) + rng.normal(0, 0.25, n))
    snr = np.clip(snr, 6, 900)
    rv_error = _rv_error(snr) * rng.lognormal(0, 0.15, n)
    feh_error = np.hypot(0.03, 2.2 / snr**0.9) * rng.lognormal(0, 0.15, n)
    teff_error = np.hypot(25.0, 2000.0 / snr)
    logg_error = np.hypot(0.04, 4.0 / snr)

    teff, logg = repeated["teff"].to_numpy(), repeated["logg"].to_numpy()
    cool = np.where((teff < 5000) & (logg > 3.5), (5000 - teff) / 1000, 0.0)
    # The n-th visits of a cluster's stars are on one plate.
    plate = repeated.select(pl.struct("Cluster", "visit").rank("dense").cast(pl.Int64) - 1).to_series().to_numpy()
    plate_offset = rng.normal(0, settings.plate_offset_kms, 4 * repeated["Cluster"].n_unique() + 1)[plate]
    hidden_rv = rng.normal(0, settings.rv_hidden_error_kms, n) + plate_offset
    hidden_feh = rng.normal(0, settings.feh_hidden_error_dex, n)
    rv = _velocity_at(repeated, mjd) + hidden_rv + rng.normal(0, rv_error) + settings.zero_point_kms
    trend = settings.feh_trend_dex * (teff - 5800.0) / 1000.0
    feh = repeated["feh"].to_numpy() + trend - 0.45 * cool + hidden_feh + rng.normal(0, feh_error)
    return _archive_rows(
        obsid=np.arange(n) + 100_000_000,
        ra=repeated["ra"].to_numpy(),
        dec=repeated["dec"].to_numpy(),
        pm=(repeated["pmra"].to_numpy(), repeated["pmdec"].to_numpy()),
        mjd=mjd,
        snr=snr,
        source_id=repeated["source_id"].to_numpy(),
        values={
            "teff": (teff + rng.normal(0, teff_error), teff_error),
            "logg": (logg - 0.6 * cool + rng.normal(0, logg_error), logg_error),
            "feh": (feh, feh_error),
            "rv": (rv, rv_error),
        },
        rng=rng,
    )


def _field_spectra(
    clusters: pl.DataFrame, settings: SimulationSettings, rng: np.random.Generator, *, first_obsid: int
) -> pl.DataFrame:
    n = settings.n_field_spectra if len(clusters) else 0
    index = rng.integers(0, max(len(clusters), 1), n)
    dec = clusters["DE_ICRS"].to_numpy()[index] + rng.normal(0, 1.0, n)
    ra = np.mod(clusters["RA_ICRS"].to_numpy()[index] + rng.normal(0, 1.0, n) / np.cos(np.radians(dec)), 360)
    snr = np.clip(rng.lognormal(3.5, 0.8, n), 6, 900)
    error = _rv_error(snr)
    return _archive_rows(
        obsid=np.arange(n) + first_obsid,
        ra=ra,
        dec=dec,
        pm=(rng.normal(0, 5, n), rng.normal(-2, 5, n)),
        mjd=rng.uniform(55859, 58996, n),
        snr=snr,
        source_id=_source_ids(rng, n),
        values={
            "teff": (rng.uniform(4200, 7200, n), np.full(n, 80.0)),
            "logg": (rng.uniform(2.0, 4.7, n), np.full(n, 0.1)),
            "feh": (rng.normal(-0.2, 0.3, n), np.full(n, 0.07)),
            "rv": (rng.normal(-10, 40, n), error),
        },
        rng=rng,
    )


def _archive_rows(
    *,
    obsid: NDArray[np.int64],
    ra: FloatArray,
    dec: FloatArray,
    pm: tuple[FloatArray, FloatArray],
    mjd: FloatArray,
    snr: FloatArray,
    source_id: NDArray[np.int64],
    values: dict[str, tuple[FloatArray, FloatArray]],
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Rows as the archive distributes them: J2000 coordinates, -9999 where the pipeline failed."""
    n = len(obsid)
    years = J2000 - gaia_release("DR2").epoch
    dec0 = dec + pm[1] * years / MAS_PER_DEG + rng.normal(0, 0.1, n) / 3600
    ra0 = ra + (pm[0] * years / MAS_PER_DEG + rng.normal(0, 0.1, n) / 3600) / np.cos(np.radians(dec))
    failed = rng.random(n) < 0.02
    no_id = rng.random(n) < 0.03
    columns: dict[str, NDArray[np.generic]] = {
        "obsid": obsid,
        "mjd": np.floor(mjd).astype(np.int64),
        "ra": np.mod(ra0, 360.0),
        "dec": np.clip(dec0, -90, 90),
        "snrg": np.round(snr, 2),
        "class": np.full(n, "STAR"),
        "gaia_source_id": np.where(no_id, 0, source_id),
        "fibertype": np.full(n, "Obj"),
    }
    for name, (value, error) in values.items():
        digits = 4 if name in {"logg", "feh"} else 2
        columns[name] = np.where(failed, -9999.0, np.round(value, digits))
        columns[f"{name}_err"] = np.where(failed, -9999.0, np.round(error, digits))
    return pl.DataFrame(columns)


def _members(stars: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    n = len(stars)
    return stars.select(
        "Cluster",
        pl.col("source_id").alias("Source"),
        "ra",
        "dec",
        "pmra",
        "pmdec",
        "parallax",
        pl.col("g_mag").alias("phot_g_mean_mag"),
        pl.col("bp_rp").alias("BP-RP"),
        pl.Series("PMemb", rng.choice([0.4, 0.6, 0.7, 0.8, 0.9, 1.0], n, p=[0.03, 0.05, 0.12, 0.2, 0.25, 0.35])),
    )


def _reference(stars: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    bright = stars.filter(pl.col("g_mag") < 14.0)
    n = len(bright)
    error = np.hypot(0.3, 0.25 * 10 ** (0.25 * (bright["g_mag"].to_numpy() - 11)))
    mjd = MJD_J2000 + (rng.uniform(2014.6, 2017.4, n) - 2000.0) * DAYS_PER_JULIAN_YEAR
    years = gaia_release("DR3").epoch - gaia_release("DR2").epoch
    cos_dec = pl.col("dec").radians().cos()
    return bright.select(
        pl.col("Cluster").alias("OC"),
        # A later release may rename a source: the reference is matched on the sky, never by these ids.
        (pl.col("source_id") + 1).alias("source_id"),
        ((pl.col("ra") + pl.col("pmra") * years / MAS_PER_DEG / cos_dec) % 360).alias("ra"),
        (pl.col("dec") + pl.col("pmdec") * years / MAS_PER_DEG).alias("dec"),
        "pmra",
        "pmdec",
        pl.col("g_mag").alias("phot_g_mean_mag"),
        pl.Series("radial_velocity", _velocity_at(bright, mjd) + rng.normal(0, error)),
        pl.Series("radial_velocity_error", error),
    )
