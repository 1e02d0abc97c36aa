"""Runs killed at random points and resumed: the files are those of an undisturbed run, byte for byte."""

from __future__ import annotations

import subprocess
import sys

import kill_points
import pytest


def _kill(points: int, seed: int) -> str:
    # In a process of its own: one that has used polars' threads cannot be forked safely.
    command = [sys.executable, kill_points.__file__, "--points", str(points), "--seed", str(seed)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_few_kill_points():
    said = _kill(6, seed=20221101)
    assert "6 runs killed" in said
    assert said.endswith("0 faults\n")


@pytest.mark.slow
def test_two_hundred_kill_points():
    assert "200 runs killed" in _kill(200, seed=1)
